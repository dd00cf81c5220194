"""The zone that a name lies in: its apex, all servers that resolvers may ask for it, and what is wrong with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DS import DS

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.lookup import delegation, signatures
from certbot_dns_delegate.lookup.answer import addresses_in, negative_ttl, rdatas_in, referral_in, soa_in
from certbot_dns_delegate.lookup.cut import Allowance, Asker, Budget, Cut, Inquiry
from certbot_dns_delegate.lookup.descent import MOST_POLLED, Descent, Found, apex_of
from certbot_dns_delegate.lookup.hosts import ADDRESS, MOST_HOSTS, Named, merged
from certbot_dns_delegate.lookup.message import Question, Reply
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.rounds import Rounds, Step, hear, resolve, share
from certbot_dns_delegate.model import About, Doubt, Server, Zone
from certbot_dns_delegate.text import parse_name, plain, show, show_all

__all__ = ["Found", "Zones"]


class Zones:
    """The zones of an order; each is looked up once.

    Every method but :meth:`look` and :meth:`determine`, which are look-ups for :class:`.Rounds`, asks and waits.
    """

    def __init__(self, recursive: Recursive, suffix_of: Callable[[Name], Name | None], budget: Budget) -> None:
        """:param suffix_of: the suffix of the delegate that a name lies in, where no recursive resolver is asked."""
        self.rounds = Rounds(Asker(), recursive)
        self._descent = Descent(suffix_of, budget)
        self.look = self._descent.find
        self.start = self._descent.start

    def find(self, owner: Name, suffix: Name) -> Found:
        """Ask the authoritative servers for TXT at ``owner``, which lies at or below the delegate's ``suffix``.

        :raises LookupFailed: when no authoritative server says anything to go by.
        """
        return self.rounds.one(self.look(owner, suffix))

    def find_all(self, owners: Mapping[Name, Name]) -> dict[Name, Found | DelegateError]:
        """As :meth:`find`, for many owners.

        :param owners: the suffix of each.
        """
        return self.rounds.all({owner: self.look(owner, suffix) for owner, suffix in owners.items()})

    def zone_of(self, found: Found) -> Zone:
        """The zone of an owner that was found: parent's and child's servers, and whether it is signed.

        :raises LookupFailed: when its servers say nothing to go by.
        """
        return self.rounds.one(self.determine(found))

    def zones_of(self, founds: Iterable[Found]) -> dict[Name, Zone | DelegateError]:
        """As :meth:`zone_of`, by owner."""
        return self.rounds.all({found.owner: self.determine(found) for found in founds})

    def addresses_of(self, host: Name, suffix: Name) -> list[str]:
        """The addresses of a host inside a delegate, from the delegate's own servers."""
        return self.rounds.one(self._descent.addresses_of(host, suffix))

    def ask(self, cut: Cut, question: Question) -> Reply:
        """The first answer with authority, or referral below ``cut``, that one of its servers gives.

        :raises LookupFailed: with what each of them said instead.
        """
        (answers,) = self.rounds.one(hear(Inquiry(cut, question, self._allowance())))
        if not answers.replies:
            raise answers.failure
        return answers.replies[0]

    # Look-ups

    def determine(self, found: Found) -> Step[Zone]:
        """The zone, as :meth:`zone_of`."""
        apex, soa = yield from self._apex(found)
        return (yield from share(("zone", apex), lambda: self._zone(_Case(found, apex, soa, self._allowance()))))

    def _allowance(self) -> Allowance:
        return Allowance(self._descent.budget)

    def _apex(self, found: Found) -> Step[tuple[Name, dns.rrset.RRset | None]]:
        """The apex of the zone, and its SOA where it is shown: of the deepest zone that a server answers from."""
        soas = yield from self._soas(found)
        for name in sorted({soa.name for soa in soas.values()}, key=len, reverse=True):
            claiming = tuple(server for server, soa in soas.items() if soa.name == name)
            if name == found.cut.apex or (yield from self._is_apex(name, Cut(name, claiming, found.cut))):
                return name, soas[claiming[0]]
        return found.cut.apex, None

    def _is_apex(self, name: Name, cut: Cut) -> Step[bool]:
        """Whether servers that answer from a zone of this name have NS records for it: some make up an SOA."""
        question = Question(name, RdataType.NS)
        told = self._descent.told
        if question not in told:
            (answers,) = yield from hear(Inquiry(cut, question, self._allowance()))
            if not answers.replies:
                return True
            told[question] = answers.replies[0]
        return bool(rdatas_in(told[question].message.answer, name, RdataType.NS))

    def _soas(self, found: Found) -> Step[dict[Server, dns.rrset.RRset]]:
        """The SOA that each server shows for the owner."""
        cut, owner = found.cut, found.owner
        replies = list(found.replies)
        without = tuple(reply.ask.server for reply in replies if apex_of(reply, cut) is None)
        # A negative answer shows it at once; some servers leave it out, a positive one has none, and an alias hides it.
        for depth in range(len(owner), len(cut.apex) - 1, -1) if without else ():
            question = Question(owner.split(depth)[1], RdataType.SOA)
            of_all = depth == len(owner) and len(without) <= MOST_POLLED
            asked = Inquiry(Cut(cut.apex, without, cut.parent), question, self._allowance(), of_all)
            (answers,) = yield from hear(asked)
            replies += answers.replies
            if not answers.replies or any(apex_of(reply, cut) is not None for reply in replies):
                break
        shown = {reply.ask.server: soa_in(reply.message, reply.ask.question.name) for reply in replies}
        return {server: soa for server, soa in shown.items() if soa is not None and soa.name.is_subdomain(cut.apex)}

    def _zone(self, case: "_Case") -> Step[Zone]:
        apex = case.apex
        yield from self._ask_both_sides(case)
        case.above = yield from self._above(case)
        servers = yield from self._servers(case)
        doubts = [*self._address_doubts(case, servers), *(yield from self._delegation_doubts(case))]
        is_signed = bool(case.digests)
        if is_signed and servers:
            validation = yield from signatures.examine(Cut(apex, servers, case.parent), case.digests, case.allowance)
            is_signed = validation.is_signed
            doubts += validation.doubts
            case.notes += validation.notes
        ttl, serial = (negative_ttl(case.soa), case.soa[0].serial) if case.soa is not None else (0, None)
        zone = Zone(apex, servers, is_signed, ttl, serial, tuple(doubts), tuple(case.notes))
        return zone if case.soa is None else replace(zone, refresh=case.soa[0].refresh)

    def _ask_both_sides(self, case: "_Case") -> Step[None]:
        """NS at the zone and DS above it, as far as they were not asked along with others."""
        told, apex = self._descent.told, case.apex
        ns, ds = Question(apex, RdataType.NS), Question(apex, RdataType.DS)
        wanted = [(case.cut, ns)] if ns not in told else []
        wanted += [(case.parent, ds)] if ds not in told and case.parent is not None else []
        heard = yield from hear(*(Inquiry(cut, question, case.allowance, question is ds) for cut, question in wanted))
        failures = {}
        for (_, question), answers in zip(wanted, heard, strict=True):
            if answers.replies:
                told[question] = max(
                    answers.replies, key=lambda r: len(rdatas_in(r.message.answer, apex, r.ask.question.rdtype))
                )
            else:
                failures[question] = answers.failure.problem
        if ds not in told and case.parent is None:
            # The apex is what the resolver was asked for in the first place, above every delegate.
            answer = (yield from resolve([(apex, RdataType.DS)]))[apex, RdataType.DS]
            if isinstance(answer, Reply):
                told[ds] = answer
            else:
                failures[ds] = answer.problem
        case.ns, case.ds = told.get(ns), told.get(ds)
        if ns in failures:
            case.notes.append(f"{failures[ns]}; the servers that the parent names are asked")
        if ds in failures:
            case.notes.append(f"{failures[ds]}; {show(apex)} is taken for unsigned")

    def _servers(self, case: "_Case") -> Step[tuple[Server, ...]]:
        """Of parent and child together, and those of the parent that hold the zone too, which resolvers ask first."""
        found, apex = case.found, case.apex
        servers = list(case.cut.servers if case.is_own else found.cut.servers)
        servers += [server for server, name in case.above.items() if name == apex]
        hosts = rdatas_in(case.ns.message.answer, apex, RdataType.NS) if case.ns is not None else []
        case.hosts = [rdata.target for rdata in hosts]
        names = {server.name for server in servers}
        # A host inside the zone may have other addresses here than the parent's glue says.
        new = [host for host in case.hosts if host.is_subdomain(apex) or plain(host) not in names]
        additional = [*(case.ns.message.additional if case.ns is not None else ()), *(yield from self._glue(case, new))]
        # Not all servers of the parent need name the same ones; those that answered late are heard here.
        for referral in self._referrals(case):
            new += [host for host in referral[0] if plain(host) not in names]
            additional += referral[1]
        named = Named(apex, new, additional, found.is_ours)
        by_host = yield from self._descent.hosts.servers(named, case.allowance)
        case.bare = [host for host, its in by_host.items() if not its and plain(host) not in names]
        return tuple(dict.fromkeys([*servers, *merged(by_host)]))

    def _referrals(self, case: "_Case") -> list[tuple[list[Name], list[dns.rrset.RRset]]]:
        """The name servers in each referral to the zone, and what came with it."""
        cut, found = case.found.cut, []
        if cut.parent is not None and case.is_own:
            for reply in self._descent.above.get(cut.apex, ()):
                referral = referral_in(reply.message, cut.parent.apex, reply.ask.question.name)
                if referral is not None and referral[0] == case.apex:
                    found.append((referral[1], reply.message.additional))
        return found

    def _glue(self, case: "_Case", hosts: Sequence[Name]) -> Step[list[dns.rrset.RRset]]:
        """The addresses of hosts inside the zone that did not come with its NS RRset."""
        bare = [host for host in hosts[:MOST_HOSTS] if host.is_subdomain(case.apex)]
        bare = [host for host in bare if case.ns is None or not addresses_in(case.ns.message.additional, host)]
        asked = [Inquiry(case.cut, Question(host, kind), case.allowance) for host in bare for kind in ADDRESS]
        return [rr for a in (yield from hear(*asked)) for reply in a.replies[:1] for rr in reply.message.answer]

    def _above(self, case: "_Case") -> Step[dict[Server, Name]]:
        """The zones from which servers of the cuts above answered for the owner themselves, instead of referring."""
        cut, claims, silent = case.found.cut, dict[Server, Name](), dict[Server, Cut]()
        while cut.parent is not None:
            for reply in self._descent.above.get(cut.apex, ()):
                soa = soa_in(reply.message, reply.ask.question.name)
                if soa is not None:
                    claims[reply.ask.server] = soa.name
                elif reply.is_authoritative and reply.message.answer:
                    silent[reply.ask.server] = cut.parent
            cut = cut.parent
        asked = [
            Inquiry(Cut(cut.apex, (server,), cut.parent), Question(case.apex, RdataType.SOA), case.allowance)
            for server, cut in silent.items()
        ]
        for reply in [reply for answers in (yield from hear(*asked)) for reply in answers.replies]:
            if (soa := soa_in(reply.message, case.apex)) is not None:
                claims[reply.ask.server] = soa.name
        return claims

    def _address_doubts(self, case: "_Case", servers: Sequence[Server]) -> list[Doubt]:
        case.notes += [f"{show(host)}, a server of {show(case.apex)}, has no address" for host in case.bare]
        if servers:
            return []
        hosts = f" ({show_all(case.hosts)})" if case.hosts else ""
        problem = f"no server of {show(case.apex)} has an address{hosts}, so nobody sees what is written there"
        return [Doubt(About.ADDRESSES, problem, f"give the name servers of {show(case.apex)} A or AAAA records")]

    def _delegation_doubts(self, case: "_Case") -> Step[list[Doubt]]:
        """Where servers of the parent do not know the zone, or none of them delegates it."""
        found, apex = case.found, case.apex
        own = {reply.ask.server: soa_in(reply.message, found.owner) for reply in found.replies}
        claims = case.above | {server: soa.name for server, soa in own.items() if soa is not None}
        denials = {server: name for server, name in claims.items() if name != apex and apex.is_subdomain(name)}
        hosts = case.hosts or [parse_name(server.name) for server in found.cut.servers if server.name]
        if denials:
            return [delegation.denied(apex, denials, hosts, is_elsewhere=case.is_own)]
        if case.is_own or case.ds is None or not delegation.is_denied(case.ds):
            return []
        if (yield from self._is_secure(case, found.cut)):
            return [delegation.unproven(apex, found.cut.apex, hosts)]
        case.notes.append(delegation.forgotten(apex, found.cut.apex, hosts))
        return []

    def _is_secure(self, case: "_Case", cut: Cut) -> Step[bool]:
        """Whether resolvers expect signatures of a zone."""
        question = Question(cut.apex, RdataType.DS)
        if question not in self._descent.told:
            if cut.parent is not None:
                (answers,) = yield from hear(Inquiry(cut.parent, question, case.allowance))
                replies = answers.replies
            else:
                answer = (yield from resolve([(cut.apex, RdataType.DS)]))[cut.apex, RdataType.DS]
                replies = [answer] if isinstance(answer, Reply) else []
            if not replies:
                return False
            self._descent.told[question] = replies[0]
        digests: list[DS] = rdatas_in(self._descent.told[question].message.answer, cut.apex, RdataType.DS)
        return bool(digests)


@dataclass
class _Case:
    """One zone while it is found out about."""

    found: Found
    apex: Name
    soa: dns.rrset.RRset | None
    allowance: Allowance
    ns: Reply | None = None
    ds: Reply | None = None
    hosts: list[Name] = field(default_factory=list)
    """Of the zone's own NS RRset."""
    bare: list[Name] = field(default_factory=list)
    """Those of them without an address."""
    above: dict[Server, Name] = field(default_factory=dict)
    """Servers of the cuts above that answer for the owner, and the zone they answer from."""
    notes: list[str] = field(default_factory=list)

    @property
    def is_own(self) -> bool:
        """Whether a referral led to the zone; if not, the servers of the zone above hold it too."""
        return bool(self.apex == self.found.cut.apex)

    @property
    def parent(self) -> Cut | None:
        return self.found.cut.parent if self.is_own else self.found.cut

    @property
    def cut(self) -> Cut:
        """Who is asked about the zone itself."""
        if self.is_own:
            return self.found.cut
        holding = [r.ask.server for r in self.found.replies if apex_of(r, self.found.cut) == self.apex]
        return Cut(self.apex, tuple(holding) or self.found.cut.servers, self.found.cut)

    @property
    def digests(self) -> list[DS]:
        """The DS RRset."""
        return rdatas_in(self.ds.message.answer, self.apex, RdataType.DS) if self.ds is not None else []
