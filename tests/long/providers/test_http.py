"""Services that go on answering and never end."""

from datetime import timedelta

import pytest

from certbot_dns_delegate.errors import OutcomeUnknown, Refused
from certbot_dns_delegate.providers import http
from tests.servers import http as servers
from tests.servers.http import Certificates, Reply, Server
from tests.unit.providers.test_http import Waits, client, options


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return servers.make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
@pytest.mark.parametrize("is_tls", [False, True])
def test_a_slow_drip_is_cut_at_the_deadline(start: bytes, is_tls: bool, certificates: Certificates) -> None:
    """Bytes that keep coming do not extend the time for the whole request, in headers or body."""
    with Server(None, certificates.context() if is_tls else None) as server:
        server.handle = lambda _: Reply(misbehave=servers.Dripping(server, start))  # type: ignore[method-assign]  # the server of this test alone
        one = client(server, request_timeout=timedelta(seconds=0.5), ca_bundle=certificates.ca)
        with pytest.raises(OutcomeUnknown, match="no complete answer"):
            one.call("POST", "x", json={})


def test_a_proxy_that_drips_is_cut_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer to CONNECT never ends; nothing left for the service meanwhile."""
    with Server(lambda _: Reply(misbehave=drip)) as proxy:
        drip = servers.Dripping(proxy, b"HTTP/1.1 200 Connection established\r\nX-Slow: ")
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        one = http.Client(options("https://service.invalid", request_timeout=timedelta(seconds=0.5)), wait=Waits())
        with pytest.raises(Refused, match=r"no complete answer within 0\.5 s"):
            one.call("POST", "x", json={})
