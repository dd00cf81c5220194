"""The zones from a trust anchor down to a name, each validated by the DS records that the zone above has signed.

As a CA's resolver does it (RFC 4035 section 5), but at authoritative servers alone. Proofs that something does not
exist (NSEC, NSEC3) are not examined: a zone without DS counts as unsigned.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rrset import RRset

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.anchor import Anchors, digests_of
from certbot_dns_delegate.lookup.answer import rdatas_in, referral_in
from certbot_dns_delegate.lookup.cut import Allowance, Answers, Cut, Inquiry
from certbot_dns_delegate.lookup.descent import TOP, Descent
from certbot_dns_delegate.lookup.hosts import Named, merged
from certbot_dns_delegate.lookup.message import Question, Reply
from certbot_dns_delegate.lookup.signatures import MOST_KEYS, Bogus, Unknown, check, usable_digests, validate
from certbot_dns_delegate.lookup.step import Step, hear, share
from certbot_dns_delegate.text import listed, show

MOST_S = 60.0
"""Seconds for all names together; a slow server takes 3 s for each of the labels that a name below its zone has."""


class Status(StrEnum):
    """What a resolver that validates makes of a zone (RFC 4033 section 5)."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True)
class Link:
    """A zone on the way down from a trust anchor."""

    cut: Cut
    status: Status
    why: str = ""
    """Of a zone that is bogus or indeterminate: who answered what."""
    keys: tuple[DNSKEY, ...] = ()
    digests: tuple[DS, ...] = ()
    """Its DS records, or its trust anchors."""
    signatures: tuple[RRSIG, ...] = ()
    """Those that its validation rests on."""
    above: "Link | None" = None

    @property
    def apex(self) -> Name:
        return self.cut.apex

    @property
    def way(self) -> "Iterator[Link]":
        """This zone, the one above it, and so on up to the trust anchor."""
        link: Link | None = self
        while link is not None:
            yield link
            link = link.above


class Validator:
    """Validates zones; what was validated once is not asked for again."""

    def __init__(self, descent: Descent, anchors: Anchors, most_s: float = MOST_S) -> None:
        """:param most_s: seconds from now after which no further zone is looked at."""
        self._descent = descent
        self._most_s = most_s
        self._until = time.monotonic() + most_s
        self.anchors = anchors
        self.outdated: set[Name] = set()
        """Zones that have none of the keys in their trust anchors; their keys are taken as their servers send them."""

    def look(self, name: Name) -> Step[Link]:
        """The zone that a name lies in, or the first one above it from which nothing follows for what is below."""
        return share(("trust", name), lambda: self._look(name))

    def signature(self, link: Link, owner: Name, rdtype: RdataType) -> Step[RRSIG | Bogus | None]:
        """The signature over an RRset in a secure zone, or why none is valid.

        None: the first server that answers has no such RRset, or it cannot be computed here.
        """
        question = Question(owner, rdtype, dnssec_ok=True)
        (answers,) = yield from hear(Inquiry(link.cut, question, Allowance(self._descent.budget)))
        if not answers.replies or not rdatas_in(answer := answers.replies[0].message.answer, owner, rdtype):
            return None
        try:
            return check(owner, rdtype, answer, link.apex, link.keys, time.time())
        except Bogus as fault:
            return fault
        except Unknown:
            return None

    def _look(self, name: Name) -> Step[Link]:
        if name == self.anchors.above(name):
            return (yield from self._top(name))
        above = yield from self.look(name.parent())
        if above.status is not Status.SECURE:
            return above
        if time.monotonic() > self._until:
            why = f"gave up: the zones on the way took more than {self._most_s:.0f} s"
            return Link(Cut(name, (), above.cut), Status.INDETERMINATE, why, above=above)
        allowance = Allowance(self._descent.budget)
        asked = [Question(name, kind, dnssec_ok=True) for kind in (RdataType.NS, RdataType.DS)]
        ns, ds = yield from hear(*(Inquiry(above.cut, question, allowance) for question in asked))
        if not ds.replies or not ns.replies:
            failure = (ns if ds.replies else ds).failure
            return Link(Cut(name, (), above.cut), Status.INDETERMINATE, failure.problem, above=above)
        hosts, additional = _named(ns.replies[0], above.apex, name)
        if not hosts:
            return above
        named = Named(name, hosts, additional, is_ours=True, source=ns.replies[0].ask.server)
        cut = Cut(name, merged((yield from self._descent.hosts.servers(named, allowance))), above.cut)
        return (yield from self._child(Link(cut, Status.SECURE, above=above), above, ds.replies[0], allowance))

    def _child(self, link: Link, above: Link, ds: Reply, allowance: Allowance) -> Step[Link]:
        """A zone by its DS records, which the zone above must have signed."""
        digests: list[DS] = rdatas_in(ds.message.answer, link.apex, RdataType.DS)
        if not digests:
            return replace(link, status=Status.INSECURE)
        try:
            signature = check(link.apex, RdataType.DS, ds.message.answer, above.apex, above.keys, time.time())
        except Bogus as fault:
            why = f"{ds.ask.server} sends its DS records from {show(above.apex)}: {fault}"
            return replace(link, status=Status.BOGUS, why=why)
        except Unknown:
            return replace(link, status=Status.INDETERMINATE, why="its DS records are signed in a way not known here")
        usable = usable_digests(digests)
        if not usable:
            return replace(link, status=Status.INSECURE)
        return (yield from self._validated(replace(link, digests=tuple(usable), signatures=(signature,)), allowance))

    def _validated(self, link: Link, allowance: Allowance) -> Step[Link]:
        """A zone by its own keys: one server that sends a valid answer is enough."""
        keys, soas = yield from self._apex_of(link.cut, allowance)
        by_server = {reply.ask.server: reply for reply in soas.replies if reply.is_authoritative}
        faults: dict[str, list[str]] = {}
        valid: list[Link] = []
        for reply in keys.replies:
            server = reply.ask.server
            if not reply.is_authoritative or server not in by_server:
                continue
            try:
                found, signed = validate(link.apex, link.digests, reply, by_server[server], time.time())
                valid.append(replace(link, keys=tuple(found), signatures=(*link.signatures, *signed)))
            except Bogus as fault:
                faults.setdefault(str(fault), []).append(str(server))
            except Unknown:
                continue
        if valid:
            # What ends first, on whichever server, is what a resolver may meet.
            return min(valid, key=lambda each: min(signature.expiration for signature in each.signatures))
        if faults:
            why = "; ".join(f"{listed(servers)}: {fault}" for fault, servers in faults.items())
            return replace(link, status=Status.BOGUS, why=why)
        silent = [answers.failure.problem for answers in (keys, soas) if not answers.replies]
        why = "; ".join(silent) or f"no server of {show(link.apex)} answers for both DNSKEY and SOA"
        return replace(link, status=Status.INDETERMINATE, why=why)

    def _apex_of(self, cut: Cut, allowance: Allowance) -> Step[list[Answers]]:
        of_all = len(cut.apex) > TOP
        kinds = (RdataType.DNSKEY, RdataType.SOA)
        return hear(*(Inquiry(cut, Question(cut.apex, kind, dnssec_ok=True), allowance, of_all) for kind in kinds))

    def _top(self, apex: Name) -> Step[Link]:
        """The zone of a trust anchor. Where the anchor is of no use, its keys are taken as they come."""
        try:
            cut = Cut(apex, (yield from self._descent.servers_of(apex)))
        except LookupFailed as error:
            return Link(Cut(apex, ()), Status.INDETERMINATE, error.problem)
        if not cut.servers:
            return Link(cut, Status.INDETERMINATE, f"no resolver names the servers of {show(apex)}")
        allowance = Allowance(self._descent.budget)
        anchored = self.anchors.digests.get(apex, ())
        link = Link(cut, Status.SECURE, digests=anchored)
        if anchored:
            validated = yield from self._validated(link, allowance)
            if validated.status is not Status.BOGUS:
                return validated
            bare = yield from self._unanchored(link, allowance)
            if bare.status is Status.BOGUS:
                return validated
            self.outdated.add(apex)
            return bare
        return (yield from self._unanchored(link, allowance))

    def _unanchored(self, link: Link, allowance: Allowance) -> Step[Link]:
        apex = link.apex
        (keys, _) = yield from self._apex_of(link.cut, allowance)
        if not keys.replies:
            return replace(link, status=Status.INDETERMINATE, why=keys.failure.problem)
        shown = rdatas_in(keys.replies[0].message.answer, apex, RdataType.DNSKEY)[:MOST_KEYS]
        if not shown:
            return replace(link, status=Status.INSECURE)
        return (yield from self._validated(replace(link, digests=tuple(digests_of(apex, shown))), allowance))


def _named(reply: Reply, above: Name, name: Name) -> tuple[list[Name], list[RRset]]:
    """The name servers of a zone that begins at a name, from a referral or an answer; none where there is no zone."""
    referral = referral_in(reply.message, above, name)
    if referral is not None and referral[0] == name:
        return referral[1], list(reply.message.additional)
    hosts = [rdata.target for rdata in rdatas_in(reply.message.answer, name, RdataType.NS)]
    return hosts, list(reply.message.additional)
