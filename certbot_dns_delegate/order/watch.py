"""Ask every authoritative server until all of them serve all values."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from queue import Empty, SimpleQueue

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.answer import is_signed, soa_in, txt_in
from certbot_dns_delegate.lookup.message import UNREACHABLE, Outcome, Question, Reply
from certbot_dns_delegate.model import RRset, Server, Sighting, Values
from certbot_dns_delegate.timing import BETWEEN_LOOKS, FIRST_STEP, QUICK_CAP, QUICK_FOR, SLOW_CAP

Put = Callable[[Sequence[Question]], Iterable[Outcome]]
"""Puts questions to one server."""


class State(StrEnum):
    """What the latest look at a server showed."""

    UNSEEN = "not asked yet"
    READY = "serves all values"
    SEEN = "serves all values, once so far"
    LAGGING = "answers without them"
    UNSIGNED = "serves them without signature"
    LAME = "is lame"
    REFUSING = "refuses"
    SILENT = "is silent"
    UNREACHABLE = "cannot be reached from here"

    @property
    def blocks(self) -> bool:
        """Whether a resolver could get an answer from it that fails the challenge."""
        return self in {State.UNSEEN, State.SEEN, State.LAGGING, State.UNSIGNED}


@dataclass(frozen=True)
class WatchReport:
    """What was seen last at each server of each zone."""

    complete: bool
    waited_s: float
    servers: tuple["Watcher", ...]

    @property
    def missing(self) -> list["Watcher"]:
        return [watcher for watcher in self.servers if watcher.state.blocks]

    @property
    def out(self) -> list["Watcher"]:
        """Servers that gave no answer to go by; resolvers route around them."""
        return [watcher for watcher in self.servers if not watcher.state.blocks and watcher.state is not State.READY]

    @property
    def without_ipv6(self) -> list["Watcher"]:
        """Those of them that this host cannot ask because it has no IPv6."""
        return [w for w in self.servers if w.state is State.UNREACHABLE and w.server.is_ipv6]


class Watcher:
    """One server of one zone, asked until it serves all values in several complete looks in a row."""

    def __init__(
        self,
        zone: Name,
        server: Server,
        values: Values,
        put: Put,
        *,
        passes: int = 2,
        signed: bool = False,
        recursive: bool = False,
        seen: Iterable[Sighting] = (),
    ) -> None:
        """:param seen: what was just seen at this server, counted as its first look when it is complete."""
        self.zone = zone
        self.server = server
        self.values = values
        self.put = put
        self.passes = passes
        self.signed = signed
        self.recursive = recursive
        self.state = State.UNSEEN
        self.sightings: dict[Name, Sighting] = {}
        self.older: dict[Name, tuple[float, int]] = {}
        """When an RRset without our values was last seen at an owner (``time.monotonic``), and its TTL in seconds."""
        self.looks = 0
        self.step_s = FIRST_STEP.total_seconds()
        for sighting in seen:
            self.sightings[sighting.owner] = sighting
        if not signed and self.sightings and not self.missing():
            self.looks, self.state = 1, State.SEEN

    def missing(self) -> list[Name]:
        """The owners whose values were not all seen here last."""
        return [
            owner
            for owner, texts in self.values.items()
            if owner not in self.sightings or not texts <= self.sightings[owner].rrset.values
        ]

    def look(self) -> None:
        """Ask once; one owner first, and only when its values are there the rest (gentle on rate limits)."""
        first = next(iter(self.missing() or self.values))
        state = self._ask([first])
        rest = [owner for owner in self.values if owner != first]
        if state is State.READY and rest:
            state = self._ask(rest)
        self.looks = self.looks + 1 if state is State.READY else 0
        self.state = State.SEEN if state is State.READY and self.looks < self.passes else state

    def pause_s(self, waited_s: float) -> float:
        """Seconds until the next look."""
        if self.state is State.SEEN:
            return BETWEEN_LOOKS.total_seconds()
        cap = QUICK_CAP if waited_s < QUICK_FOR.total_seconds() else SLOW_CAP
        pause_s = min(self.step_s, cap.total_seconds())
        self.step_s *= 1.5
        return pause_s

    def _ask(self, owners: Sequence[Name]) -> State:
        questions = [
            Question(owner, RdataType.TXT, recursion_desired=self.recursive, dnssec_ok=self.signed) for owner in owners
        ]
        states = {self._take(outcome) for outcome in self.put(questions)}
        # The worst counts: an answer without the values would be enough to fail a challenge.
        order = [
            State.LAGGING,
            State.UNSIGNED,
            State.LAME,
            State.REFUSING,
            State.SILENT,
            State.UNREACHABLE,
            State.READY,
        ]
        return next(state for state in order if state in states or state is State.READY)

    def _take(self, outcome: Outcome) -> State:
        owner = outcome.ask.question.name
        if not isinstance(outcome, Reply):
            self.sightings[owner] = Sighting(self.server, owner, outcome.reason)
            return State.UNREACHABLE if outcome.reason == UNREACHABLE else State.SILENT
        message = outcome.message
        soa = soa_in(message, owner)
        has_signature = is_signed(message, owner)
        rrset = txt_in(message, owner) if outcome.is_authoritative or self.recursive else RRset()
        self.sightings[owner] = Sighting(
            self.server,
            owner,
            outcome.rcode,
            rrset,
            serial=soa[0].serial if soa is not None else None,
        )
        if outcome.rcode not in {"NOERROR", "NXDOMAIN"}:
            return State.REFUSING
        if not outcome.is_authoritative and not self.recursive:
            return State.LAME
        if not self.values[owner] <= rrset.values:
            if rrset.values:
                self.older[owner] = (time.monotonic(), rrset.ttl)
            return State.LAGGING
        return State.UNSIGNED if self.signed and not has_signature else State.READY


def watch(
    watchers: Sequence[Watcher],
    pool: Executor,
    timeout_s: float | Mapping[Name, float],
    progress: Callable[[float, Sequence[Watcher]], None] = lambda *_: None,
) -> WatchReport:
    """Look at all servers until none blocks, at least one of each zone is ready, or time runs out.

    The calling thread only waits, so that a signal's handler can raise in it.

    :param timeout_s: seconds, for all zones or by apex.
    :param progress: called about once a second with the seconds waited and the watchers that still block.
    """
    begin = time.monotonic()
    limits = {w.zone: timeout_s if isinstance(timeout_s, float | int) else timeout_s[w.zone] for w in watchers}
    by_zone = {zone: [watcher for watcher in watchers if watcher.zone == zone] for zone in limits}
    order = itertools.count()
    due = [(begin + (BETWEEN_LOOKS.total_seconds() if w.looks else 0.0), next(order), w) for w in watchers]
    heapq.heapify(due)
    # Not concurrent.futures.wait: a signal's exception in it can leave locks taken (see certbot_dns_delegate.threads).
    ended: SimpleQueue[tuple[Watcher, Future[None]]] = SimpleQueue()
    told = begin
    while True:
        now = time.monotonic()
        open_zones = {z for z in limits if now - begin < limits[z] and not _is_settled(by_zone[z])}
        if not open_zones:
            break
        while due and due[0][0] <= now:
            _, _, watcher = heapq.heappop(due)
            if watcher.zone in open_zones and watcher.state is not State.READY:
                pool.submit(watcher.look).add_done_callback(partial(_hand_over, ended, watcher))
        if now - told >= 1:
            told = now
            progress(now - begin, [watcher for watcher in watchers if watcher.state.blocks])
        wake = min([told + 1, *(begin + limits[z] for z in open_zones), *(at for at, _, _ in due[:1])])
        try:
            watcher, future = ended.get(timeout=max(0.0, wake - now))
        except Empty:
            continue
        future.result()
        at = time.monotonic()
        heapq.heappush(due, (at + watcher.pause_s(at - begin), next(order), watcher))
    complete = all(map(_is_settled, by_zone.values()))
    return WatchReport(complete, time.monotonic() - begin, tuple(watchers))


def _hand_over(ended: SimpleQueue[tuple[Watcher, Future[None]]], watcher: Watcher, future: Future[None]) -> None:
    ended.put((watcher, future))


def _is_settled(watchers: Sequence[Watcher]) -> bool:
    """Whether the servers of one zone let the CA look."""
    states = [watcher.state for watcher in watchers]
    return State.READY in states and not any(state.blocks for state in states)
