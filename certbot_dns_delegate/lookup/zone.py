"""Find the zone that a name lies in and the servers that answer for it, without asking a recursive resolver about it.

The resolver is asked only for the servers of a name above the delegate. From there the way down leads through
authoritative servers, following referrals, until one answers with authority (RFC 1034 section 5.3.3, step 4).
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar, cast

import dns.message
import dns.name
import dns.rcode
import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import (
    addresses_in,
    negative_ttl,
    rdatas_in,
    referral_in,
    soa_in,
)
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.question import Ask, Outcome, Question, Reply, extended_errors
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.model import Server, Zone
from certbot_dns_delegate.text import show

MOST_CUTS = 16
"""Zone cuts between the name the resolver is asked for and a target; real ones are one to three."""
MOST_HOSTS = 16
"""Name servers of one zone that are looked at; the root has 13."""
MOST_ADDRESSES = 4
"""Addresses of one name server that are looked at."""
PATIENCE_S = 3.0
"""Seconds for one server in one step down."""
STAGGER_S = 0.3
"""Seconds between asking one server of a zone and the next, as long as none has answered usefully."""

T = TypeVar("T")


@dataclass(frozen=True)
class Cut:
    """A zone as its parent delegates it."""

    apex: Name
    servers: tuple[Server, ...]
    parent: "Cut | None" = None


@dataclass(frozen=True)
class Found:
    """What an authoritative server says about TXT at one owner name."""

    owner: Name
    reply: Reply
    cut: Cut
    """The deepest zone cut above the owner that a referral has shown."""


@dataclass
class Budget:
    """How many questions an order may still cost: what a flood of referrals is stopped by."""

    left: int
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def spend(self, count: int = 1) -> None:
        """:raises LookupFailed: when it is used up."""
        with self._lock:
            self.left -= count
            if self.left < 0:
                raise LookupFailed("the delegation takes more questions than any real one", "dig +trace the target")


class Zones:
    """The zones of an order; each is looked up once, from whatever thread asks first."""

    def __init__(self, recursive: Recursive, is_inside: Callable[[Name], bool], budget: Budget) -> None:
        """:param is_inside: whether a name lies inside a delegate, so that no recursive resolver may hear of it."""
        self._recursive = recursive
        self._is_inside = is_inside
        self._budget = budget
        self._lock = threading.Lock()
        self._futures: dict[tuple[str, Name], Future[object]] = {}
        self._cuts: dict[Name, Cut] = {}
        self._helpful: set[Server] = set()

    def find(self, owner: Name, suffix: Name) -> Found:
        """Ask the authoritative servers for TXT at ``owner``, which lies at or below the delegate's ``suffix``.

        :raises LookupFailed: when no authoritative server says anything to go by.
        """
        try:
            # The first name walks; the others wait for it and start where it arrived.
            first = self._once("walk", suffix, lambda: self._walk(owner, suffix))
        except LookupFailed:
            return self._walk(owner, suffix)
        return first if first.owner == owner else self._walk(owner, suffix)

    def zone_of(self, found: Found) -> Zone:
        """The zone of an owner that was found: parent's and child's servers, and whether it is signed."""
        apex, negative = self._apex(found)
        return self._once("zone", apex, lambda: self._zone(apex, found.cut, negative))

    def ask(self, servers: Sequence[Server], question: Question, cut: Name) -> Reply:
        """The first answer with authority, or referral below ``cut``, that one of ``servers`` gives.

        :raises LookupFailed: with what each of them said instead.
        """
        self._budget.spend()
        order = sorted(servers, key=lambda server: (server not in self._helpful, server.is_ipv6))
        asks = [Ask(server, question, index * STAGGER_S) for index, server in enumerate(order)]
        seen = []
        for outcome in exchange(asks, PATIENCE_S):
            problem = _problem(outcome, cut)
            if isinstance(outcome, Reply) and not problem:
                self._helpful.add(outcome.ask.server)
                return outcome
            seen.append(f"{outcome.ask.server} said {problem}")
        told = "; ".join(seen) or "none has an address"
        raise LookupFailed(
            f"{question}: no server of {show(cut)} answers with authority: {told}", f"dig +trace {question}"
        )

    def addresses(self, hosts: Iterable[Name], glue: Iterable[dns.rrset.RRset], apex: Name) -> tuple[Server, ...]:
        """The servers behind host names, by glue where a resolver must not be asked or needs it itself."""
        additional = list(glue)
        servers: list[Server] = []
        unknown = []
        for host in list(hosts)[:MOST_HOSTS]:
            if host.is_subdomain(apex) or self._is_inside(host):
                addresses = addresses_in(additional, host)[:MOST_ADDRESSES]
                servers += [Server(address, name=_host(host)) for address in addresses]
            else:
                unknown.append(host)
        return tuple(dict.fromkeys([*servers, *self._resolve(unknown)]))

    def addresses_of(self, host: Name, suffix: Name) -> list[str]:
        """The addresses of a host inside a delegate, from the delegate's own servers."""
        found = self.find(host, suffix)
        replies = [
            self.ask(found.cut.servers, Question(host, t), found.cut.apex) for t in (RdataType.A, RdataType.AAAA)
        ]
        return [address for reply in replies for address in addresses_in(reply.message.answer, host)]

    def _resolve(self, hosts: Sequence[Name]) -> list[Server]:
        questions = [(host, rdtype) for host in hosts for rdtype in (RdataType.A, RdataType.AAAA)]
        self._budget.spend(len(questions))
        replies = self._recursive.ask_all(questions)
        servers = []
        for host in hosts:
            answers = [replies[host, rdtype] for rdtype in (RdataType.A, RdataType.AAAA)]
            # A host name that is a CNAME (forbidden by RFC 2181 section 10.3, but resolvers follow it) is fine here.
            rrsets = [rrset for reply in answers if isinstance(reply, Reply) for rrset in reply.message.answer]
            found = [
                rdata.address for rrset in rrsets if rrset.rdtype in {RdataType.A, RdataType.AAAA} for rdata in rrset
            ]
            servers += [Server(address, name=_host(host)) for address in found[:MOST_ADDRESSES]]
        return servers

    def _once(self, kind: str, name: Name, look_up: Callable[[], T]) -> T:
        with self._lock:
            future = self._futures.get((kind, name))
            if mine := future is None:
                future = self._futures[kind, name] = Future()
        if mine:
            try:
                future.set_result(look_up())
            except BaseException as error:
                future.set_exception(error)
                raise
        return cast(T, future.result())

    def _walk(self, owner: Name, suffix: Name) -> Found:
        cut = self._deepest(owner, suffix) or self._start(suffix)
        for _ in range(MOST_CUTS):
            reply = self.ask(cut.servers, Question(owner, RdataType.TXT), cut.apex)
            child = referral_in(reply.message, cut.apex, owner)
            if child is None:
                return Found(owner, reply, cut)
            cut = self._descend(cut, *child, reply)
        raise LookupFailed(f"{show(owner)} lies below more than {MOST_CUTS} zone cuts", f"dig +trace {show(owner)}")

    def _deepest(self, owner: Name, suffix: Name) -> Cut | None:
        name = owner
        while len(name) >= len(_above(suffix)):
            if name in self._cuts:
                return self._cuts[name]
            name = name.parent()
        return None

    def _descend(self, cut: Cut, child: Name, hosts: Sequence[Name], reply: Reply) -> Cut:
        self._cuts[child] = Cut(child, self.addresses(hosts, reply.message.additional, child), cut)
        return self._cuts[child]

    def _start(self, suffix: Name) -> Cut:
        above = _above(suffix)
        return self._once("start", above, lambda: self._first_cut(above))

    def _first_cut(self, above: Name) -> Cut:
        """The servers of ``above`` or, where that is no apex, of the zone it lies in."""
        reply = self._recursive.ask(above, RdataType.NS)
        hosts = [rdata.target for rdata in rdatas_in(reply.message.answer, above, RdataType.NS)]
        if not hosts:
            soa = soa_in(reply.message, above)
            if reply.message.rcode() == dns.rcode.NXDOMAIN:
                raise LookupFailed(f"{show(above)} does not exist, so nothing below it does", f"dig {show(above)} NS")
            if soa is None or soa.name == above:
                raise LookupFailed(f"{reply.ask.server} names no servers for {show(above)}", f"dig {show(above)} NS")
            return self._first_cut(soa.name)
        cut = Cut(above, self.addresses(hosts, reply.message.additional, above))
        if cut.servers or above == dns.name.root:
            self._cuts[above] = cut
            return cut
        # All its servers have names that must not be asked for: the parent's referral has their glue.
        return self._first_cut(above.parent())

    def _apex(self, found: Found) -> tuple[Name, int]:
        """The apex of the zone and its negative TTL, from the SOA that came with the answer or is asked for."""
        soa = soa_in(found.reply.message, found.owner)
        name = found.owner
        while soa is None or not soa.name.is_subdomain(found.cut.apex):
            if not name.is_subdomain(found.cut.apex):
                raise LookupFailed(f"no server of {show(found.cut.apex)} shows its SOA", f"dig {show(name)} SOA")
            reply = self.ask(found.cut.servers, Question(name, RdataType.SOA), found.cut.apex)
            soa = soa_in(reply.message, name)
            if name == dns.name.root:
                break
            name = name.parent()
        if soa is None:
            raise LookupFailed(f"no server of {show(found.cut.apex)} shows its SOA", f"dig {show(name)} SOA")
        return soa.name, negative_ttl(soa)

    def _zone(self, apex: Name, cut: Cut, negative: int) -> Zone:
        is_own = apex == cut.apex
        reply = self.ask(cut.servers, Question(apex, RdataType.NS), cut.apex)
        targets = [rdata.target for rdata in rdatas_in(reply.message.answer, apex, RdataType.NS)]
        known = cut.servers if is_own else ()
        names = {server.name for server in known}
        hosts = [target for target in targets if _host(target) not in names]
        additional = [*reply.message.additional]
        for host in hosts:
            if host.is_subdomain(apex) and not addresses_in(additional, host):
                for rdtype in (RdataType.A, RdataType.AAAA):
                    additional += self.ask(cut.servers, Question(host, rdtype), cut.apex).message.answer
        servers = tuple(dict.fromkeys([*known, *self.addresses(hosts, additional, apex)]))
        return Zone(apex, servers, self._has_ds(apex, cut.parent if is_own else cut), negative)

    def _has_ds(self, apex: Name, parent: Cut | None) -> bool:
        if parent is None:
            # The apex is what the resolver was asked for in the first place, above every delegate.
            reply = self._recursive.ask(apex, RdataType.DS)
        else:
            reply = self.ask(parent.servers, Question(apex, RdataType.DS), parent.apex)
        return bool(rdatas_in(reply.message.answer, apex, RdataType.DS))


def _above(suffix: Name) -> Name:
    """A name that surely exists above a delegate's title: its two-label ancestor, or the top-level domain."""
    labels = len(suffix) - 1
    return suffix.split(3 if labels > 2 else labels)[1] if labels else suffix


def _host(name: Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _problem(outcome: Outcome, cut: Name) -> str:
    """Why this is no answer with authority and no referral below ``cut``; '' when it is one."""
    if not isinstance(outcome, Reply):
        return outcome.reason
    message = outcome.message
    if message.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        detail = extended_errors(message)
        return f"{outcome.rcode}{f' ({detail})' if detail else ''}"
    if outcome.is_authoritative or referral_in(message, cut, outcome.ask.question.name) is not None:
        return ""
    return "nothing with authority (lame)"
