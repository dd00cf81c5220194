"""Behaviours of servers that say no, each in the way of some real server (RFC 8945 5.2, 5.3)."""

from __future__ import annotations

import time

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import dns.tsig
from dns.rdataclass import IN
from dns.rdatatype import NS

from .behaviour import Behaviour
from .exchange import Handler, Reply, Request
from .signatures import attach


class Replying(Behaviour):
    """Answers everything with one rcode, signed where the request was, as BIND does."""

    def __init__(self, rcode: dns.rcode.Rcode) -> None:
        self.rcode = rcode

    def answer(self, request: Request, honest: Handler) -> Reply:
        return request.reply(self.rcode)


class Refusing(Replying):
    """REFUSED; for an UPDATE what BIND says when its policy does not allow the name or type."""

    def __init__(self) -> None:
        super().__init__(dns.rcode.REFUSED)


class ServFailing(Replying):
    """SERVFAIL: the zone failed to load, too many records."""

    def __init__(self) -> None:
        super().__init__(dns.rcode.SERVFAIL)


class FormErring(Replying):
    """FORMERR."""

    def __init__(self) -> None:
        super().__init__(dns.rcode.FORMERR)


class NotAuth(Replying):
    """NOTAUTH without a TSIG error: not the primary of that zone."""

    def __init__(self) -> None:
        super().__init__(dns.rcode.NOTAUTH)


class NotImplementing(Replying):
    """NOTIMP: for an UPDATE, a server without dynamic update such as NSD."""

    def __init__(self) -> None:
        super().__init__(dns.rcode.NOTIMP)


class Lame(Behaviour):
    """Listed as a name server of a zone it does not serve: NOERROR, AA=0, a referral elsewhere.

    :param zone: the owner of the NS records; by default the root, an upward referral.
    :param server: the target of the NS record.
    """

    def __init__(self, zone: str = ".", server: str = "a.root-servers.test.") -> None:
        self.referral = dns.rrset.from_text(zone, 60, IN, NS, server)

    def answer(self, request: Request, honest: Handler) -> Reply:
        response = request.reply()
        response.authority = [self.referral]
        return response


class BogusEde(Behaviour):
    """SERVFAIL with an extended error (RFC 8914) whose text carries escape sequences.

    :param code: 6 is "DNSSEC Bogus".
    """

    TEXT = "\x1b[31mbogus\x1b[0m\r\n\x07`id` $(id) \u202e"

    def __init__(self, code: int = 6, text: str = TEXT) -> None:
        self.option = dns.edns.EDEOption(dns.edns.EDECode.make(code), text)

    def answer(self, request: Request, honest: Handler) -> Reply:
        response = request.reply(dns.rcode.SERVFAIL)
        if request.message.edns >= 0:
            response.use_edns(0, payload=1232, options=[self.option])
        return response


class UnsignedRefused(Behaviour):
    """PowerDNS: REFUSED without a signature, whatever is wrong with key, secret or clock."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        return _unsigned(request.reply(dns.rcode.REFUSED))


class UnsignedReply(Behaviour):
    """Does as it is told, but does not sign the reply to a signed request."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        return _unsigned(honest(request))


class Echoing(Behaviour):
    """What stands in front of a server and says no by itself: the request's own TSIG record goes back (dnsdist)."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if request.signature is None or not isinstance(reply, dns.message.Message):
            return reply
        _unsigned(reply)
        return attach(reply, request.signature)


class ForgedReply(Behaviour):
    """Does as it is told, but signs the reply with another secret under the same key name."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if request.signed and request.key is not None and isinstance(reply, dns.message.Message):
            reply.use_tsig(dns.tsig.Key(request.key.name, b"another secret", request.key.algorithm))
            reply.request_mac = request.message.mac or b""
        return reply


class KnotDenied(Behaviour):
    """Knot: NOTAUTH with TSIG error BADKEY, the key is known, but the ACL does not allow the change."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        return request.denial(dns.rcode.BADKEY)


class BadSig(Behaviour):
    """NOTAUTH with TSIG error BADSIG, unsigned: the secrets differ."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        return request.denial(dns.rcode.BADSIG)


class BadTime(Behaviour):
    """NOTAUTH with TSIG error BADTIME, signed, the server's time in its other data.

    :param ahead: how many seconds this server's clock is ahead of the true time.
    """

    def __init__(self, ahead: int = 3600) -> None:
        self.ahead = ahead

    def answer(self, request: Request, honest: Handler) -> Reply:
        return request.denial(dns.rcode.BADTIME, now=int(time.time()) + self.ahead)


def _unsigned(reply: Reply) -> Reply:
    if isinstance(reply, dns.message.Message):
        reply.tsig = None
        reply.want_tsig_sign = False
    return reply
