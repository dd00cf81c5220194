"""The one way to call an HTTP API, against real servers that misbehave."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from certbot_dns_delegate import check
from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, Refused, SettingsError, WriteError
from certbot_dns_delegate.order import engine
from certbot_dns_delegate.providers import http
from certbot_dns_delegate.providers.http import session
from certbot_dns_delegate.providers.http.client import BUDGET
from certbot_dns_delegate.schema import Secret
from tests.servers import http as servers
from tests.servers.http import Certificates, Reply, Request, Server

SECRET = 's3cr3t/+="ü\\!'
PLAIN = "k3y-of-the-api"


def options(url: str, **given: Any) -> dict[str, Any]:
    """A provider's options as the settings parser would build them."""
    values: dict[str, Any] = {key.name: None for key in http.KEYS}
    for key in http.KEYS:
        if key.default is not None:
            values[key.name] = key.kind.parse(key.default)
    quick = {"connect_timeout": timedelta(seconds=2), "read_timeout": timedelta(seconds=2)}
    return values | quick | {"url": url} | given


class Waits:
    """A clock's hand: remembers how long it was asked to wait, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def client(server: Server, **given: Any) -> http.Client:
    return http.Client(options(server.url, **given), headers={"X-Api-Key": Secret(PLAIN)}, wait=Waits())


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return servers.make_certificates(tmp_path_factory.mktemp("tls"))


def test_a_call_sends_json_with_its_credentials_and_returns_the_checked_answer() -> None:
    """Method, path, query, headers and body arrive; the answer's JSON is read with its types."""
    with Server(lambda _: Reply(201, {"id": "z1", "n": 3, "names": ["a"]})) as server:
        answer = client(server).call("POST", "zones", json={"ä": 1}, query={"q": "a b"}, headers={"X-One": "1"})
        record = answer.value(dict)
        assert (answer.status, answer.id(record), answer.field(record, "n", int)) == (201, "z1", 3)
        (request,) = server.requests
        assert (request.method, request.path, request.json()) == ("POST", "/zones?q=a+b", {"ä": 1})
        assert request.headers["X-Api-Key"] == PLAIN
        assert request.headers["X-One"] == "1"
        assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", "the body is empty"),
        ('{"txt": "ab', "the body is not JSON"),
        ("[" * 100000, "the body is not JSON"),
        ("\xff\xfe", "the body is not JSON"),
        ("[]", "the body is a list, not an object"),
        ("null", "the body is null, not an object"),
    ],
)
def test_a_success_without_a_usable_body_is_an_error(body: str, sentence: str) -> None:
    """Empty, cut, too deep or mistyped JSON is told apart; of a write it leaves the outcome unknown."""
    with Server(lambda _: Reply(200, body)) as server:
        with pytest.raises(OutcomeUnknown, match=sentence):
            client(server).call("POST", "x", json={}).value(dict)
        with pytest.raises(Refused, match=sentence):
            client(server).call("GET", "x").value(dict)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"id": 7}, "'id' is a number, not text"),
        ({"id": True}, "'id' is true or false, not text"),
        ({}, "'id' is missing"),
        (["id"], "a list is where an object with 'id' belongs"),
        ({"id": "../zones"}, "must not enter a URL"),
        ({"id": ".."}, "must not enter a URL"),
        ({"id": ""}, "must not enter a URL"),
        ({"id": "a?b"}, "must not enter a URL"),
        ({"id": "a\r\nHost: x"}, "must not enter a URL"),
        ({"id": f"x/{PLAIN}"}, "must not enter a URL"),
        ({"id": f"x/{PLAIN.upper()}"}, "must not enter a URL"),
    ],
)
def test_an_id_is_checked_before_it_enters_a_url(record: Any, sentence: str) -> None:
    """Whatever an answer calls an id has to be text of harmless characters."""
    with Server(lambda _: Reply(200, {"result": record})) as server:
        answer = client(server).call("GET", "x")
        with pytest.raises(Refused, match=sentence) as caught:
            answer.id(answer.value(dict)["result"])
        assert PLAIN not in str(caught.value).lower()
    assert http.segment("=5Facme-challenge.example.org.") == "=5Facme-challenge.example.org."


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 413, 418, 422, 451])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_clear_no_is_refused_at_once(status: int, method: str) -> None:
    """3xx and 4xx answers wrote nothing; nothing is repeated and no redirect is followed, on any method."""
    with Server(lambda _: Reply(status, {"error": "no"}, {"Location": "https://u:p@elsewhere.example/x"})) as server:
        with pytest.raises(Refused) as caught:
            client(server).call(method, "x", json={}, repeat=True)
        assert str(status) in caught.value.problem
        assert "u:p" not in str(caught.value)
        assert len(server.requests) == 1
    if status in {301, 401, 403, 404}:
        assert caught.value.hint


@pytest.mark.parametrize("status", [408, 409, 429])
def test_a_no_that_may_come_from_the_way_leaves_a_write_in_doubt(status: int) -> None:
    """A proxy gives up on a request that it has passed on; a service may say these of one that it has begun.

    Of a read nothing is in doubt, nor where the service documents that it acts on no such request.
    """
    with Server(lambda _: Reply(status, "no", {"Retry-After": "999"})) as server:
        with pytest.raises(OutcomeUnknown, match=str(status)):
            client(server).call("POST", "x", json={})
        with pytest.raises(Refused, match=str(status)):
            client(server).call("GET", "x")
        assert len(server.requests) == 2
        sure = http.Client(options(server.url), wait=Waits(), unwritten={status})
        with pytest.raises(Refused, match=str(status)):
            sure.call("POST", "x", json={})


def test_a_no_without_tls_is_certain_on_this_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody on the way could have said it; but a proxy says 407 of what it keeps."""
    with Server(lambda request: Reply(403 if "x" in request.path else 407)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        one = http.Client(options("http://service.invalid", allow_http=True), wait=Waits())
        with pytest.raises(OutcomeUnknown, match="403"):
            one.call("POST", "x", json={})
        with pytest.raises(Refused, match="407"):
            one.call("POST", "y", json={})


def test_an_accepted_status_is_returned() -> None:
    """A provider that knows what a 404 means gets it as an answer, and can raise its error later."""
    with Server(lambda _: Reply(404, {"error": "no such record"})) as server:
        answer = client(server).call("DELETE", "x", accept={404})
        assert answer.status == 404
        assert "no such record" in answer.error().problem


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504])
def test_a_server_error_leaves_a_write_unknown_and_is_not_repeated_blindly(status: int) -> None:
    """A write without leave to repeat is sent once."""
    with Server(lambda _: Reply(status, "broken")) as server:
        with pytest.raises(OutcomeUnknown, match=str(status)):
            client(server).call("POST", "x", json={})
        assert len(server.requests) == 1


def answers(*replies: Reply) -> Callable[[Request], Reply]:
    """One after the other, the last one for ever."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_a_harmless_repeat_gets_over_trouble_that_passes() -> None:
    """5xx, then a cut connection, then success: three tries, with growing pauses."""
    waits = Waits()
    with Server(answers(Reply(503), Reply(misbehave=servers.hang_up), Reply(200, {"ok": 1}))) as server:
        answer = http.Client(options(server.url), wait=waits).call("PUT", "x", json={}, repeat=True)
        assert answer.value(dict) == {"ok": 1}
    assert [0.25 <= waits.seconds[0] <= 0.5, 0.5 <= waits.seconds[1] <= 1] == [True, True]


def test_trouble_that_stays_ends_after_three_tries() -> None:
    """The last answer is told; of a repeatable write the outcome is unknown all the same."""
    with Server(lambda _: Reply(502, "bad gateway")) as server:
        with pytest.raises(OutcomeUnknown, match="502"):
            client(server).call("PUT", "x", json={}, repeat=True)
        assert len(server.requests) == 3
        with pytest.raises(Refused, match="502"):
            client(server).call("GET", "x")
        assert len(server.requests) == 6


def test_a_refusal_after_a_doubtful_try_is_no_certainty() -> None:
    """A repeated write whose first try may have worked is not called refused because the second was."""
    with Server(answers(Reply(misbehave=servers.hang_up), Reply(403, "locked out"))) as server:
        with pytest.raises(OutcomeUnknown, match="403"):
            client(server).call("PUT", "x", json={}, repeat=True)
        assert len(server.requests) == 2


def test_a_web_page_is_no_accepted_answer() -> None:
    """A proxy's own 404 page does not pass for the API saying that a record is gone."""
    with Server(lambda _: servers.html_page(404)) as server, pytest.raises(Refused, match=r"404 Not Found .a web page"):
        client(server).call("DELETE", "x", accept={404})


@pytest.mark.parametrize("status", [420, 429])
def test_throttling_is_waited_for_as_long_as_the_service_says(status: int) -> None:
    """Seconds and date are understood, for writes too: a throttled request was not acted on."""
    waits = Waits()
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    replies = [
        Reply(status, "", {"Retry-After": "7"}),
        Reply(status, "", {"Retry-After": date}),
        Reply(status),
        Reply(),
    ]
    with Server(answers(*replies)) as server:
        assert http.Client(options(server.url), wait=waits).call("POST", "x").status == 200
    seconds, dated, unnamed = waits.seconds
    assert 7 <= seconds <= 7.5
    assert 50 < dated <= 61
    assert 1 <= unnamed <= 2


@pytest.mark.parametrize("after", ["86400", "999999999999999999999", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_throttling_beyond_the_budget_is_refused_at_once(after: str) -> None:
    """Nobody waits a day inside a renewal; the error says how long it would have been."""
    with Server(lambda _: Reply(429, {"error": "slow down"}, {"Retry-After": after})) as server:
        with pytest.raises(WriteError, match="429") as caught:
            client(server).call("POST", "x")
        assert "try again in" in caught.value.hint
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 503, 522, 530])
def test_a_service_that_is_away_for_a_moment_is_asked_again(status: int) -> None:
    """Also where a proxy in front says it with a status of its own; a write is not repeated for that."""
    with Server(answers(Reply(status), Reply(status), Reply())) as server:
        assert client(server).call("GET", "x").status == 200
    with Server(lambda _: Reply(status)) as server, pytest.raises(OutcomeUnknown):
        client(server).call("POST", "x")
    assert len(server.requests) == 1


def test_a_service_that_names_its_return_is_quoted() -> None:
    """In the hint, for a 503 as for a 429."""
    with Server(lambda _: Reply(503, "", {"Retry-After": "3600"})) as server, pytest.raises(WriteError) as caught:
        client(server).call("GET", "x")
    assert caught.value.hint == "try again in 3600 s"


PAST = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    "after", ["0", PAST, "", "soon", "-5", "Mon, 99 Foo 2026", f"Mon, 01 Jan {'9' * 30} 00:00:00 GMT"]
)
def test_throttling_without_a_usable_time_ends_within_the_budget(after: str) -> None:
    """Pauses double until the budget is used up."""
    waits = Waits()
    with Server(lambda _: Reply(429, "", {"Retry-After": after})) as server, pytest.raises(WriteError, match="429"):
        http.Client(options(server.url), wait=waits).call("POST", "x")
    assert 30 < sum(waits.seconds) <= BUDGET
    assert len(server.requests) < 12


def test_the_end_of_the_run_ends_a_wait() -> None:
    """The engine's wait raises then; what the request ran into is raised, not that."""

    def end(_: float) -> None:
        raise DelegateError("the run is being ended")

    with Server(lambda _: Reply(429, "", {"Retry-After": "100"})) as server:
        with pytest.raises(Refused, match="429"):
            http.Client(options(server.url), wait=end).call("GET", "x")
        assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_login_page_is_no_success(method: str) -> None:
    """HTML with status 200 is an error that shows its title, made printable."""
    with Server(lambda _: servers.html_page()) as server:
        with pytest.raises(WriteError, match=r"web page: Sign in\\x1b") as caught:
            client(server).call(method, "x")
        assert isinstance(caught.value, OutcomeUnknown) == (method == "POST")


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Reply(200, b"x" * (10 << 20)), "longer than 1 MiB"),
        (servers.gzip_bomb(), "longer than 1 MiB"),
        (Reply(200, b"plain", {"Content-Encoding": "gzip"}), "not the gzip data"),
        (Reply(200, gzip.compress(b"{}" * 500)[:-9], {"Content-Encoding": "gzip"}), "ends in the middle"),
        (Reply(200, b"x", {"Content-Encoding": "br"}), "encoding was not asked for"),
        (Reply(misbehave=servers.cut_body), "connection broke|ends in the middle"),
        (Reply(misbehave=servers.cut_headers), "ends in the middle"),
        (Reply(misbehave=servers.cut_chunks), "connection broke"),
        (Reply(misbehave=servers.hang_up), "connection broke"),
        (Reply(misbehave=servers.babble), "connection broke"),
    ],
)
def test_a_broken_answer_leaves_a_write_unknown(reply: Reply, sentence: str) -> None:
    """Too long, bombs, cut in the middle, not HTTP: one sentence, and the write is not repeated."""
    with Server(lambda _: reply) as server:
        with pytest.raises(OutcomeUnknown, match=sentence):
            client(server).call("POST", "x", json={})
        assert len(server.requests) == 1


def test_gzip_within_the_limit_is_read() -> None:
    """A server that compresses although nobody asked is understood."""
    with Server(lambda _: Reply(200, gzip.compress(b'{"a": 1}'), {"Content-Encoding": "gzip"})) as server:
        assert client(server).call("GET", "x").value(dict) == {"a": 1}


def test_silence_ends_at_the_read_timeout() -> None:
    """A server that takes the request and says nothing leaves a write unknown."""
    with Server() as server:
        server.handle = lambda _: Reply(misbehave=servers.Silent(server))  # type: ignore[method-assign]  # the server of this test alone
        with pytest.raises(OutcomeUnknown, match=r"silent for 0.3 s") as caught:
            client(server, read_timeout=timedelta(seconds=0.3)).call("POST", "x", json={})
        assert "read_timeout" in caught.value.hint


def test_nobody_there_is_refused_after_harmless_repeats() -> None:
    """A refused connection wrote nothing, so even a write is tried again, and then Refused."""
    waits = Waits()
    with servers.closed_port() as port:
        one = http.Client(options(f"http://127.0.0.1:{port}"), wait=waits)
        with pytest.raises(Refused, match=r"cannot be reached: Connection refused") as caught:
            one.call("POST", "x", json={})
    assert len(waits.seconds) == 2
    assert f"curl -sv -o /dev/null http://127.0.0.1:{port}" in caught.value.hint


def test_a_name_that_does_not_exist_is_refused() -> None:
    """A typing error in url says that the name is not known."""
    one = http.Client(options("https://api.does-not-exist.invalid"), wait=Waits())
    with pytest.raises(Refused, match=r"cannot be reached: .*(not known|resolution|No address)"):
        one.call("POST", "x", json={})


def test_a_certificate_of_an_unknown_ca_is_refused_with_the_way_out(certificates: Certificates) -> None:
    """TLS is never relaxed silently; the error names ca_bundle, and is not repeated."""
    with Server(lambda _: Reply(), certificates.context()) as server:
        with pytest.raises(Refused, match=r"TLS failed: .*(unable to get local issuer|self-signed)") as caught:
            client(server).call("POST", "x", json={})
        assert "ca_bundle = " in caught.value.hint
        assert server.requests == []


def test_whoever_replaced_the_usual_cas_is_named(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable, or the option: which of them lacks the CA."""
    other = certificates.client  # a certificate, but not of the CA
    with Server(lambda _: Reply(), certificates.context()) as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
        with pytest.raises(Refused, match="TLS failed") as caught:
            client(server).call("GET", "x")
        assert caught.value.hint.startswith(f"REQUESTS_CA_BUNDLE = {other} has replaced the usual CAs; ca_bundle = /")
        with pytest.raises(Refused, match="TLS failed") as caught:
            client(server, ca_bundle=other).call("GET", "x")
        assert caught.value.hint.startswith(f"the CA of the service must be in {other} (ca_bundle)")


def test_a_bundle_of_the_environment_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent."""
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nonexistent.pem")
    with pytest.raises(SettingsError, match=r"^CURL_CA_BUNDLE = /nonexistent\.pem of the environment: no such file"):
        http.Client(options("https://service.invalid"))


def test_a_wrong_name_and_an_old_certificate_are_no_matter_of_cas(certificates: Certificates) -> None:
    """Their hints say what to look at."""
    with Server(lambda _: Reply(), certificates.context()) as server:
        one = http.Client(options(f"https://[::ffff:127.0.0.1]:{server.port}", ca_bundle=certificates.ca), wait=Waits())
        with pytest.raises(Refused, match="TLS failed") as caught:
            one.call("GET", "x")
        assert caught.value.hint.startswith("url must name a host that the certificate is for")
    with Server(lambda _: Reply(), certificates.context(is_expired=True)) as server:
        with pytest.raises(Refused, match="TLS failed: certificate has expired") as caught:
            client(server, ca_bundle=certificates.ca).call("GET", "x")
        assert caught.value.hint.startswith("compare the clocks, and let the service renew its certificate")


def test_ca_bundle_wins_over_the_environment(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """The section's bundle decides; without one the environment's is used."""
    with Server(lambda _: Reply(), certificates.context()) as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
        assert client(server, ca_bundle=certificates.ca).call("POST", "x").status == 200
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca))
        assert client(server).call("POST", "x").status == 200


def test_a_name_that_the_certificate_does_not_have_is_refused(certificates: Certificates) -> None:
    """A right CA does not excuse a wrong name."""
    with Server(lambda _: Reply(), certificates.context()) as server:
        url = f"https://127.0.0.2:{server.port}"
        one = http.Client(options(url, ca_bundle=certificates.ca, connect_timeout=timedelta(seconds=2)), wait=Waits())
        with pytest.raises(Refused, match=r"TLS failed|cannot be reached"):
            one.call("POST", "x")


def test_a_client_certificate_is_shown_where_it_is_wanted(certificates: Certificates) -> None:
    """Certificate and key may be in two files; without them the server hangs up."""
    with Server(lambda _: Reply(), certificates.context(wants_client=True)) as server:
        given = {
            "ca_bundle": certificates.ca,
            "client_cert": certificates.client,
            "client_key": certificates.client_key,
        }
        assert client(server, **given).call("POST", "x").status == 200
        with pytest.raises(WriteError):
            client(server, ca_bundle=certificates.ca).call("POST", "x")


def test_unusable_certificate_files_are_settings_errors(certificates: Certificates, tmp_path: Path) -> None:
    """Missing, not PEM, writable by others, encrypted: said before anything is sent, never asked on a terminal."""
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("not a certificate")
    writable = tmp_path / "writable.pem"
    writable.write_bytes(certificates.ca.read_bytes())
    writable.chmod(0o666)
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(servers.encrypted_key())
    encrypted.chmod(0o600)
    for given, sentence in [
        ({"ca_bundle": tmp_path / "missing.pem"}, "No such file"),
        ({"ca_bundle": garbage}, "holds no certificate"),
        ({"ca_bundle": writable}, "anyone may write it"),
        ({"client_cert": garbage}, "cannot be used"),
        ({"client_cert": certificates.client}, "cannot be used"),
        ({"client_cert": certificates.client, "client_key": encrypted}, "is encrypted"),
        ({"client_key": certificates.client_key}, "without client_cert"),
    ]:
        with pytest.raises(SettingsError, match=sentence):
            http.Client(options("https://127.0.0.1", **given))


@pytest.mark.parametrize("host", ["192.0.2.1", "api.example.net", "localhost.example.net", "[2001:db8::1]"])
def test_plain_http_to_another_host_needs_leave(host: str) -> None:
    """http:// is for loopback, unless allow_http says otherwise."""
    with pytest.raises(SettingsError, match="allow_http = true"):
        http.Client(options(f"http://{host}"))
    assert http.Client(options(f"http://{host}", allow_http=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost"])
def test_plain_http_to_this_host_is_fine(host: str) -> None:
    """What never leaves the host needs no TLS."""
    assert list(http.validate(options(f"http://{host}:8081"), lambda _: None)) == []


def test_user_info_of_the_url_becomes_basic_authentication() -> None:
    """Decoded, as UTF-8, and explicit credentials win."""
    with Server(lambda _: Reply()) as server:
        url = server.url.replace("//", "//us%40er:p%C3%A4ss@")
        http.Client(options(url)).call("GET", "x")
        http.Client(options(url), basic=("a", Secret("b"))).call("GET", "x")
        assert [r.headers["Authorization"] for r in server.requests] == ["Basic dXNAZXI6cMOkc3M=", "Basic YTpi"]
        assert server.requests[0].headers["Host"] == f"127.0.0.1:{server.port}"


def test_netrc_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of somebody's .netrc do not leave."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login netrc password netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    with Server(lambda _: Reply()) as server:
        client(server).call("GET", "x")
        assert "Authorization" not in server.requests[0].headers


def test_the_proxy_of_the_environment_is_used_and_its_password_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is honoured, NO_PROXY too; a proxy's own refusal names it."""
    with Server(lambda _: Reply(407, "who are you?")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", f"//user:{PLAIN}@"))
        one = http.Client(options("http://service.invalid", allow_http=True), wait=Waits())
        with pytest.raises(Refused, match="407") as caught:
            one.call("POST", "x", json={})
        assert PLAIN not in str(caught.value)
        assert proxy.requests[0].headers["Proxy-Authorization"]
        monkeypatch.setenv("no_proxy", "service.invalid")
        one = http.Client(options("http://service.invalid", allow_http=True), wait=Waits())
        with pytest.raises(Refused, match="/x: cannot be reached"):
            one.call("POST", "x", json={})
    with servers.closed_port() as port:
        monkeypatch.delenv("no_proxy")
        monkeypatch.setenv("http_proxy", f"http://user:{PLAIN}@127.0.0.1:{port}")
        one = http.Client(options("http://service.invalid", allow_http=True), wait=Waits())
        with pytest.raises(Refused, match="through the proxy") as caught:
            one.call("POST", "x", json={})
        assert PLAIN not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("no_proxy", "localhost"), ("http_proxy", "http://127.0.0.1:9"), ("https_proxy", ""), ("all_proxy", "")],
)
def test_a_proxy_is_named_only_where_one_is_used(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """NO_PROXY alone is set on many hosts; the proxy of another scheme is not used."""
    monkeypatch.setenv(variable, value)
    one = http.Client(options("https://service.invalid"), wait=Waits())
    with pytest.raises(Refused, match=r"^GET https://service\.invalid/x: cannot be reached"):
        one.call("GET", "x")


@pytest.mark.parametrize(
    "value",
    [
        "http://user:S3c/ret@127.0.0.1:9",
        "http://user:12/ret@127.0.0.1:9",
        "http://user:S3c[ret@127.0.0.1:9",
        "http://user:S3c?ret@127.0.0.1:9",
        "http://user:S3c#ret@127.0.0.1:9",
        "http://user:S3c℀ret@127.0.0.1:9",
        "user:S3c/ret@127.0.0.1:9",
        "ftp://user:S3cret@127.0.0.1:9",
        "http://user:S3cret@127.0.0.1:99999",
    ],
)
def test_a_proxy_that_is_no_address_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """What it holds may be half of a password."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(SettingsError, match=r"^HTTPS_PROXY of the environment is not a URL") as caught:
        http.Client(options("https://service.invalid"))
    for part in ("S3c", "ret", "user:", "12/"):
        assert part not in str(caught.value)


@pytest.mark.parametrize("value", ["http://{}:{}@127.0.0.1:{}", "{}:{}@127.0.0.1:{}", "socks5h://{}:{}@127.0.0.1:{}"])
def test_nothing_of_a_proxys_user_info_is_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Whatever becomes of the connection."""
    with Server(lambda r: Reply(407, f"{r.headers['Proxy-Authorization']} pr0xy/pass proxyman")) as proxy:
        for port in (proxy.port, 9):
            monkeypatch.setenv("all_proxy", value.format("proxyman", "pr0xy%2fpass", port))
            one = http.Client(options("http://service.invalid", allow_http=True), wait=Waits())
            with pytest.raises(WriteError) as caught:
                one.call("POST", "x", json={})
            for part in ("proxyman", "pr0xy", "/pass", "cHJveHltYW46"):
                assert part not in str(caught.value)


def test_a_tunnel_that_wants_credentials_says_where_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """CONNECT answered with 407."""
    with Server(lambda _: Reply(407, "who?")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(Refused, match="407") as caught:
            http.Client(options("https://service.invalid"), wait=Waits()).call("POST", "x", json={})
    assert caught.value.hint.startswith("the proxy of the environment wants credentials")


def test_this_host_is_never_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that may leave without TLS, as they stay here, would travel there; its loopback is another's too."""
    with Server(lambda _: Reply(407)) as proxy, Server(lambda _: Reply()) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert client(server).call("POST", "x", json={}).status == 200
        assert proxy.requests == []


def test_a_tls_tunnel_through_a_proxy_that_refuses_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """CONNECT answered with 403 sent nothing to the service."""
    with Server(lambda _: Reply(403, "no")) as proxy:
        monkeypatch.setenv("https_proxy", f"http://user:{PLAIN}@127.0.0.1:{proxy.port}")
        one = http.Client(options("https://service.invalid"), wait=Waits())
        with pytest.raises(Refused, match="403") as caught:
            one.call("POST", "x", json={})
        assert PLAIN not in str(caught.value)
        assert proxy.requests[0].method == "CONNECT"


def test_a_tls_tunnel_through_a_proxy_is_watched_like_any_connection(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    """The request arrives at the service; one that left and got no answer is of unknown outcome."""
    with Server(answers(Reply(), Reply(misbehave=servers.hang_up)), certificates.context()) as server:
        tunnel = servers.Tunnel(server.port)
        with Server(lambda _: Reply(misbehave=tunnel)) as proxy:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
            one = http.Client(options("https://service.invalid", ca_bundle=certificates.ca), wait=Waits())
            assert one.call("POST", "x", json={}).status == 200
            with pytest.raises(OutcomeUnknown, match="through the proxy of the environment: the connection broke"):
                one.call("POST", "x", json={})
        assert [request.method for request in server.requests] == ["POST", "POST"]


def test_every_thread_of_an_order_keeps_its_connection() -> None:
    """Or urllib3 would say on standard error that it throws some away."""
    assert max(engine.WORKERS, check.WORKERS) <= session.CONNECTIONS


def test_cookies_are_not_kept() -> None:
    """A login that sets a cookie changes nothing."""
    with Server(lambda _: Reply(200, "", {"Set-Cookie": "a=b"})) as server:
        one = client(server)
        one.call("GET", "x")
        one.call("GET", "x")
        assert "Cookie" not in server.requests[1].headers


def test_no_secret_is_in_any_text_whatever_echoes_it() -> None:
    """An answer that repeats the credentials in several encodings, a redirect and a broken URL show none of them."""
    forms = [SECRET, '"s3cr3t/+=\\"\\u00fc\\\\!"', "s3cr3t%2F%2B%3D%22%C3%BC%5C%21", "dXNlcjpzM2NyM3QvKz0iw7xcIQ=="]
    for reply in [
        Reply(400, " ".join(forms)),
        Reply(500, "x" * 280 + SECRET),
        Reply(302, "", {"Location": f"http://{SECRET}@elsewhere/"}),
        Reply(200, f"<html><title>{SECRET}</title></html>"),
    ]:
        with Server(lambda _, reply=reply: reply) as server:
            one = http.Client(options(server.url), basic=("user", Secret(SECRET)), wait=Waits())
            with pytest.raises(WriteError) as caught:
                one.call("POST", "x", json={})
            shown = f"{caught.value} {caught.value!r} {caught.value.__cause__} {one!r}"
            assert "s3cr3t" not in shown
            assert "dXNlc" not in shown


def test_a_secret_with_white_space_in_it_is_hidden_where_white_space_is_folded() -> None:
    """A body is shown as one line; a password with two spaces in it is taken out before they become one."""
    with Server(lambda _: Reply(400, "pass \tphrase was wrong")) as server:
        one = http.Client(options(server.url), secrets=[Secret("pass \tphrase")], wait=Waits())
        with pytest.raises(Refused, match=r": \(secret\) was wrong"):
            one.call("POST", "x", json={})


def test_a_secret_of_one_request_and_a_private_answer_are_hidden() -> None:
    """Credentials of a single call are redacted, and an answer that holds a new secret is not quoted."""
    with Server(lambda r: Reply(400, f"{r.headers['X-Api-Key']} and {r.headers['X-Other']}")) as server:
        one = http.Client(options(server.url), wait=Waits())
        with pytest.raises(Refused) as caught:
            one.call("POST", "x", headers={"X-Api-Key": Secret("aaa1")}, secrets=[Secret("bbb2")])
        assert "aaa1" not in str(caught.value)
        with pytest.raises(Refused) as caught:
            one.call("POST", "x", headers={"X-Other": "new-password"}, is_private=True)
        assert "new-password" not in str(caught.value)


@pytest.mark.parametrize("value", ["a\nb", "ü", "a\x00"])
def test_a_credential_that_cannot_be_a_header_is_a_settings_error(value: str) -> None:
    """Said before anything is sent, without showing it."""
    with pytest.raises(SettingsError) as caught:
        http.Client(options("https://127.0.0.1"), headers={"X-Api-Key": Secret(value)})
    assert repr(value)[1:-1] not in str(caught.value)
    assert value not in str(caught.value)
