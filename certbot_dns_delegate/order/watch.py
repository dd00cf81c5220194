"""Look at every authoritative server until all of them serve all values."""

import heapq
import itertools
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue

from dns.name import Name

from certbot_dns_delegate.order.memory import State
from certbot_dns_delegate.order.watcher import Watcher
from certbot_dns_delegate.timing import BETWEEN_LOOKS, BEYOND, RECENT


@dataclass(frozen=True)
class WatchReport:
    """What was seen last at each server of each zone."""

    complete: bool
    waited_s: float
    servers: tuple[Watcher, ...]

    @property
    def late(self) -> set[Name]:
        """The zones whose servers do not let the CA look."""
        ready = {watcher.zone for watcher in self.servers if watcher.state is State.READY}
        return {watcher.zone for watcher in self.servers if watcher.blocks or watcher.zone not in ready}

    def of(self, zones: Collection[Name]) -> "WatchReport":
        """What was seen of some of the zones."""
        servers = tuple(watcher for watcher in self.servers if watcher.zone in zones)
        return WatchReport(not self.late & set(zones), self.waited_s, servers)

    @property
    def missing(self) -> list[Watcher]:
        return [watcher for watcher in self.servers if watcher.blocks]

    @property
    def out(self) -> list[Watcher]:
        """Servers that gave no answer to go by; resolvers route around them."""
        return [watcher for watcher in self.servers if not watcher.blocks and watcher.state is not State.READY]

    @property
    def without_ipv6(self) -> list[Watcher]:
        """Those of them that this host cannot ask because it has no IPv6."""
        return [w for w in self.servers if w.state is State.UNREACHABLE and w.server.is_ipv6]


def watch(
    watchers: Sequence[Watcher],
    pool: Executor,
    timeout_s: float | Mapping[Name, float],
    progress: Callable[[float, Sequence[Watcher]], None] = lambda *_: None,
    *,
    allow_subset: bool = False,
    tenants: Collection[Name] = (),
) -> WatchReport:
    """Look at each server at least once, until none blocks, at least one of each zone is ready, or time runs out.

    What was ready :data:`~certbot_dns_delegate.timing.RECENT` before the end is looked at once more. The calling thread
    only waits, so that a signal's handler can raise in it.

    :param timeout_s: seconds, for all zones or by apex.
    :param progress: called about once a second with the seconds waited and the watchers that still block.
    :param allow_subset: some of the zones are enough: what was ready is looked at once more also where another is late.
    :param tenants: with that, zones that are waited for only :data:`~certbot_dns_delegate.timing.BEYOND` longer than
        the others, unless another server than the one that took the values shows them.
    """
    begin = shown = time.monotonic()
    schedule = Schedule(watchers, timeout_s, begin, allow_subset=allow_subset, tenants=tenants)
    # Not concurrent.futures.wait: a signal's exception in it can leave locks taken (see certbot_dns_delegate.threads).
    ended: SimpleQueue[tuple[Watcher, Future[None]]] = SimpleQueue()
    while not schedule.is_over(now := time.monotonic()):
        for watcher in schedule.due(now):
            pool.submit(watcher.look).add_done_callback(partial(_hand_over, ended, watcher))
        if now - shown >= 1:
            shown = now
            progress(now - begin, [watcher for watcher in watchers if watcher.blocks])
        try:
            watcher, future = ended.get(timeout=max(0.0, min(shown + 1, schedule.wake) - now))
        except Empty:
            continue
        future.result()
        schedule.looked_at(watcher, time.monotonic())
    return WatchReport(schedule.is_complete, time.monotonic() - begin, tuple(watchers))


def _hand_over(ended: SimpleQueue[tuple[Watcher, Future[None]]], watcher: Watcher, future: Future[None]) -> None:
    ended.put((watcher, future))


class ZoneWatch:
    """The servers of one zone, by what they showed last."""

    def __init__(self, end: float) -> None:
        """:param end: when its time runs out (``time.monotonic``)."""
        self.end = end
        self.blocking: set[Watcher] = set()
        self.ready: set[Watcher] = set()
        self.parked: list[Watcher] = []
        """Servers that were to be looked at when the zone was settled."""

    @property
    def is_settled(self) -> bool:
        """Whether its servers let the CA look."""
        return bool(self.ready) and not self.blocking


class Schedule:
    """Which server is looked at when, and which zones are still waited for; an event costs the same at any size."""

    def __init__(
        self,
        watchers: Sequence[Watcher],
        timeout_s: float | Mapping[Name, float],
        begin: float,
        *,
        allow_subset: bool = False,
        tenants: Collection[Name] = (),
    ) -> None:
        self._begin = begin
        self._allow_subset = allow_subset
        self._tenants = set(tenants)
        """Those of which no server has shown the values, but the one that took them."""
        self._zones: dict[Name, ZoneWatch] = {}
        self._open: set[Name] = set()
        """Zones that are not settled, and have time left."""
        self._ours: set[Name] = set()
        """Those of them that are no tenant's."""
        self._settled_at: float | None = None
        """When a zone was settled last."""
        self._last = -math.inf
        """Until when what was ready is looked at once more, where its zone's own time is over."""
        self._order = itertools.count()
        self._due: list[tuple[float, int, Watcher]] = []
        self._ends: list[tuple[float, int, Name]] = []
        for watcher in watchers:
            if watcher.zone not in self._zones:
                limit_s = timeout_s if isinstance(timeout_s, float | int) else timeout_s[watcher.zone]
                self._zones[watcher.zone] = ZoneWatch(begin)
                self._open_until(watcher.zone, begin + limit_s)
            # What was just read back was a look of its own.
            self._doubt(watcher, begin + (BETWEEN_LOOKS.total_seconds() if watcher.looks else 0.0))

    def due(self, now: float) -> Iterator[Watcher]:
        """The servers to look at now."""
        while self._due and self._due[0][0] <= now:
            _, _, watcher = heapq.heappop(self._due)
            if watcher.zone in self._open:
                yield watcher
            else:
                self._zones[watcher.zone].parked.append(watcher)

    def looked_at(self, watcher: Watcher, now: float) -> None:
        """Take in what a look has shown, also one that ended after its zone was settled, and say when to look again."""
        zone = self._zones[watcher.zone]
        is_ready = watcher.state is State.READY
        if watcher.state in {State.READY, State.SEEN} and not watcher.was_read_back:
            self._is_served(watcher.zone)
        (zone.blocking.add if watcher.blocks else zone.blocking.discard)(watcher)
        (zone.ready.add if is_ready else zone.ready.discard)(watcher)
        if not is_ready:
            self._look(watcher, now + watcher.pause_s(now - self._begin))
        if zone.is_settled:
            self._settled_at = now
            self._close(watcher.zone)
        elif now < zone.end and watcher.zone not in self._open:
            self._open_until(watcher.zone, zone.end)

    def is_over(self, now: float) -> bool:
        """Whether nothing is waited for any more."""
        while self._ends and self._ends[0][0] <= now:
            _, _, apex = heapq.heappop(self._ends)
            if self._zones[apex].end <= now:
                self._close(apex)
        if now >= self._end_of_tenants:
            for apex in self._open:
                self._zones[apex].end = now
            self._open.clear()
        if not self._open and (self.is_complete or self._allow_subset):
            self._refresh(now)
        return not self._open

    @property
    def is_complete(self) -> bool:
        """Whether every zone is settled."""
        return all(zone.is_settled for zone in self._zones.values())

    @property
    def wake(self) -> float:
        """When there is something to do, if no look ends before."""
        return min(self._end_of_tenants, *(heap[0][0] for heap in (self._due, self._ends) if heap))

    @property
    def _end_of_tenants(self) -> float:
        """Until when zones are waited for that are all tenants'."""
        if self._ours or self._settled_at is None:
            return math.inf
        return self._settled_at + BEYOND.total_seconds()

    def _refresh(self, now: float) -> None:
        """Have what was ready long ago looked at once more: it was not, while other servers were waited for."""
        recent_s = RECENT.total_seconds()
        for apex, zone in self._zones.items():
            if not zone.is_settled:
                continue
            if old := [w for w in zone.ready if w.looked_at is not None and now - w.looked_at >= recent_s]:
                if math.isinf(self._last):
                    self._last = now + recent_s
                self._open_until(apex, max(zone.end, self._last))
                for watcher in old:
                    self._doubt(watcher, now)

    def _doubt(self, watcher: Watcher, at: float) -> None:
        watcher.doubt()
        zone = self._zones[watcher.zone]
        zone.ready.discard(watcher)
        zone.blocking.add(watcher)
        self._look(watcher, at)

    def _open_until(self, apex: Name, end: float) -> None:
        zone = self._zones[apex]
        zone.end = end
        self._open.add(apex)
        if apex not in self._tenants:
            self._ours.add(apex)
        heapq.heappush(self._ends, (end, next(self._order), apex))
        for watcher in zone.parked:
            self._look(watcher, 0.0)
        zone.parked.clear()

    def _is_served(self, apex: Name) -> None:
        """Wait as long as for any other zone: what one server got, the rest will get."""
        self._tenants.discard(apex)
        if apex in self._open:
            self._ours.add(apex)

    def _close(self, apex: Name) -> None:
        self._open.discard(apex)
        self._ours.discard(apex)

    def _look(self, watcher: Watcher, at: float) -> None:
        heapq.heappush(self._due, (at, next(self._order), watcher))
