"""The zone that a name lies in: its apex, all servers that resolvers may ask for it, and what is wrong with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DS import DS

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.lookup import delegation, signatures, wildcard
from certbot_dns_delegate.lookup.answer import addresses_in, negative_ttl, rdatas_in, referral_in, soa_in
from certbot_dns_delegate.lookup.apex import apex_around
from certbot_dns_delegate.lookup.asker import Asker
from certbot_dns_delegate.lookup.cut import Allowance, Budget, Cut, Inquiry
from certbot_dns_delegate.lookup.descent import Descent, Found, apex_of
from certbot_dns_delegate.lookup.dossier import Dossier
from certbot_dns_delegate.lookup.hosts import ADDRESS, MOST_HOSTS, Named, merged
from certbot_dns_delegate.lookup.message import Question, Reply
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.rounds import Rounds
from certbot_dns_delegate.lookup.step import Step, hear, resolve, share
from certbot_dns_delegate.model import About, Doubt, Server, Zone
from certbot_dns_delegate.text import parse_name, plain, show, show_all

__all__ = ["Found", "Zones"]


class Zones:
    """The zones of an order; each is looked up once.

    Every method but :meth:`look` and :meth:`determine`, which are look-ups for :class:`.Rounds`, asks and waits.
    """

    def __init__(
        self, recursive: Recursive, suffix_of: Callable[[Name], Name | None], budget: Budget, port: int = 53
    ) -> None:
        """:param suffix_of: the suffix of the delegate that a name lies in, where no recursive resolver is asked.

        :param port: where every authoritative server listens.
        """
        self.rounds = Rounds(Asker(), recursive)
        self.budget = budget
        self.descent = Descent(suffix_of, budget, port)
        self.look = self.descent.find
        self.start = self.descent.starts.above

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
        return self.rounds.one(self.descent.addresses_of(host, suffix))

    def ask(self, cut: Cut, question: Question) -> Reply:
        """The first answer with authority, or referral below ``cut``, that one of its servers gives.

        :raises LookupFailed: with what each of them said instead.
        """
        (answers,) = self.rounds.one(hear(Inquiry(cut, question, self._allowance())))
        if not answers.replies:
            raise answers.failure
        return answers.replies[0]

    # Look-ups

    def look_at(self, servers: Sequence[Server], above: Name, owner: Name) -> Step[Found]:
        """What given servers have at ``owner``, instead of those that the way down leads to.

        :param above: the apex of their zone, or a name above it.
        :raises LookupFailed: when none of them answers with authority.
        """
        cut = Cut(above, tuple(servers))
        (answers,) = yield from hear(Inquiry(cut, Question(owner, RdataType.TXT), self._allowance()))
        replies = [reply for reply in answers.replies if reply.is_authoritative]
        if not replies:
            raise answers.failure
        return Found(owner, replies[0], cut, tuple(replies))

    def apex(self, found: Found) -> Step[Zone]:
        """The zone that an owner was found in, as its own servers tell it, and nothing of what surrounds it."""
        around = yield from apex_around(found, self.descent.answered, self._allowance())
        soa = around.soa
        ttl, serial = (negative_ttl(soa), soa[0].serial) if soa is not None else (0, None)
        return Zone(around.apex, found.cut.servers, negative_ttl=ttl, serial=serial)

    def published(self, server: Server, apex: Name) -> Step[tuple[Server, ...]]:
        """The servers in a zone's NS RRset as one of its servers has it; empty where none of them can be asked."""
        cut, allowance = Cut(apex, (server,)), self._allowance()
        (answers,) = yield from hear(Inquiry(cut, Question(apex, RdataType.NS), allowance))
        if not answers.replies:
            return ()
        reply = answers.replies[0]
        dossier = Dossier(Found(apex, reply, cut, ()), apex, None, allowance, ns=reply)
        hosts = [rdata.target for rdata in rdatas_in(reply.message.answer, apex, RdataType.NS)]
        additional = [*reply.message.additional, *(yield from self._glue(dossier, hosts))]
        named = Named(apex, hosts, additional, is_ours=True)
        servers = tuple(dict.fromkeys(merged((yield from self.descent.hosts.servers(named, allowance)))))
        soa = Inquiry(Cut(apex, servers), Question(apex, RdataType.SOA), allowance, of_all=True)
        (answers,) = yield from hear(soa)
        return servers if any(apex_of(reply, soa.cut) == apex for reply in answers.replies) else ()

    def determine(self, found: Found) -> Step[Zone]:
        """The zone, as :meth:`zone_of`."""
        around = yield from apex_around(found, self.descent.answered, self._allowance())
        dossier = Dossier(found, around.apex, around.soa, self._allowance(), around.claims)
        return (yield from share(("zone", dossier.apex), lambda: self._zone(dossier)))

    def types_behind(self, found: Found) -> Step[tuple[RdataType, ...] | None]:
        """As :func:`.wildcard.types_behind`."""
        return wildcard.types_behind(found, self._allowance())

    def _allowance(self) -> Allowance:
        return Allowance(self.budget)

    def _zone(self, dossier: Dossier) -> Step[Zone]:
        apex = dossier.apex
        yield from self._ask_both_sides(dossier)
        dossier.above = yield from self._above(dossier)
        servers = yield from self._servers(dossier)
        doubts = [*self._address_doubts(dossier, servers), *(yield from self._delegation_doubts(dossier))]
        is_signed, is_in_time = bool(dossier.digests), True
        if is_signed and servers:
            validation = yield from signatures.examine(
                Cut(apex, servers, dossier.parent), dossier.digests, dossier.allowance
            )
            is_signed, is_in_time = validation.is_signed, validation.is_in_time
            doubts += validation.doubts
            dossier.notes += validation.notes
        ttl, serial = (negative_ttl(dossier.soa), dossier.soa[0].serial) if dossier.soa is not None else (0, None)
        answering = frozenset(reply.ask.server for reply in dossier.found.replies)
        zone = Zone(
            apex,
            servers,
            is_signed,
            ttl,
            serial,
            tuple(doubts),
            tuple(dossier.notes),
            is_in_time=is_in_time,
            answering=answering,
        )
        return zone if dossier.soa is None else replace(zone, refresh=dossier.soa[0].refresh)

    def _ask_both_sides(self, dossier: Dossier) -> Step[None]:
        """NS at the zone and DS above it, as far as they were not asked along with others."""
        answered, apex = self.descent.answered, dossier.apex
        ns, ds = Question(apex, RdataType.NS), Question(apex, RdataType.DS)
        wanted = [(dossier.cut, ns)] if ns not in answered else []
        wanted += [(dossier.parent, ds)] if ds not in answered and dossier.parent is not None else []
        heard = yield from hear(
            *(Inquiry(cut, question, dossier.allowance, question is ds) for cut, question in wanted)
        )
        failures = {}
        for (_, question), answers in zip(wanted, heard, strict=True):
            if answers.replies:
                answered[question] = max(
                    answers.replies, key=lambda r: len(rdatas_in(r.message.answer, apex, r.ask.question.rdtype))
                )
            else:
                failures[question] = answers.failure.problem
        if ds not in answered and dossier.parent is None:
            # The apex is what the resolver was asked for in the first place, above every delegate.
            answer = (yield from resolve([(apex, RdataType.DS)]))[apex, RdataType.DS]
            if isinstance(answer, Reply):
                answered[ds] = answer
            else:
                failures[ds] = answer.problem
        dossier.ns, dossier.ds = answered.get(ns), answered.get(ds)
        if ns in failures:
            dossier.notes.append(f"{failures[ns]}; the servers that the parent names are asked")
        if ds in failures:
            dossier.notes.append(f"{failures[ds]}; {show(apex)} is taken for unsigned")

    def _servers(self, dossier: Dossier) -> Step[tuple[Server, ...]]:
        """Of parent and child together, and those of the parent that hold the zone too, which resolvers ask first."""
        found, apex = dossier.found, dossier.apex
        servers = list(dossier.cut.servers if dossier.is_own else found.cut.servers)
        servers += [server for server, name in dossier.above.items() if name == apex]
        hosts = rdatas_in(dossier.ns.message.answer, apex, RdataType.NS) if dossier.ns is not None else []
        dossier.hosts = [rdata.target for rdata in hosts]
        names = {server.name for server in servers}
        # A host inside the zone may have other addresses here than the parent's glue says.
        new = [host for host in dossier.hosts if host.is_subdomain(apex) or plain(host) not in names]
        additional = [
            *(dossier.ns.message.additional if dossier.ns is not None else ()),
            *(yield from self._glue(dossier, new)),
        ]
        # Not all servers of the parent need name the same ones; those that answered late are heard here.
        for referral in self._referrals(dossier):
            new += [host for host in referral[0] if plain(host) not in names]
            additional += referral[1]
        named = Named(apex, new, additional, found.is_ours)
        by_host = yield from self.descent.hosts.servers(named, dossier.allowance)
        dossier.bare = [host for host, its in by_host.items() if not its and plain(host) not in names]
        return tuple(dict.fromkeys([*servers, *merged(by_host)]))

    def _referrals(self, dossier: Dossier) -> list[tuple[list[Name], list[dns.rrset.RRset]]]:
        """The name servers in each referral to the zone, and what came with it."""
        cut, found = dossier.found.cut, []
        if cut.parent is not None and dossier.is_own:
            for reply in self.descent.above.get(cut.apex, ()):
                referral = referral_in(reply.message, cut.parent.apex, reply.ask.question.name)
                if referral is not None and referral[0] == dossier.apex:
                    found.append((referral[1], reply.message.additional))
        return found

    def _glue(self, dossier: Dossier, hosts: Sequence[Name]) -> Step[list[dns.rrset.RRset]]:
        """The addresses of hosts inside the zone that did not come with its NS RRset."""
        bare = [host for host in hosts[:MOST_HOSTS] if host.is_subdomain(dossier.apex)]
        bare = [host for host in bare if dossier.ns is None or not addresses_in(dossier.ns.message.additional, host)]
        asked = [Inquiry(dossier.cut, Question(host, kind), dossier.allowance) for host in bare for kind in ADDRESS]
        return [rr for a in (yield from hear(*asked)) for reply in a.replies[:1] for rr in reply.message.answer]

    def _above(self, dossier: Dossier) -> Step[dict[Server, Name]]:
        """The zones from which servers of the cuts above answered for the owner themselves, instead of referring."""
        cut, claims, silent = dossier.found.cut, dict[Server, Name](), dict[Server, Cut]()
        while cut.parent is not None:
            for reply in self.descent.above.get(cut.apex, ()):
                soa = soa_in(reply.message, reply.ask.question.name)
                if soa is not None:
                    claims[reply.ask.server] = soa.name
                elif reply.is_authoritative and reply.message.answer:
                    silent[reply.ask.server] = cut.parent
            cut = cut.parent
        asked = [
            Inquiry(Cut(cut.apex, (server,), cut.parent), Question(dossier.apex, RdataType.SOA), dossier.allowance)
            for server, cut in silent.items()
        ]
        for reply in [reply for answers in (yield from hear(*asked)) for reply in answers.replies]:
            if (soa := soa_in(reply.message, dossier.apex)) is not None:
                claims[reply.ask.server] = soa.name
        return claims

    def _address_doubts(self, dossier: Dossier, servers: Sequence[Server]) -> list[Doubt]:
        dossier.notes += [f"{show(host)}, a server of {show(dossier.apex)}, has no address" for host in dossier.bare]
        if servers:
            return []
        hosts = f" ({show_all(dossier.hosts)})" if dossier.hosts else ""
        problem = f"no server of {show(dossier.apex)} has an address{hosts}, so what is written there is not visible"
        return [Doubt(About.ADDRESSES, problem, f"give the name servers of {show(dossier.apex)} A or AAAA records")]

    def _delegation_doubts(self, dossier: Dossier) -> Step[list[Doubt]]:
        """Where servers of the parent do not know the zone, or none of them delegates it."""
        found, apex = dossier.found, dossier.apex
        claims = {**dossier.above, **dossier.claims}
        denials = {server: name for server, name in claims.items() if name != apex and apex.is_subdomain(name)}
        hosts = dossier.hosts or [parse_name(server.name) for server in found.cut.servers if server.name]
        if denials:
            return [delegation.denied(apex, denials, hosts, is_elsewhere=dossier.is_own)]
        if dossier.is_own or dossier.ds is None or not delegation.is_denied(dossier.ds):
            return []
        if (yield from self._is_secure(dossier, found.cut)):
            return [delegation.unproven(apex, found.cut.apex, hosts)]
        dossier.notes.append(delegation.forgotten(apex, found.cut.apex, hosts))
        return []

    def _is_secure(self, dossier: Dossier, cut: Cut) -> Step[bool]:
        """Whether resolvers expect signatures of a zone."""
        question = Question(cut.apex, RdataType.DS)
        if question not in self.descent.answered:
            if cut.parent is not None:
                (answers,) = yield from hear(Inquiry(cut.parent, question, dossier.allowance))
                replies = answers.replies
            else:
                answer = (yield from resolve([(cut.apex, RdataType.DS)]))[cut.apex, RdataType.DS]
                replies = [answer] if isinstance(answer, Reply) else []
            if not replies:
                return False
            self.descent.answered[question] = replies[0]
        digests: list[DS] = rdatas_in(self.descent.answered[question].message.answer, cut.apex, RdataType.DS)
        return bool(digests)
