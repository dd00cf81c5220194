"""Prove that a CA may look: every server serves the values, and no cache holds older ones."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import timedelta
from functools import partial

from dns.name import Name

from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
from certbot_dns_delegate.model import Publication, Server, Sighting
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.evidence import not_seen, serials, stale_for_s
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.order.report import nobody_to_ask, not_served
from certbot_dns_delegate.order.watch import WatchReport, watch
from certbot_dns_delegate.order.watcher import Watcher
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.state.history import History
from certbot_dns_delegate.state.notes import Diary
from certbot_dns_delegate.text import show
from certbot_dns_delegate.threads import pause, settle
from certbot_dns_delegate.timing import PATIENCE, Profile, Watch, profile_of

log = logging.getLogger(__name__)

Addresses = Callable[[str, int], Sequence[Server]]
"""The addresses of a host that the settings name, at a port."""


class Proof:
    """The watch of one order, and its report."""

    def __init__(
        self, settings: Settings, recursive: Recursive, addresses: Addresses, tell: Tell, diary: Diary, history: History
    ) -> None:
        """:param addresses: of a host that the settings name."""
        self.report: WatchReport | None = None
        self._settings = settings
        self._recursive = recursive
        self._addresses = addresses
        self._tell = tell
        self._diary = diary
        self._history = history

    def prove(
        self,
        plan: Plan,
        published: Sequence[Sequence[Sighting]],
        pushed_out: Mapping[Name, int],
        pool: Executor,
        timeout: timedelta | None,
    ) -> None:
        """Return when a CA may look.

        :param published: what was read back of each publication.
        :param pushed_out: as :func:`~certbot_dns_delegate.order.evidence.stale_for_s` has it.
        :param timeout: instead of the profiles' own; zero: look only where what was published is not to be believed.
        :raises NotServed: when time runs out, with what every server showed last.
        """
        begin = time.monotonic()
        is_blind = timeout is not None and not timeout
        watchers: list[Watcher] = []
        limits: dict[Name, float] = {}
        settle_s = 0.0
        for publication, seen in zip(plan.publications, published, strict=True):
            delegate = self._settings.chosen(publication.delegate)
            profile = _profile(delegate, timeout)
            if is_blind and profile.is_believed:
                continue
            apex = publication.zone.apex
            limits[apex] = max(limits.get(apex, 0.0), profile.timeout.total_seconds())
            settle_s = max(settle_s, profile.settle.total_seconds())
            made = watchers_for(publication, delegate, profile, seen, self._recursive.resolvers, self._addresses)
            if not made and delegate.watch in {Watch.AUTHORITATIVE, Watch.RESOLVERS}:
                raise nobody_to_ask(apex)
            watchers += made
        if watchers:
            zones = {watcher.zone for watcher in watchers}
            self.report = watch(watchers, pool, {z: limits[z] for z in zones}, self._tell.progress)
            self._note(self.report, begin)
            if not self.report.complete:
                raise not_served(self.report, serials(self.report))
        if not is_blind:
            self._look_from_outside(plan, pool)
            self._wait_out(plan, pushed_out, settle_s, begin)

    def _look_from_outside(self, plan: Plan, pool: Executor) -> None:
        """Tell what a resolver does not see; it may know less than the CA's, so this stops nobody."""
        chosen = [(publication, self._settings.chosen(publication.delegate)) for publication in plan.publications]
        here = [p for p, d in chosen if profile_of(d.provider).from_outside and d.watch is Watch.AUTHORITATIVE]
        if here:
            future = pool.submit(lambda: list(not_seen(here, self._recursive)))
            settle([future])
            for sentence in future.result():
                self._tell.warn(sentence)

    def _wait_out(self, plan: Plan, pushed_out: Mapping[Name, int], settle_s: float, begin: float) -> None:
        ours = {owner for publication in plan.publications for owner in publication.values}
        withdrawn = self._history.last_withdrawn(map(show, ours))
        stale_s = stale_for_s(plan, self.report, withdrawn, pushed_out, time.monotonic() - begin)
        rest_s = max(settle_s, stale_s)
        if rest_s > 0:
            why = "older values may still be cached" if stale_s >= settle_s else "servers that cannot be seen from here"
            log.info("waiting %.0f s more: %s", rest_s, why)
            pause(rest_s)

    def _note(self, report: WatchReport, begin: float) -> None:
        for watcher in report.servers:
            self._diary.saw(watcher.sightings.values())
        if report.without_ipv6:
            without = ", ".join(dict.fromkeys(str(watcher.server) for watcher in report.without_ipv6))
            self._tell.warn(f"this host has no IPv6: not asked were {without}")
        for watcher in (watcher for watcher in report.out if watcher not in report.without_ipv6):
            seen = f"{watcher.server}, a server of {show(watcher.zone)}, {watcher.state}"
            self._tell.warn(f"{seen}; the others were asked")
        outcome = "ok" if report.complete else "NotServed"
        for zone in {watcher.zone for watcher in report.servers}:
            servers = {str(w.server): str(w.state) for w in report.servers if w.zone == zone}
            self._diary.note("watch", outcome, begin, detail={"zone": show(zone), "servers": servers})


def _profile(delegate: Delegate, timeout: timedelta | None) -> Profile:
    profile = profile_of(delegate.provider)
    return replace(
        profile,
        timeout=timeout or delegate.timeout or profile.timeout,
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
    servers: Iterable[Server] = publication.zone.servers
    if delegate.watch_servers:
        servers = [server for host, port in delegate.watch_servers for server in addresses(host, port)]
    return [
        Watcher(
            publication.zone.apex,
            server,
            publication.values,
            partial(_put, server),
            passes=profile.passes,
            signed=publication.zone.is_signed,
            seen=[sighting for sighting in seen if sighting.server == server],
        )
        for server in servers
    ]


def _put(server: Server, questions: Sequence[Question]) -> Iterable[Outcome]:
    return exchange([Ask(server, question) for question in questions], PATIENCE.total_seconds())


def _put_to_resolver(resolver: Resolver, questions: Sequence[Question]) -> Iterable[Outcome]:
    return resolver.put(questions, PATIENCE.total_seconds())
