"""Plan, publish, watch, withdraw: the conductor, and the only place with concurrency."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, NoEffect, Refused, WriteError, raise_all
from certbot_dns_delegate.evidence import serials, stale_for_s, there_before
from certbot_dns_delegate.fleet import Fleet
from certbot_dns_delegate.gate import Gate
from certbot_dns_delegate.history import Event, History, new_run
from certbot_dns_delegate.lookup.cut import Budget
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver, system_resolvers
from certbot_dns_delegate.lookup.watch import Watcher, WatchReport, watch
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Challenge, Publication, Sighting
from certbot_dns_delegate.outside import not_seen
from certbot_dns_delegate.pending import Entry, Journal, Pending, State
from certbot_dns_delegate.plan import Plan, Planner, Router
from certbot_dns_delegate.pool import Pool
from certbot_dns_delegate.registration import Terminal, make_accounts
from certbot_dns_delegate.report import nobody_to_ask, not_served
from certbot_dns_delegate.settings import Delegate, Settings
from certbot_dns_delegate.text import printable, show
from certbot_dns_delegate.waiting import pause, settle
from certbot_dns_delegate.waits import OUR_TTL, Profile, Watch, profile_of
from certbot_dns_delegate.watchers import watchers_for
from certbot_dns_delegate.withdraw import Leftover, batches, withdraw_all
from certbot_dns_delegate.writers import Writers

log = logging.getLogger(__name__)

WORKERS = 32
"""Threads: they mostly wait; more did not measure faster on 2 cores."""
QUESTIONS = (200, 12)
"""What an order may ask while it is planned: so many, and so many for each name; a healthy name costs two to six."""
OUTSTANDING_S = 20.0
"""Seconds to wait at the end for requests still under way: longer than a provider waits for an answer."""


@dataclass(frozen=True)
class Tell:
    """How the engine speaks to whoever runs it."""

    warn: Callable[[str], None] = log.warning
    progress: Callable[[float, Sequence[Watcher]], None] = lambda *_: None
    terminal: Terminal | None = None
    """Where somebody can be asked, and add a record while we wait."""


class Engine:
    """One run: an order's values go out, are proven to be served, and come back in."""

    def __init__(
        self, settings: Settings, state: Path, resolvers: Sequence[Resolver] = (), tell: Tell | None = None
    ) -> None:
        """:param resolvers: for the chains; none: the system's.

        :param state: our directory in Certbot's work directory.
        """
        self.settings = settings
        self.tell = tell or Tell()
        self.run = new_run()
        self.report: WatchReport | None = None
        self.left_out: set[str] = set()
        """Certificate names that could not be planned, where a subset of the names is enough."""
        self._resolvers = tuple(resolvers)
        self._resolver_lock = threading.Lock()
        self._recursive_asker: Recursive | None = None
        self._stop = threading.Event()
        self._warned: set[str] = set()
        self._pending = Pending(state / "pending")
        self._history = History(state / "history.sqlite3")
        self._fleet = Fleet(state / "fleet.sqlite3")
        self._events: list[Event] = []
        self._journal: Journal | None = None
        self._publishing: dict[Future[Sequence[Sighting]], tuple[Publication, list[int]]] = {}
        self._ttls: dict[str, int] = {}
        self._writers = Writers(self._recursive, state, self._warn, self._stop)
        self._writers.know(settings)

    # The whole

    def perform(
        self, challenges: Sequence[Challenge], *, allow_subset: bool = False, timeout: timedelta | None = None
    ) -> Plan:
        """Plan, write and prove; returns when a CA may look.

        :param allow_subset: leave out what cannot be planned, instead of failing.
        :param timeout: instead of the profiles' own; zero: do not look.
        :raises DelegateError: with everything that is wrong. What was written stays on record for :meth:`cleanup`.
        """
        pool = Pool(WORKERS, "dns-delegate")
        try:
            standing = self._standing()
            plan = self._plan(challenges, pool)
            problems = [error for _, error in plan.problems]
            if problems and not (allow_subset and plan.planned):
                raise_all(problems)
            for challenge, error in plan.problems:
                self.left_out.add(challenge.identifier)
                self._warn(f"{challenge.identifier} is left out: {error}")
            published = self._publish(plan, standing, pool)
            self._prove(plan, published, pool, timeout)
            return plan
        except BaseException:
            self._stop.set()
            raise
        finally:
            # Not waited for here: after a signal the main thread must get on; cleanup waits for what was sent.
            pool.shutdown(wait=False, cancel_futures=True)
            self._flush()

    def cleanup(self) -> list[Leftover]:
        """Withdraw this run's values and what dead runs have left; what could not be withdrawn stays on record.

        :returns: what is left.
        """
        try:
            settle(self._publishing, OUTSTANDING_S)
            self._settle_publishing()
            return self._withdraw()
        finally:
            self._writers.end()
            self._flush()

    def _withdraw(self) -> list[Leftover]:
        begin = time.monotonic()
        journals = [self._journal] if self._journal else []
        try:
            journals += self._pending.adopt_dead()
        except (DelegateError, OSError) as error:
            self._warn(f"what earlier runs left could not be looked for: {error}")
        try:
            work = batches(journals, list(self._pending.alive(journals)))
            with Pool(WORKERS, "dns-delegate") as pool:
                self._stop.clear()
                try:
                    leftovers = withdraw_all(work, self._writers.written_with, pool, time.time())
                except BaseException:
                    self._stop.set()  # whatever waits in the pool's threads need not go on
                    raise
        finally:
            for journal in journals:
                journal.close()
        left = {(leftover.zone, leftover.owners) for leftover in leftovers}
        for (_, _, title, zone), batch in work.items():
            for owner in batch.values:
                outcome = "left" if (zone, show(owner)) in left else "ok"
                detail = {"zone": zone, "ttl": self._ttls.get(show(owner), OUR_TTL)}
                self._note("withdraw", outcome, begin, owner=show(owner), delegate=title, detail=detail)
        for leftover in leftovers:
            self._note("withdraw", "failed", begin, owner=leftover.owners, detail={"error": str(leftover.error)})
        return leftovers

    def plan(self, challenges: Sequence[Challenge], pool: Executor) -> Plan:
        """What would be written, and what stands against it; nothing is written."""
        begin = time.monotonic()
        router = Router(self.settings, self._provider_of)
        if len(self.settings.delegates) == 1 and hasattr(
            only := self._provider_of(self.settings.delegates[0]), "begin"
        ):
            only.begin()  # before anything else; of several delegates only those that a name leads to
        recursive = self._recursive()
        zones = Zones(recursive, router.hidden_suffix, _budget(challenges))
        plan = Planner(self.settings, self._provider_of, recursive, zones, router).plan(challenges, pool)
        gate = Gate(
            self.settings, recursive, lambda name: router.hidden_suffix(name) is not None, self._fleet, self._warn
        )
        plan = gate.apply(plan)
        for planned in plan.planned:
            first = planned.chain.aliases[:1]
            if first and first[0].is_wildcard:
                self._warn(
                    f"{show(first[0].owner)} has no CNAME of its own: a wildcard answers for it, and for every name"
                    f" beside it; hint: add  {show(first[0].owner)} 3600 IN CNAME {show(first[0].target)}"
                )
            detail = {"chain": str(planned.chain), "zone": show(planned.target.zone.apex)}
            where = {"identifier": planned.challenge.identifier, "owner": show(planned.target.owner)}
            self._note("plan", "ok", begin, delegate=planned.target.delegate, detail=detail, **where)
        for challenge, error in plan.problems:
            where = {"identifier": challenge.identifier, "owner": show(challenge.owner)}
            self._note("plan", type(error).__name__, begin, detail={"error": str(error)}, **where)
        return plan

    def _plan(self, challenges: Sequence[Challenge], pool: Executor) -> Plan:
        """A plan to be carried out; accounts that names lack are made."""
        plan = self.plan(challenges, pool)
        zones = Zones(self._recursive(), Router(self.settings, self._provider_of).hidden_suffix, _budget(challenges))
        wait_s, terminal = self._writers.wait, self.tell.terminal
        plan, settings = make_accounts(plan, self.settings, self._provider_of, zones, wait_s, terminal)
        if settings is self.settings:
            return plan
        self.settings = settings
        return self.plan(challenges, pool)

    # Publishing

    def _standing(self) -> set[tuple[str, str, str]]:
        """Zone, owner and value of all that any run has written; read before the plan looks at what is there."""
        return {(entry.zone, entry.owner, value) for entry in self._pending.all_open() for value in entry.values}

    def _publish(
        self, plan: Plan, standing: set[tuple[str, str, str]], pool: Executor
    ) -> dict[int, Sequence[Sighting]]:
        self._journal = self._pending.start()
        present = there_before(plan)
        entries = [
            [self._entry(publication, owner, present[owner], standing) for owner in publication.values]
            for publication in plan.publications
        ]
        given = iter(self._journal.intend([entry for each in entries for entry in each]))
        for publication, each in zip(plan.publications, entries, strict=True):
            future = pool.submit(self._publish_one, publication)
            self._publishing[future] = (publication, [next(given) for _ in each])
        settle(self._publishing)
        errors = self._settle_publishing()
        raise_all(errors)
        return {id(publication): future.result() for future, (publication, _) in self._publishing.items()}

    def _entry(
        self, publication: Publication, owner: Name, there: frozenset[str], standing: set[tuple[str, str, str]]
    ) -> Entry:
        zone, name, values = show(publication.zone.apex), show(owner), sorted(publication.values[owner])
        # A value that stands there and is in nobody's journal was put there by somebody else, and stays.
        before = tuple(value for value in values if value in there and (zone, name, value) not in standing)
        settings = self.settings
        return Entry(
            settings.authenticator, str(settings.path), publication.delegate, zone, name, tuple(values), before
        )

    def _publish_one(self, publication: Publication) -> Sequence[Sighting]:
        provider = self._provider_of(self._delegate(publication))
        ttl = max(OUR_TTL, provider.limits.lowest_ttl)
        begin = time.monotonic()
        outcome, detail = "ok", {}
        try:
            sightings: Sequence[Sighting] = provider.publish(publication.zone.apex, publication.values, ttl)
            for sighting in sightings:
                self._ttls[show(sighting.owner)] = sighting.rrset.ttl
            return sightings
        except DelegateError as error:
            outcome, detail = type(error).__name__, {"error": str(error)}
            raise
        finally:
            for owner in publication.values:
                self._note("publish", outcome, begin, owner=show(owner), delegate=publication.delegate, detail=detail)

    def _settle_publishing(self) -> list[DelegateError]:
        """Mark what became of each request that has ended; the errors of those that failed."""
        errors: list[DelegateError] = []
        marks: dict[State, list[int]] = defaultdict(list)
        for future, (_, numbers) in self._publishing.items():
            if not future.done():
                continue
            error = None if future.cancelled() else future.exception()
            if future.cancelled() or isinstance(error, Refused):
                state = State.STRUCK
            elif error is None or isinstance(error, NoEffect):
                state = State.PUBLISHED
            else:
                state = State.INTENDED
            if isinstance(error, DelegateError):
                errors.append(error)
            elif error is not None:
                errors.append(WriteError(f"{type(error).__name__}: {printable(str(error))}"))
                log.debug("provider failed", exc_info=error)
            marks[state] += numbers
        if self._journal is not None:
            for state in (State.STRUCK, State.PUBLISHED):
                if new := [number for number in marks[state] if self._journal.state(number) is State.INTENDED]:
                    self._journal.mark(new, state)
        return errors

    # Proving

    def _prove(
        self, plan: Plan, published: dict[int, Sequence[Sighting]], pool: Executor, timeout: timedelta | None
    ) -> None:
        begin = time.monotonic()
        if timeout is not None and not timeout:
            return
        watchers: list[Watcher] = []
        limits: dict[Name, float] = {}
        settle_s = 0.0
        for publication in plan.publications:
            delegate = self._delegate(publication)
            profile = self._profile(delegate, timeout)
            apex = publication.zone.apex
            limits[apex] = max(limits.get(apex, 0.0), profile.timeout.total_seconds())
            settle_s = max(settle_s, profile.settle.total_seconds())
            seen = published[id(publication)]
            resolvers = self._recursive().resolvers
            addresses = self._writers.addresses(self.settings)
            made = watchers_for(publication, delegate, profile, seen, resolvers, addresses)
            if not made and delegate.watch in {Watch.AUTHORITATIVE, Watch.RESOLVERS}:
                raise nobody_to_ask(publication.zone.apex)
            watchers += made
        if watchers:
            zones = {watcher.zone for watcher in watchers}
            report = watch(watchers, pool, {z: limits[z] for z in zones}, self.tell.progress)
            self._tell_watch(report, begin)
            if not report.complete:
                raise not_served(report, serials(report))
        self._look_from_outside(plan, pool)
        ours = {owner for publication in plan.publications for owner in publication.values}
        withdrawn = self._history.last_withdrawn(map(show, ours))
        stale_s = stale_for_s(plan, self.report, withdrawn, time.monotonic() - begin)
        rest_s = max(settle_s, stale_s)
        if rest_s > 0:
            why = "older values may still be cached" if stale_s >= settle_s else "servers that cannot be seen from here"
            log.info("waiting %.0f s more: %s", rest_s, why)
            pause(rest_s)

    def _look_from_outside(self, plan: Plan, pool: Executor) -> None:
        """Tell what a resolver does not see; it may know less than the CA's, so this stops nobody."""
        delegates = [(publication, self._delegate(publication)) for publication in plan.publications]
        here = [p for p, d in delegates if profile_of(d.provider).from_outside and d.watch is Watch.AUTHORITATIVE]
        if here:
            future = pool.submit(lambda: list(not_seen(here, self._recursive())))
            settle([future])
            for sentence in future.result():
                self._warn(sentence)

    def _tell_watch(self, report: WatchReport, begin: float) -> None:
        self.report = report
        for watcher in report.servers:
            for owner, sighting in watcher.sightings.items():
                name = show(owner)
                self._ttls[name] = max(self._ttls.get(name, 0), sighting.rrset.ttl)
        if report.without_ipv6:
            without = ", ".join(dict.fromkeys(str(watcher.server) for watcher in report.without_ipv6))
            self._warn(f"this host has no IPv6: not asked were {without}")
        for watcher in (watcher for watcher in report.out if watcher not in report.without_ipv6):
            self._warn(f"{watcher.server}, a server of {show(watcher.zone)}, {watcher.state}; the others were asked")
        outcome = "ok" if report.complete else "NotServed"
        for zone in {watcher.zone for watcher in report.servers}:
            servers = {str(w.server): str(w.state) for w in report.servers if w.zone == zone}
            self._note("watch", outcome, begin, detail={"zone": show(zone), "servers": servers})

    # Small things

    def _delegate(self, publication: Publication) -> Delegate:
        delegate = self.settings.delegate(publication.delegate)
        assert delegate is not None
        return delegate

    def _provider_of(self, delegate: Delegate) -> Any:
        return self._writers.of(self.settings, delegate)

    def _profile(self, delegate: Delegate, timeout: timedelta | None) -> Profile:
        profile = profile_of(delegate.provider)
        return replace(
            profile,
            timeout=timeout or delegate.timeout or profile.timeout,
            settle=profile.settle if delegate.settle is None else delegate.settle,
        )

    def _recursive(self) -> Recursive:
        with self._resolver_lock:
            if self._recursive_asker is None:
                self._recursive_asker = Recursive(self._resolvers or system_resolvers())
            return self._recursive_asker

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self.tell.warn(text)

    def _note(self, phase: str, outcome: str, begin: float, **fields: Any) -> None:
        took = round((time.monotonic() - begin) * 1000, 1)
        self._events.append(Event(self.run, phase, outcome, milliseconds=took, **fields))

    def _flush(self) -> None:
        events, self._events = self._events, []
        if events:
            self._history.record(events)


def _budget(challenges: Sequence[Challenge]) -> Budget:
    return Budget(QUESTIONS[0] + QUESTIONS[1] * len(challenges))
