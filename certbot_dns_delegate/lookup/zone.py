"""Find the zone that a name lies in and the servers that answer for it, without asking a recursive resolver about it.

The resolver is asked only for the servers of a name above the delegate. From there the way down leads through
authoritative servers, following referrals, until one answers with authority (RFC 1034 section 5.3.3, step 4).
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.name
import dns.rcode
import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import addresses_in, negative_ttl, rdatas_in, referral_in, soa_in
from certbot_dns_delegate.lookup.cut import Asker, Budget, Cut
from certbot_dns_delegate.lookup.hosts import ADDRESS, MOST_HOSTS, Hosts, host_name
from certbot_dns_delegate.lookup.message import Question, Reply, dig
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.model import Zone
from certbot_dns_delegate.text import show
from certbot_dns_delegate.threads import Once

log = logging.getLogger(__name__)

MOST_CUTS = 16
"""Zone cuts between the name the resolver is asked for and a target; real ones are one to three."""
TOGETHER = 20
"""Owners of one zone that are asked about at once: below the burst that response rate limiting tolerates in use, and
answered long before the next server of the zone would be asked."""


@dataclass(frozen=True)
class Found:
    """What an authoritative server says about TXT at one owner name."""

    owner: Name
    reply: Reply
    cut: Cut
    """The deepest zone cut above the owner that a referral has shown."""


class Zones:
    """The zones of an order; each is looked up once, from whatever thread asks first."""

    def __init__(self, recursive: Recursive, suffix_of: Callable[[Name], Name | None], budget: Budget) -> None:
        """
        :param suffix_of: the suffix of the delegate that a name lies in, where no recursive resolver may hear of it.
        """
        self._recursive = recursive
        self._suffix_of = suffix_of
        self._asker = Asker(budget)
        self._hosts = Hosts(recursive, suffix_of, self.addresses_of, budget)
        self._once = Once()
        self._cuts: dict[Name, Cut] = {}
        self._foreseen: dict[tuple[Name, Name], Reply] = {}
        self._told: dict[Question, Reply] = {}
        """Answers with authority to NS and DS questions that were asked along with others."""

    def prepare(self, suffix: Name) -> None:
        """Find the servers above a delegate before a chain has led there."""
        above = _above(suffix)
        self._once.look_up("start", above, lambda: self._first_cut(above))

    def find(self, owner: Name, suffix: Name) -> Found:
        """Ask the authoritative servers for TXT at ``owner``, which lies at or below the delegate's ``suffix``.

        :raises LookupFailed: when no authoritative server says anything to go by.
        """
        try:
            # The first name walks; the others wait for it and start where it arrived.
            first = self._once.look_up("walk", suffix, lambda: self._walk(owner, suffix, title=suffix))
        except LookupFailed:
            return self._walk(owner, suffix)
        return first if first.owner == owner else self._walk(owner, suffix)

    def foresee(self, suffix: Name, owners: Sequence[Name]) -> None:
        """Ask about many owners below ``suffix`` together, so that :meth:`find` need not ask about each.

        What fails here is asked for again, and told, by :meth:`find`.
        """
        try:
            self._once.look_up("walk", suffix, lambda: self._walk(owners[0], suffix, title=suffix))
            for start in range(1, len(owners), TOGETHER):
                asked = {owner: self._deepest(owner, suffix) for owner in owners[start : start + TOGETHER]}
                wanted = [(cut, Question(owner, RdataType.TXT)) for owner, cut in asked.items()]
                for question, answer in self._asker.ask_all(wanted).items():
                    if isinstance(answer, Reply):
                        self._foreseen[asked[question.name].apex, question.name] = answer
        except LookupFailed:
            return

    def zone_of(self, found: Found) -> Zone:
        """The zone of an owner that was found: parent's and child's servers, and whether it is signed."""
        soa = self._soa(found)
        return self._once.look_up("zone", soa.name, lambda: self._zone(soa, found.cut))

    def addresses_of(self, host: Name, suffix: Name, resolving: frozenset[Name] = frozenset()) -> list[str]:
        """The addresses of a host inside a delegate, from the delegate's own servers."""
        cut = self._walk(host, suffix, resolving=resolving).cut
        answers = self._asker.ask_all([(cut, Question(host, rdtype)) for rdtype in ADDRESS])
        return [a for r in answers.values() if isinstance(r, Reply) for a in addresses_in(r.message.answer, host)]

    # The way down

    def _walk(
        self, owner: Name, suffix: Name, *, title: Name | None = None, resolving: frozenset[Name] = frozenset()
    ) -> Found:
        """:param title: the name that most likely is the apex: what its zone needs is asked in the same round trips."""
        cut = self._deepest(owner, suffix)
        for _ in range(MOST_CUTS):
            reply = self._step(cut, owner, title)
            child = referral_in(reply.message, cut.apex, owner)
            if child is None:
                return Found(owner, reply, cut)
            apex, hosts = child
            servers = self._hosts.servers(hosts, reply.message.additional, apex, resolving)
            cut = self._cuts[apex] = Cut(apex, servers, cut)
        hint = dig(Question(owner, RdataType.TXT), "+trace")
        raise LookupFailed(f"{show(owner)} lies below more than {MOST_CUTS} zone cuts", hint)

    def _step(self, cut: Cut, owner: Name, title: Name | None) -> Reply:
        question = Question(owner, RdataType.TXT)
        if (foreseen := self._foreseen.get((cut.apex, owner))) is not None:
            return foreseen
        wanted = [(cut, question)]
        if title is not None:
            wanted.append((cut, Question(title, RdataType.NS)))
            if title != cut.apex:  # a DS stands above the cut (RFC 4035 section 2.4)
                wanted.append((cut, Question(title, RdataType.DS)))
        answers = self._asker.ask_all(wanted)
        reply = _usable(answers.pop(question))
        for beside, other in answers.items():
            if isinstance(other, Reply) and other.is_authoritative:
                self._told[beside] = other
        return reply

    def _deepest(self, owner: Name, suffix: Name) -> Cut:
        """The known cut that is nearest above ``owner``, else the first."""
        above = _above(suffix)
        for depth in range(len(owner), len(above) - 1, -1):
            if (name := owner.split(depth)[1]) in self._cuts:
                return self._cuts[name]
        return self._once.look_up("start", above, lambda: self._first_cut(above))

    def _first_cut(self, above: Name) -> Cut:
        """The servers of ``above`` or, where that is no apex, of the zone it lies in."""
        ns, ds = (above, RdataType.NS), (above, RdataType.DS)
        answers = self._recursive.ask_all([ns], [ds] if above != dns.name.root else [])
        reply = _usable(answers[ns])
        if isinstance(other := answers.get(ds), Reply):
            self._told[Question(*ds)] = other
        hosts = [rdata.target for rdata in rdatas_in(reply.message.answer, *ns)]
        if not hosts:
            soa = soa_in(reply.message, above)
            if reply.message.rcode() == dns.rcode.NXDOMAIN:
                raise LookupFailed(f"{show(above)} does not exist, so nothing below it does", dig(Question(*ns)))
            if soa is None or soa.name == above:
                raise LookupFailed(f"{reply.ask.server} names no servers for {show(above)}", dig(Question(*ns)))
            return self._first_cut(soa.name)
        # Hosts inside a delegate only by glue, which the referral from above has if this reply does not.
        additional = reply.message.additional
        hosts = [host for host in hosts if self._suffix_of(host) is None or addresses_in(additional, host)]
        cut = Cut(above, self._hosts.servers(hosts, additional, above))
        if cut.servers or above == dns.name.root:
            self._cuts[above] = cut
            return cut
        return self._first_cut(above.parent())

    # The zone

    def _soa(self, found: Found) -> dns.rrset.RRset:
        """The SOA of the zone, which came with the answer or is asked for."""
        soa = soa_in(found.reply.message, found.owner)
        if soa is None or not soa.name.is_subdomain(found.cut.apex):
            depths = range(len(found.owner), len(found.cut.apex) - 1, -1)
            names = [found.owner.split(depth)[1] for depth in depths]
            # A negative answer shows it at once; some servers leave it out, and an alias hides it.
            soa = self._deepest_soa(names[:1], found.cut) or self._deepest_soa(names[1:], found.cut)
        if soa is None:
            hint = dig(Question(found.owner, RdataType.SOA), "+trace")
            raise LookupFailed(f"no server of {show(found.cut.apex)} shows the SOA of {show(found.owner)}", hint)
        return soa

    def _deepest_soa(self, names: Sequence[Name], cut: Cut) -> dns.rrset.RRset | None:
        answers = self._asker.ask_all([(cut, Question(name, RdataType.SOA)) for name in names])
        found = [soa_in(r.message, question.name) for question, r in answers.items() if isinstance(r, Reply)]
        inside = [soa for soa in found if soa is not None and soa.name.is_subdomain(cut.apex)]
        return max(inside, key=lambda soa: len(soa.name), default=None)

    def _zone(self, soa: dns.rrset.RRset, cut: Cut) -> Zone:
        apex = soa.name
        is_own = apex == cut.apex
        parent = cut.parent if is_own else cut
        ns, ds = Question(apex, RdataType.NS), Question(apex, RdataType.DS)
        if parent is None and ds not in self._told:
            # The apex is what the resolver was asked for in the first place, above every delegate.
            self._told[ds] = self._recursive.ask(apex, RdataType.DS)
        wanted = [(at, question) for at, question in ((cut, ns), (parent, ds)) if at and question not in self._told]
        answers = self._told | self._asker.ask_all(wanted)
        reply = _usable(answers[ns])
        is_signed = bool(rdatas_in(_usable(answers[ds]).message.answer, apex, RdataType.DS))
        hosts = [rdata.target for rdata in rdatas_in(reply.message.answer, apex, RdataType.NS)]
        servers = list(cut.servers) if is_own else []
        names = {server.name for server in servers}
        # A host inside the zone may have other addresses here than the parent's glue says.
        new = [host for host in hosts if host.is_subdomain(apex) or host_name(host) not in names]
        additional = [*reply.message.additional, *self._glue(new, reply, cut)]
        servers = list(dict.fromkeys([*servers, *self._hosts.servers(new, additional, apex)]))
        names = {server.name for server in servers}
        for host in hosts[:MOST_HOSTS]:
            # One that shares another's address is not among the servers, but has one.
            if host_name(host) not in names and not self._hosts.servers([host], additional, apex):
                log.warning("%s, a server of %s, has no address", show(host), show(apex))
        return Zone(apex, tuple(servers), is_signed, negative_ttl(soa), soa[0].serial)

    def _glue(self, hosts: Sequence[Name], reply: Reply, cut: Cut) -> list[dns.rrset.RRset]:
        """The addresses of hosts inside the zone that did not come with its NS RRset."""
        apex = reply.ask.question.name
        bare = [host for host in hosts[:MOST_HOSTS] if host.is_subdomain(apex)]
        bare = [host for host in bare if not addresses_in(reply.message.additional, host)]
        answers = self._asker.ask_all([(cut, Question(host, rdtype)) for host in bare for rdtype in ADDRESS])
        return [rr for answer in answers.values() if isinstance(answer, Reply) for rr in answer.message.answer]


def _above(suffix: Name) -> Name:
    """A name that surely exists above a delegate's title: its two-label ancestor, or the top-level domain."""
    labels = len(suffix) - 1
    return suffix.split(3 if labels > 2 else labels)[1] if labels else suffix


def _usable(answer: Reply | LookupFailed) -> Reply:
    if isinstance(answer, LookupFailed):
        raise answer
    return answer
