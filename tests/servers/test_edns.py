"""Behaviours towards EDNS and cookies."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from dns.edns import OptionType

from . import CookieErring, Cookies, EdnsDropping, EdnsErring, ForgingCookie, Refusing
from .asking import WEB, behaving, query, silent, tcp, texts, udp
from .edns import cookie_of

BARE = query("web.acme.test.", edns=False)


def with_cookie(cookie: bytes) -> dns.message.Message:
    """The question with a cookie."""
    made = query("web.acme.test.")
    made.use_edns(0, options=[dns.edns.GenericOption(OptionType.COOKIE, cookie)])
    return made


@pytest.mark.parametrize("echo", [True, False])
@pytest.mark.parametrize("rcode", ["FORMERR", "BADVERS", "SERVFAIL"])
def test_edns_erring(rcode: str, echo: bool) -> None:
    """An error to EDNS, with an OPT record or without; an honest answer to a question without it."""
    with behaving(EdnsErring(dns.rcode.from_text(rcode), echo=echo)) as server:
        reply = udp(server, WEB)
        # An extended rcode needs an OPT record to be told.
        assert (dns.rcode.to_text(reply.rcode()), reply.edns >= 0) == (rcode, echo or rcode == "BADVERS")
        assert texts(udp(server, BARE)) == ["one", "two"]


def test_edns_dropping() -> None:
    """Silence to EDNS."""
    with behaving(EdnsDropping()) as server:
        assert silent(server)
        assert texts(udp(server, BARE)) == ["one", "two"]


def test_cookie_erring() -> None:
    """Only a cookie is refused."""
    with behaving(CookieErring(Refusing())) as server:
        assert udp(server, with_cookie(bytes(8))).rcode() == dns.rcode.REFUSED
        assert texts(udp(server, WEB)) == ["one", "two"]


def test_cookies() -> None:
    """The client's part comes back with a part of the server's, and is not demanded by TCP."""
    with behaving(Cookies(demanding=True)) as server:
        first = udp(server, with_cookie(b"12345678"))
        given = cookie_of(first)
        assert given is not None
        assert (first.rcode(), given[:8], len(given)) == (dns.rcode.BADCOOKIE, b"12345678", 24)
        assert texts(udp(server, with_cookie(given))) == ["one", "two"]
        assert texts(tcp(server, with_cookie(b"87654321"))) == ["one", "two"]


def test_cookies_of_two_machines() -> None:
    """Each answers by turns, with a cookie of its own."""
    with behaving(Cookies("one", "two")) as server:
        given = [cookie_of(udp(server, with_cookie(b"12345678"))) for _ in range(3)]
    assert given[0] == given[2] != given[1]


def test_forging_cookie() -> None:
    """A cookie that was not sent."""
    with behaving(ForgingCookie()) as server:
        assert cookie_of(udp(server, with_cookie(b"12345678"))) == bytes(24)
