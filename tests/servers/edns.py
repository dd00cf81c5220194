"""Behaviours of servers towards EDNS: those that do not know it (RFC 6891 section 7), and DNS cookies (RFC 7873)."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence

import dns.edns
import dns.message
import dns.rcode
from dns.edns import OptionType

from .behaviour import Behaviour, When
from .exchange import Handler, Reply, Request
from .transports import Silent


class EdnsErring(Behaviour):
    """Answers a question with EDNS by an error, and one without honestly.

    :param rcode: the error.
    :param echo: whether the error has an OPT record of its own.
    """

    def __init__(self, rcode: dns.rcode.Rcode = dns.rcode.FORMERR, *, echo: bool = True) -> None:
        self.rcode, self.echo = rcode, echo

    def answer(self, request: Request, honest: Handler) -> Reply:
        if request.message.edns < 0:
            return honest(request)
        response = request.reply()
        if not self.echo:
            response.use_edns(False)
        response.set_rcode(self.rcode)
        return response


class EdnsDropping(When):
    """Never answers a question with EDNS, as what some firewalls leave of a server."""

    def __init__(self) -> None:
        super().__init__(lambda request: request.message.edns >= 0, Silent())


class CookieErring(When):
    """Answers honestly unless there is a cookie: another behaviour then.

    :param behaviour: that one.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(lambda request: cookie_of(request.message) is not None, behaviour)


class Cookies(Behaviour):
    """Gives each client a cookie of its own, and may want to see it again.

    :param secrets: what the server's cookies are made from; several are machines behind one address, which answer
        by turns.
    :param demanding: answer a question by UDP with BADCOOKIE where its cookie is not this machine's.
    """

    def __init__(self, *secrets: str, demanding: bool = False) -> None:
        self.turns = itertools.cycle(secrets or ("secret",))
        self.demanding = demanding

    def answer(self, request: Request, honest: Handler) -> Reply:
        given = cookie_of(request.message)
        if given is None:
            return honest(request)
        client = given[:8]
        own = hashlib.sha256(next(self.turns).encode() + client + request.client.encode()).digest()[:16]
        if self.demanding and request.transport == "udp" and given[8:] != own:
            response = request.reply()
            response.set_rcode(dns.rcode.BADCOOKIE)
            return with_options(response, [dns.edns.GenericOption(OptionType.COOKIE, client + own)])
        return with_options(honest(request), [dns.edns.GenericOption(OptionType.COOKIE, client + own)])


class ForgingCookie(Behaviour):
    """Answers with a cookie that the client has not sent, as who does not see the question."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        return with_options(honest(request), [dns.edns.GenericOption(OptionType.COOKIE, bytes(24))])


def cookie_of(message: dns.message.Message) -> bytes | None:
    """What a question has in its COOKIE option."""
    return next((option.to_wire() for option in message.options if option.otype == OptionType.COOKIE), None)


def with_options(reply: Reply, options: Sequence[dns.edns.Option]) -> Reply:
    """The reply with these EDNS options."""
    if isinstance(reply, dns.message.Message) and reply.edns >= 0:
        reply.use_edns(reply.edns, reply.ednsflags, reply.payload, options=list(options))
    return reply
