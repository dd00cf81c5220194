"""Behaviours of servers that lead followers of names astray: endless aliases and referrals, hostile names."""

from __future__ import annotations

import itertools

import dns.message
import dns.name
import dns.rdata
import dns.rdtypes.ANY.TXT
import dns.rrset
from dns.rdataclass import IN
from dns.rdatatype import AAAA, CNAME, NS, TXT, A

from .behaviour import Behaviour
from .exchange import Handler, Reply, Request


def _alias(request: Request, *targets: dns.name.Name) -> dns.message.Message:
    """An authoritative answer: CNAME records at the name asked for."""
    rrset = dns.rrset.RRset(request.qname, IN, CNAME)
    for target in targets:
        rrset.items[dns.rdata.from_text(IN, CNAME, target.to_text())] = None  # `add` would keep only the last
    rrset.ttl = 60
    response = request.reply(authoritative=True)
    response.answer = [rrset]
    return response


def _below(name: dns.name.Name, label: str) -> dns.name.Name:
    return dns.name.Name((label.encode(), *name.labels))


def _numbered(name: dns.name.Name, word: str) -> tuple[int, dns.name.Name]:
    """`link-3.name` is 3 and `name`; a name without such a first label is 0 and itself."""
    head, _dash, number = name.labels[0].decode("ascii", "replace").lower().partition("-")
    return (int(number), name.parent()) if head == word and number.isdigit() else (0, name)


class CnameChain(Behaviour):
    """Every name N starts a chain N, link-1.N, link-2.N ..., one CNAME per answer.

    :param links: the number of CNAMEs.
    :param target: where the last one leads; by default link-`links`.N, answered honestly.
    """

    def __init__(self, links: int, target: str | None = None) -> None:
        self.links, self.target = links, dns.name.from_text(target) if target else None

    def answer(self, request: Request, honest: Handler) -> Reply:
        link, start = _numbered(request.qname, "link")
        if request.is_update or link >= self.links or request.qname == self.target:
            return honest(request)
        if link + 1 == self.links and self.target is not None:
            return _alias(request, self.target)
        return _alias(request, _below(start, f"link-{link + 1}"))


class CnameLoop(Behaviour):
    """Every name N starts a loop N, loop-1.N, ..., N, one CNAME per answer.

    :param links: the number of CNAMEs; 1 is a name that is its own alias.
    """

    def __init__(self, links: int = 2) -> None:
        self.links = links

    def answer(self, request: Request, honest: Handler) -> Reply:
        link, start = _numbered(request.qname, "loop")
        back = link + 1 >= self.links
        return _alias(request, start if back else _below(start, f"loop-{link + 1}"))


class MultipleCnames(Behaviour):
    """Every name N is an alias twice over, of one.N and two.N, which RFC 2181 10.1 forbids."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        return _alias(request, _below(request.qname, "one"), _below(request.qname, "two"))


class FreshNames(Behaviour):
    """Each answer is another CNAME, to fresh-1, fresh-2, ... beside the name: no chain is seen twice."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def answer(self, request: Request, honest: Handler) -> Reply:
        beside = request.qname.parent() if request.qname != dns.name.root else request.qname
        return _alias(request, _below(beside, f"fresh-{next(self._numbers)}"))


class ReferralFlood(Behaviour):
    """Refers every question to servers without addresses, whose names lead to more such referrals, endlessly.

    :param servers: the name servers in each referral.
    """

    def __init__(self, servers: int = 50) -> None:
        self.servers = servers
        self._numbers = itertools.count(1)

    def answer(self, request: Request, honest: Handler) -> Reply:
        number = next(self._numbers)
        names = [f"ns{n}.deeper-{number}.flood.test." for n in range(1, self.servers + 1)]
        response = request.reply()
        response.authority = [dns.rrset.from_text_list(request.qname, 60, IN, NS, names)]
        return response


class ReferralLoop(Behaviour):
    """Refers every question to itself, with its address, as if the name were delegated once more."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        server = dns.name.from_text("ns.loop.test.")
        response = request.reply()
        response.authority = [dns.rrset.from_text(request.qname, 60, IN, NS, server.to_text())]
        kind = AAAA if ":" in request.address else A
        response.additional = [dns.rrset.from_text(server, 60, IN, kind, request.address)]
        return response


class HostileNames(Behaviour):
    """Answers with a CNAME, and a TXT value, of what terminals, shells and parsers of names stumble over."""

    TARGET = dns.name.Name(
        (b"\x1b[31m\r\n\x00", b"`id`", b"$(id)", b'it\'s "quoted"', b"a.b\\", b"\xff\xc3\xa9", b"test", b"")
    )
    VALUE = b'\x1b]0;title\x07\r\nhint: `id` $(id) "quoted"; \xff'

    def answer(self, request: Request, honest: Handler) -> Reply:
        response = _alias(request, self.TARGET)
        if request.qtype == TXT:
            response.answer.append(
                dns.rrset.from_rdata(self.TARGET, 60, dns.rdtypes.ANY.TXT.TXT(IN, TXT, [self.VALUE]))
            )
        return response
