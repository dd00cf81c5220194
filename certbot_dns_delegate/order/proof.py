"""Decide that the CA may look: every server serves the values, and no cache holds older ones."""

import logging
import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, raise_all
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
from certbot_dns_delegate.model import Askable, Publication, Server, Sighting
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.evidence import Older, not_seen, older, serials, wildcards_behind
from certbot_dns_delegate.order.inside import Addresses
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.order.report import nobody_to_ask, not_served, unasked
from certbot_dns_delegate.order.subset import served_of, witnessed_of
from certbot_dns_delegate.order.watch import WatchReport, watch
from certbot_dns_delegate.order.watcher import Watcher
from certbot_dns_delegate.order.witness import confirm
from certbot_dns_delegate.settings.delegates import Delegate, Dnssec, Settings
from certbot_dns_delegate.state.history import History
from certbot_dns_delegate.state.notes import Diary
from certbot_dns_delegate.text import listed, show
from certbot_dns_delegate.threads import pause, settle
from certbot_dns_delegate.timing import AS_CERTBOT, PATIENCE, RECENT, STALE_AT_MOST, Profile, Watch, profile_of

log = logging.getLogger(__name__)

LONG_S = 5.0
"""Seconds of waiting for what cannot be seen; a longer wait is announced."""

SHORTER = f"give its TXT records a TTL of {LONG_S:.0f} s or less, or use a zone without such a wildcard for challenges"
"""What spares an order the wait for a wildcard's TTL."""


class Proof:
    """The watch of one order, and its report."""

    def __init__(
        self, settings: Settings, recursive: Recursive, addresses: Addresses, tell: Tell, diary: Diary, history: History
    ) -> None:
        """:param addresses: of a host that the settings name."""
        self.report: WatchReport | None = None
        self.withdrawn: dict[str, tuple[Name, float]] = {}
        """The identifiers at whose target other values of ours were withdrawn a moment ago: the target, and how many
        seconds before the CA could look."""
        self._settings = settings
        self._recursive = recursive
        self._addresses = addresses
        self._tell = tell
        self._diary = diary
        self._history = history
        self._providers: dict[Name, str] = {}
        """The kind of service that writes into each zone."""
        self._limits_s: dict[Name, float] = {}
        """The longest watch over each zone."""
        self._tenants: set[Name] = set()
        """Zones that may be others', and are not to hold up the rest."""

    def prove(
        self,
        plan: Plan,
        published: Sequence[Sequence[Sighting]],
        pushed_out: Mapping[Name, int],
        pool: Executor,
        *,
        allow_subset: bool = False,
    ) -> Plan:
        """Return when a CA may look.

        :param published: what was read back of each publication.
        :param pushed_out: as :func:`~certbot_dns_delegate.order.evidence.older` has it.
        :param allow_subset: it is enough that one of the zones is served.
        :returns: the plan, without what is not served in time.
        :raises NotServed: when time runs out, with what every server showed last.
        """
        begin = time.monotonic()
        watchers, settle_s, lost = self._watchers(plan, published)
        if lost and (not allow_subset or lost.keys() >= _zones(plan)):
            raise_all(list(lost.values()))
        plan, published, watchers = served_of(lost, plan, published, watchers)
        if watchers and (late := self._watch(plan, watchers, pool, begin, allow_subset=allow_subset)):
            plan, published, watchers = served_of(late, plan, published, watchers)
        if self._settings.is_blind:
            return plan
        withdrawn, now = self._history.last_withdrawn(show(o) for p in plan.publications for o in p.values), time.time()
        before = older(plan, self.report, withdrawn, pushed_out, time.monotonic() - begin, published)
        waited_s = self._wait_out(plan, before, settle_s)
        witnessed = time.monotonic()
        say, diary = self._tell.say, self._diary
        late = confirm(plan.publications, self._settings, pool, self._tell.warn, say, diary, allow_subset=allow_subset)
        plan, published, watchers = witnessed_of(late, plan, published, watchers)
        waited_s += time.monotonic() - witnessed
        is_old = watchers and waited_s >= RECENT.total_seconds()
        if is_old and (late := self._watch(plan, watchers, pool, begin, allow_subset=allow_subset)):
            plan, published, watchers = served_of(late, plan, published, watchers)
        recent = {owner: at for owner, (at, _) in withdrawn.items() if 0 <= now - at < STALE_AT_MOST.total_seconds()}
        self._look_from_outside(plan, recent, pool)
        for planned in plan.planned:
            if (owner := show(planned.target.owner)) in recent:
                self.withdrawn[planned.challenge.identifier] = (planned.target.owner, time.time() - recent[owner])
        return plan

    def _watchers(
        self, plan: Plan, published: Sequence[Sequence[Sighting]]
    ) -> tuple[list[Watcher], float, dict[Name, DelegateError]]:
        """Whom to look at, the seconds to wait after that for what cannot be seen, and why a zone has neither."""
        watchers: list[Watcher] = []
        lost: dict[Name, DelegateError] = {}
        settle_s = 0.0
        for publication, seen in zip(plan.publications, published, strict=True):
            delegate = self._settings.chosen(publication.delegate)
            profile = _profile(delegate, self._settings)
            if self._settings.is_blind and profile.is_believed:
                continue
            apex = publication.zone.apex
            self._providers[apex] = delegate.provider
            self._limits_s[apex] = max(self._limits_s.get(apex, 0.0), profile.timeout.total_seconds())
            settle_s = max(settle_s, profile.settle.total_seconds())
            if _is_delegated_away(apex, delegate) and profile.is_believed and not self._settings.timeout:
                self._tenants.add(apex)
            try:
                made = watchers_for(publication, delegate, profile, seen, self._recursive.resolvers, self._addresses)
                if not made and delegate.watch in {Watch.AUTHORITATIVE, Watch.RESOLVERS}:
                    settle_s = max(settle_s, self._instead_of_looking(publication, seen))
            except DelegateError as error:
                lost[apex] = error
                continue
            watchers += made
        return watchers, settle_s, lost

    def _instead_of_looking(self, publication: Publication, seen: Sequence[Sighting]) -> float:
        """The seconds to wait where no server can be watched, but what was read back is all that can be known.

        :raises NotServed: where that is not enough.
        """
        zone = publication.zone
        if zone.askable is Askable.NOBODY:
            wait = self._settings.timeout or AS_CERTBOT
            self._tell.warn(
                f"{unasked(zone)}: waiting {wait.total_seconds():.0f} s instead, as certbot-dns-rfc2136 does;"
                f" {self._settings.chosen(publication.delegate).spelling.of('watch')} = server ends that"
            )
            return wait.total_seconds()
        read_back = {sighting.owner: sighting.rrset.values for sighting in seen}
        is_seen = all(values <= read_back.get(owner, frozenset()) for owner, values in publication.values.items())
        if zone.askable is Askable.WRITER and is_seen:
            return 0.0
        raise nobody_to_ask(zone.apex)

    def _watch(
        self, plan: Plan, watchers: Sequence[Watcher], pool: Executor, begin: float, *, allow_subset: bool
    ) -> dict[Name, DelegateError]:
        """The zones that are not served in time, and why; only where others are, and that is enough.

        :raises NotServed: as :meth:`prove`.
        """
        longest_s = max(self._limits_s[watcher.zone] for watcher in watchers)
        is_first = self.report is None
        progress, tenants = partial(self._tell.progress, longest_s), self._tenants if allow_subset else ()
        self.report = watch(watchers, pool, self._limits_s, progress, allow_subset=allow_subset, tenants=tenants)
        if is_first or not self.report.complete:
            self._note(self.report, begin)
        if self.report.complete:
            return {}
        late, zones = self.report.late, {watcher.zone for watcher in watchers}
        if not allow_subset or late >= _zones(plan):
            raise not_served(self.report, serials(self.report), self._providers)
        parts = {zone: self.report.of({zone}) for zone in late}
        self.report = self.report.of(zones - late) if zones - late else None
        return {zone: not_served(part, serials(part), self._providers) for zone, part in parts.items()}

    def _look_from_outside(self, plan: Plan, withdrawn: Collection[str], pool: Executor) -> None:
        """Tell what a resolver does not see; it may know less than the CA's, so this stops nobody."""
        chosen = [(publication, self._settings.chosen(publication.delegate)) for publication in plan.publications]
        here = [p for p, d in chosen if profile_of(d.provider).from_outside and d.watch is Watch.AUTHORITATIVE]
        if here:
            future = pool.submit(lambda: list(not_seen(here, self._recursive, withdrawn)))
            settle([future])
            for sentence in future.result():
                self._tell.warn(sentence)

    def _wait_out(self, plan: Plan, before: Older, settle_s: float) -> float:
        """Wait for what cannot be seen, and say so where it is long; the seconds waited."""
        rest_s = max(settle_s, before.left_s)
        if rest_s <= 0:
            return 0.0
        if before.left_s < settle_s:
            why = "servers that cannot be seen from here"
        else:
            why = f"older values may still be cached, TTL {before.ttl} s at {before.owner}{_wildcard(plan, before)}"
        # Below a second there is nothing to tell.
        if rest_s >= 1:
            (self._tell.say if rest_s >= LONG_S else log.info)(f"waiting {math.ceil(rest_s)} s more: {why}")
        pause(rest_s)
        return rest_s

    def _note(self, report: WatchReport, begin: float) -> None:
        for watcher in report.servers:
            self._diary.saw(watcher.sightings.values())
        if report.without_ipv6:
            without = listed([*dict.fromkeys(str(watcher.server) for watcher in report.without_ipv6)])
            self._tell.warn(f"this host has no IPv6: not asked were {without}")
        for watcher in (watcher for watcher in report.out if watcher not in report.without_ipv6):
            seen = f"{watcher.server}, a server of {show(watcher.zone)}, {watcher.state}"
            self._tell.warn(f"{seen}; the others were asked")
        outcome = "ok" if report.complete else "NotServed"
        for zone in {watcher.zone for watcher in report.servers}:
            servers = {str(w.server): str(w.state) for w in report.servers if w.zone == zone}
            self._diary.note("watch", outcome, begin, detail={"zone": show(zone), "servers": servers})


def _is_delegated_away(apex: Name, delegate: Delegate) -> bool:
    """Whether a zone is one below the delegate, of which its section does not say how long it takes."""
    title = delegate.suffix
    return delegate.timeout is None and title is not None and apex != title and apex.is_subdomain(title)


def _zones(plan: Plan) -> set[Name]:
    return {publication.zone.apex for publication in plan.publications}


def _wildcard(plan: Plan, before: Older) -> str:
    """The wildcard that gave an owner its older RRset, and what helps; empty where it has one of its own."""
    target = next((p.target for p in plan.planned if show(p.target.owner) == before.owner), None)
    wildcard = wildcards_behind([target]).get(target.owner) if target and before.left_s >= LONG_S else None
    return f", from the wildcard {show(wildcard)}; hint: {SHORTER}" if wildcard else ""


def _profile(delegate: Delegate, settings: Settings) -> Profile:
    profile = profile_of(delegate.provider)
    return replace(
        profile,
        timeout=settings.longest_wait(delegate),
        settle=profile.settle if delegate.settle is None else delegate.settle,
    )


def watchers_for(
    publication: Publication,
    delegate: Delegate,
    profile: Profile,
    seen: Sequence[Sighting],
    resolvers: Sequence[Resolver],
    addresses: Addresses,
) -> list[Watcher]:
    """One watcher for each server that has to serve the values.

    :param seen: what the provider read back; counted as a first look at that server.
    """
    if delegate.watch in {Watch.NONE, Watch.SERVER}:
        # With "server" the provider's own reading back, already done, is all that was asked for.
        return []
    if delegate.watch is Watch.RESOLVERS:
        return [
            Watcher(
                publication.zone.apex,
                resolver.server,
                publication.values,
                partial(_put_to_resolver, resolver),
                passes=profile.passes,
                recursive=True,
            )
            for resolver in resolvers
        ]
    zone = publication.zone
    servers: Iterable[Server] = zone.servers
    if delegate.watch_servers:
        servers = [server for host, port in delegate.watch_servers for server in addresses(host, port)]
    return [
        Watcher(
            zone.apex,
            server,
            publication.values,
            partial(_put, server),
            passes=profile.passes,
            # What does not validate, and is written to all the same, does not begin to because of a signature.
            signed=zone.is_signed and not zone.is_bogus and delegate.dnssec is Dnssec.CHECK,
            in_time=zone.is_in_time,
            known=server in zone.answering,
            seen=[sighting for sighting in seen if sighting.server == server],
        )
        for server in servers
    ]


def _put(server: Server, questions: Sequence[Question]) -> Iterable[Outcome]:
    return exchange([Ask(server, question) for question in questions], PATIENCE.total_seconds())


def _put_to_resolver(resolver: Resolver, questions: Sequence[Question]) -> Iterable[Outcome]:
    return resolver.put(questions, PATIENCE.total_seconds())
