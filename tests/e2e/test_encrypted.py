"""Resolvers by TLS and by HTTPS, asked about many names at once."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.name
import pytest
from dns.rdatatype import CNAME

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.message import Question, Reply, Silence
from certbot_dns_delegate.lookup.recursive import Recursive, parse_resolvers
from certbot_dns_delegate.order import providers
from certbot_dns_delegate.settings.delegates import Settings
from tests.e2e.lab import Lab, unbound
from tests.e2e.lab.namespace import VARIABLE
from tests.servers import Server, Silent

KEYS = [(dns.name.from_text(f"_acme-challenge.e{number:03}.customer.test."), CNAME) for number in range(100)]


@pytest.mark.parametrize("scheme", ["udp", "tls", "https"])
def test_many_names(lab: Lab, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is answered, by whatever way."""
    forms = {
        "udp": lab.resolver,
        "tls": f"tls://{lab.resolver}#{unbound.NAME}",
        "https": f"https://{lab.resolver}/dns-query",
    }
    if scheme == "https" and not lab.unbound.https:
        pytest.skip("this Unbound has no DNS over HTTPS")
    lab.set_customer({f"_acme-challenge.e{number:03}.customer.test.": "CNAME e.acme.test." for number in range(100)})
    monkeypatch.setenv("SSL_CERT_FILE", str(lab.authority.file))
    recursive = Recursive(parse_resolvers(forms[scheme]))
    answers = recursive.ask_all(KEYS)
    assert {answer.transport if isinstance(answer, Reply) else str(answer) for answer in answers.values()} == {scheme}
    assert all(isinstance(answer, Reply) and answer.message.answer for answer in answers.values())


@contextmanager
def silent_resolver() -> Iterator[None]:
    """Nobody answers the C library, which waits for minutes."""
    system = Path("/etc/resolv.conf")
    before = system.read_text()
    with Server({}, port=53, behaviour=Silent()) as silent:
        system.write_text(f"nameserver {silent.address}\noptions timeout:30 attempts:5\n")
        try:
            yield
        finally:
            system.write_text(before)


@pytest.mark.skipif(
    os.environ.get(VARIABLE) != "namespace", reason="changes /etc/resolv.conf, the lab's own only in its namespaces"
)
def test_a_host_that_the_system_looks_up_for_too_long() -> None:
    """A resolver's own host is looked up within the patience for a question; resolv.conf allows minutes."""
    with silent_resolver():
        (resolver,) = parse_resolvers("https://dns.slow.test/dns-query")
        (outcome,) = resolver.put([Question(*KEYS[0])], 1.0)
    assert isinstance(outcome, Silence)
    assert outcome.reason == "timeout"


@pytest.mark.skipif(
    os.environ.get(VARIABLE) != "namespace", reason="changes /etc/resolv.conf, the lab's own only in its namespaces"
)
def test_an_update_server_that_the_system_looks_up_for_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error about this host after so many seconds."""
    monkeypatch.setattr(providers, "HOST_S", 1)
    writers = providers.Writers(lambda: pytest.fail("no chain to follow"), tmp_path, print, threading.Event())
    addresses = writers.addresses(Settings(tmp_path, "dns-delegate", ()))
    with silent_resolver(), pytest.raises(LookupFailed, match="the system has found no address for it in 1 s"):
        addresses("ns.slow.test", 53)
