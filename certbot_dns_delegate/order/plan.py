"""Work out, before the first write, where every value of an order must go; report everything that prevents it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import (
    ChainLoop,
    DelegateError,
    LookupFailed,
    PlanError,
    TargetNotAllowed,
    as_problem,
)
from certbot_dns_delegate.lookup.answer import negative_ttl, soa_in
from certbot_dns_delegate.lookup.chain import Followed, Follower
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.step import Step, resolve
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import OVERRIDES, About, Alias, Chain, Challenge, Publication, RRset, Target, Zone
from certbot_dns_delegate.order import chosen
from certbot_dns_delegate.order.capacity import within_capacity
from certbot_dns_delegate.order.inside import Addresses, Inside
from certbot_dns_delegate.order.remedy import Advisor
from certbot_dns_delegate.order.router import ProviderOf, Router
from certbot_dns_delegate.order.witness import check_zone
from certbot_dns_delegate.settings.delegates import Delegate, Dnssec, Settings
from certbot_dns_delegate.text import listed, record, show
from certbot_dns_delegate.timing import Watch

FEW = 4
"""Delegates whose zones are looked for while the chains are still followed; of more, most names need only one."""


Place = tuple[str, Name, Name]
"""The delegate, the zone and the owner of values."""


@dataclass(frozen=True)
class Planned:
    """One challenge's way."""

    challenge: Challenge
    chain: Chain
    target: Target

    @property
    def place(self) -> Place:
        """Where its value goes."""
        return self.target.delegate, self.target.zone.apex, self.target.owner


@dataclass(frozen=True)
class Plan:
    """What would be written, and why the rest cannot be."""

    planned: tuple[Planned, ...]
    problems: tuple[tuple[Challenge, DelegateError], ...]
    publications: tuple[Publication, ...]

    def without(self, lost: Mapping[Place, DelegateError]) -> "Plan":
        """What is left where some values were not written, or are not served.

        :param lost: why, by the place of each.
        """
        kept = tuple(each for each in self.planned if each.place not in lost)
        gone = tuple((each.challenge, lost[each.place]) for each in self.planned if each.place in lost)
        return Plan(kept, (*self.problems, *gone), publications_of(kept)) if gone else self


class Planner:
    """Plans the challenges of one order."""

    def __init__(
        self,
        settings: Settings,
        provider_of: ProviderOf,
        recursive: Recursive,
        zones: Zones,
        router: Router,
        addresses: Addresses,
        *,
        is_shy: bool = False,
    ) -> None:
        """:param addresses: of a host that the settings name.

        :param is_shy: for a plan that nobody carries out now: no resolver shall remember that a CNAME is missing.
        """
        self._settings = settings
        self._provider_of = provider_of
        self._recursive = recursive
        self._zones = zones
        self._router = router
        self._inside = Inside(settings, provider_of, router, zones, addresses)
        self._follower = Follower(
            recursive,
            zones,
            router.hidden_suffix,
            suffix_waits=router.asks_services,
            inside=self._inside.at,
            is_shy=is_shy and router.can_ask_servers,
            asks_origins=router.can_ask_servers,
        )
        self._advisor = Advisor(settings, provider_of)

    def plan(self, challenges: Sequence[Challenge], pool: Executor) -> Plan:
        """All challenges at once; a failure of one never hides another's."""
        suffixes = self._router.hidden_suffixes() if len(self._settings.delegates) <= FEW else []
        starts = {(challenge.identifier, challenge.owner): challenge for challenge in challenges}
        steps = {key: self._guarded(challenge) for key, challenge in starts.items()}
        ways = self._zones.rounds.all(steps, map(self._zones.start, suffixes), pool)
        planned, problems = [], []
        for challenge in challenges:
            way = ways[challenge.identifier, challenge.owner]
            if isinstance(way, DelegateError):
                problems.append((challenge, way))
            else:
                planned.append(Planned(challenge, *way))
        planned, too_many = within_capacity(planned, self._settings, self._provider_of)
        return Plan(tuple(planned), (*problems, *too_many), publications_of(planned))

    def _guarded(self, challenge: Challenge) -> Step[tuple[Chain, Target]]:
        try:
            return (yield from self._plan_one(challenge))
        except DelegateError:
            raise
        except (Exception, SystemExit) as error:  # what one name meets must not stop the others
            raise as_problem(error, f"{challenge.identifier} could not be planned") from error

    def _plan_one(self, challenge: Challenge) -> Step[tuple[Chain, Target]]:
        override = self._settings.override_of(challenge.identifier)
        try:
            followed = yield from self._follower.look(override or challenge.owner)
        except LookupFailed as error:
            raise self._explained(error) from error
        except ChainLoop as error:
            raise self._advisor.loop(challenge, error) if override is None else error from None
        if override is not None:
            by_hand = Alias(challenge.owner, override, OVERRIDES)
            followed = replace(followed, chain=Chain(challenge.owner, (by_hand, *followed.chain.aliases)))
        route = self._router.route(followed.chain.target)
        if route is None:
            raise self._advisor.outside(challenge, followed)
        delegate, _ = route
        self._check_allowed(challenge, followed.chain, delegate)
        by_customer = None if override is not None else challenge.identifier
        self._provider_of(delegate).admit(followed.chain.target, by_customer)
        zone, present = yield from self._zone(delegate, followed)
        zone = self._accepted(delegate, zone)
        check_zone(delegate, zone, self._settings)
        self._provider_of(delegate).recognise(zone)
        hides: tuple[str, ...] = ()
        if override is None:
            chosen.check_name(challenge, followed.chain, delegate, zone.apex)
            if followed.chain.aliases:
                found = yield from self._inside.found(followed.chain.target, followed.found)
                hides = yield from chosen.hidden_types(challenge, followed.chain, delegate, found, self._zones)
        # Journals and history know them by their text, whose case must not depend on who has written a CNAME.
        target, zone = followed.chain.target.canonicalize(), replace(zone, apex=zone.apex.canonicalize())
        return _remarked(followed.chain, zone), Target(target, zone, delegate.title, present, hides)

    def _explained(self, error: LookupFailed) -> LookupFailed:
        """The failure, with what the provider that answers for the name itself knows of it."""
        route = self._router.route(error.owner) if error.owner is not None and error.addresses else None
        if route is None:
            return error
        remark, hint = map(route[0].spelling.sentence, self._provider_of(route[0]).why_unreached(error.addresses))
        return LookupFailed(f"{error.problem}; {remark}", hint) if remark else error

    def _zone(self, delegate: Delegate, followed: Followed) -> Step[tuple[Zone, RRset]]:
        target = followed.chain.target
        if followed.found is None:
            return (yield from self._zone_by_resolver(delegate, target))
        return (yield from self._inside.zone(delegate, target, followed.found))

    def _zone_by_resolver(self, delegate: Delegate, target: Name) -> Step[tuple[Zone, RRset]]:
        reply = (yield from resolve([(target, RdataType.SOA)]))[target, RdataType.SOA]
        if isinstance(reply, LookupFailed):
            raise reply
        soa = soa_in(reply.message, target)
        if delegate.zone is None and soa is None:
            raise LookupFailed(f"{reply.ask.server} names no zone for {show(target)}", delegate.setting("zone", "..."))
        apex = delegate.zone or (soa.name if soa is not None else dns.name.root)
        return Zone(apex, (), negative_ttl=negative_ttl(soa) if soa is not None else 0), RRset()

    def _accepted(self, delegate: Delegate, zone: Zone) -> Zone:
        """The zone as it is to be watched.

        :raises PlanError: for the first doubt about it that the settings do not let pass.
        """
        # certbot-dns-rfc2136 issues with such a file whether or not the zone validates.
        is_drop_in = self._settings.is_flat and delegate.provider == "rfc2136"
        passing = {About.DNSSEC} if is_drop_in or delegate.dnssec is Dnssec.IGNORE else set()
        passing |= {About.ADDRESSES} if delegate.watch_servers else set()
        passing |= set(About) if delegate.watch in {Watch.SERVER, Watch.NONE} else set()
        for doubt in zone.doubts:
            if doubt.about not in passing:
                raise PlanError(doubt.problem, doubt.hint)
        is_bogus = any(doubt.about is About.DNSSEC for doubt in zone.doubts)
        return replace(zone, is_signed=zone.is_signed and not is_bogus)

    def _check_allowed(self, challenge: Challenge, chain: Chain, delegate: Delegate) -> None:
        if not delegate.serves(challenge.identifier):
            names = listed(delegate.names)
            raise TargetNotAllowed(
                f"{challenge.identifier} may not use the delegate [{delegate.title}], which is for {names}: {chain}",
                f"if it may, add {challenge.identifier} to  {delegate.setting('for', '')}",
            )
        expected = delegate.expected_target(challenge.identifier)
        if expected is not None and expected != chain.target:
            raise TargetNotAllowed(
                f"{challenge.identifier} may only use {show(expected)}, but its chain leads elsewhere: {chain}",
                f"change the CNAME to  {record(challenge.owner, 'CNAME', expected)}",
            )


def _remarked(chain: Chain, zone: Zone) -> Chain:
    """The chain, with what may come of a DNAME into a signed zone (Unbound 1.17; BIND does not do so)."""
    last = chain.aliases[-1] if chain.aliases else None
    if last is None or not last.is_dname or not zone.is_signed:
        return chain
    remark = (
        f"{show(last.owner)} is an alias by DNAME into {show(zone.apex)}, which is signed: Unbound asks for its target"
        " before the value is there, and remembers that there is none; hint: where the CA uses the same Unbound, add  "
        + record(last.owner, "CNAME", last.target)
    )
    return replace(chain, aliases=(*chain.aliases[:-1], replace(last, remark=remark)))


def publications_of(planned: Sequence[Planned]) -> tuple[Publication, ...]:
    """What is to be written for these, one publication for each delegate and zone."""
    values: dict[tuple[str, Name], dict[Name, set[str]]] = defaultdict(lambda: defaultdict(set))
    zones: dict[tuple[str, Name], Zone] = {}
    for each in planned:
        key = (each.target.delegate, each.target.zone.apex)
        zones[key] = each.target.zone
        values[key][each.target.owner].add(each.challenge.value)
    return tuple(
        Publication(title, zones[title, apex], {owner: frozenset(texts) for owner, texts in owners.items()})
        for (title, apex), owners in values.items()
    )
