"""httpreq: what servers of this protocol say, and in how many ways they say no."""

import dns.name
import pytest

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, Refused, SeveralProblems
from certbot_dns_delegate.providers.conformance import value
from certbot_dns_delegate.providers.httpreq import HTTPReq
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.schema import Secret
from tests.contract.test_httpreq import make
from tests.servers import http
from tests.servers import httpreq as servers
from tests.servers.http import Reply

ZONE = dns.name.from_text("acme.example.net.")
OWNER = dns.name.from_text("Web1.acme.example.net.")
ONE, TWO = value("one"), value("two")


def test_the_target_is_sent_with_its_final_dot_and_the_value_bare() -> None:
    """Default mode: fqdn in lower case and value, once for each value, the same again for cleanup."""
    with servers.HTTPReqServer() as server:
        provider = make(f"{server.url}")
        provider.publish(ZONE, {OWNER: frozenset({ONE, TWO})}, 1)
        provider.withdraw(ZONE, {OWNER: frozenset({ONE})})
        assert [request.path for request in server.requests] == ["/present", "/present", "/cleanup"]
        assert server.requests[-1].json() == {"fqdn": "web1.acme.example.net.", "value": ONE}
        assert server.records == {"web1.acme.example.net.": [TWO]}


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(200, "failed. check acmeproxy.pl logs"), OutcomeUnknown),
        (Reply(200, "Failed"), OutcomeUnknown),
        (Reply(200, "invalid characters in fqdn"), Refused),
        (http.html_page(502), OutcomeUnknown),
        (http.html_page(400), Refused),
        (Reply(200, "I am not a teapot. Please leave me alone.", servers.HTML), Refused),
        (Reply(500, {"error": "failed. check acmeproxy.pl logs"}), OutcomeUnknown),
        (Reply(400, {"error": "invalid characters in fqdn"}), Refused),
        (Reply(500, "Requested domain x not in allowed-domains"), Refused),
        (Reply(500, "provider failed"), OutcomeUnknown),
        (Reply(400, "Bad Request"), Refused),
        (Reply(401, "Invalid credentials"), Refused),
        (Reply(403, ""), Refused),
        (Reply(404, "404 page not found"), Refused),
        (Reply(302, "", {"Location": "/login"}), Refused),
        (Reply(429, "", {"Retry-After": "1000"}), OutcomeUnknown),
        (Reply(misbehave=http.hang_up), OutcomeUnknown),
        (Reply(misbehave=http.cut_body), OutcomeUnknown),
    ],
)
def test_every_no_is_an_error_of_the_right_kind_and_nothing_is_repeated(
    reply: Reply, kind: type[DelegateError]
) -> None:
    """Also a no that comes with 200."""
    with servers.HTTPReqServer() as server:
        server.fault = lambda _: reply
        with pytest.raises(kind):
            make(server.url).publish(ZONE, {OWNER: frozenset({ONE})}, 1)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(204),
        Reply(204, "", servers.HTML),
        Reply(200),
        Reply(200, f'success: x "{ONE}"'),
        Reply(200, f'success: x "{ONE}"', servers.HTML),
        Reply(201, {"value": ONE}),
        Reply(200, "ok"),
        Reply(200, "OK", servers.HTML),
        Reply(202, {"success": False}),
        Reply(203, "queued", servers.HTML),
    ],
)
def test_every_other_2xx_is_a_success(reply: Reply) -> None:
    """The protocol has no body: whether the value was written shows in DNS."""
    with servers.HTTPReqServer() as server:
        server.fault = lambda _: reply
        assert make(server.url).publish(ZONE, {OWNER: frozenset({ONE})}, 1) == ()


def test_a_web_page_is_left_to_the_proof_with_a_warning() -> None:
    """A home-made server may answer with one; so does a login in front of it."""
    warnings: list[str] = []
    with servers.HTTPReqServer() as server:
        server.fault = lambda _: http.html_page()
        values = {**_options(), "url": server.url}
        one = HTTPReq(values, Context("test", lambda *_: (), None, warnings.append))  # type: ignore[arg-type]  # no state
        assert one.publish(ZONE, {OWNER: frozenset({ONE})}, 1) == ()
        assert warnings == [
            f"POST {server.url}/present was answered with a web page; hint: is url the address of the API itself?"
        ]


def test_a_refusal_after_a_success_in_the_same_call_is_not_called_refused() -> None:
    """The first value was written."""
    with servers.HTTPReqServer() as server:
        server.fault = lambda _: Reply(403) if len(server.requests) > 1 else None
        with pytest.raises(OutcomeUnknown, match="403"):
            make(server.url).publish(ZONE, {OWNER: frozenset({ONE, TWO})}, 1)


def test_every_cleanup_is_tried() -> None:
    """Two failures are told together after the third succeeded."""
    texts = frozenset({ONE, TWO, value("three")})
    with servers.HTTPReqServer() as server:
        provider = make(server.url)
        provider.publish(ZONE, {OWNER: texts}, 1)
        good = min(texts)
        server.fault = lambda request: None if request.json()["value"] == good else Reply(500, request.body)
        with pytest.raises(SeveralProblems):
            provider.withdraw(ZONE, {OWNER: texts})
        assert good not in server.records["web1.acme.example.net."]


def test_a_server_that_wants_challenge_names_gets_a_hint() -> None:
    """canonical's server says "Enter a valid value": what it wants is told."""
    with servers.Canonical() as server, pytest.raises(Refused) as caught:
        make(server.url).publish(ZONE, {OWNER: frozenset({ONE})}, 1)
    assert "_acme-challenge.Web1.acme.example.net." in caught.value.hint


def test_acmeproxy_is_understood() -> None:
    """Its echo is a success, its 500 for a foreign domain a refusal."""
    with servers.Acmeproxy(("acme.example.net",)) as server:
        provider = make(server.url)
        provider.publish(ZONE, {OWNER: frozenset({ONE})}, 1)
        with pytest.raises(Refused, match="allowed-domains"):
            provider.publish(ZONE, {dns.name.from_text("x.example.org."): frozenset({ONE})}, 1)


def test_acmeproxy_without_the_mode_has_written_nothing() -> None:
    """So nothing is left to be withdrawn, which it would refuse for ever; the hint says what does work."""
    with servers.Acmeproxy(("acme.example.net",), has_mode=False) as server:
        with pytest.raises(Refused, match="does not support requested mode") as caught:
            make(server.url).publish(ZONE, {OWNER: frozenset({ONE})}, 1)
        assert "acmeproxy.pl, or provider = exec" in caught.value.hint
        with pytest.raises(Refused, match="403") as caught:
            make(f"{server.url}/api").publish(ZONE, {OWNER: frozenset({ONE})}, 1)
        assert caught.value.hint.startswith("check url")


def test_single_value_is_told_to_the_engine() -> None:
    """The limits of the instance, not of the class."""
    assert make("https://acme.example", single_value=True).limits.values_per_owner == 1
    assert HTTPReq.limits.values_per_owner is None


def test_probe_tells_wrong_credentials_where_the_server_does() -> None:
    """401 is an error; 404, 405 and Django's pages are a sign of life; a login page with 200 is not."""
    with servers.AcmeproxyPl(("web1", "right"), "acme.example.net") as server:
        with pytest.raises(Refused, match="401"):
            make(server.url, username="web1", password=Secret("wrong")).probe()
        assert "is there (200)" in make(server.url, username="web1", password=Secret("right")).probe()
        server.fault = lambda _: http.html_page(405)
        assert "is there (405)" in make(server.url).probe()
        server.fault = lambda _: http.html_page()
        with pytest.raises(Refused, match="web page"):
            make(server.url).probe()


def test_user_and_password_belong_together() -> None:
    """One without the other is a problem of the section."""
    problems = [
        list(HTTPReq.validate({**_options(), **given}, lambda _: None))
        for given in ({}, {"username": "u"}, {"password": Secret("p")}, {"username": "u", "password": Secret("p")})
    ]
    assert [len(found) for found in problems] == [0, 1, 1, 0]


def _options() -> dict[str, object]:
    values = {key.name: None if key.default is None else key.kind.parse(key.default) for key in HTTPReq.KEYS}
    return values | {"url": "https://acme.example"}
