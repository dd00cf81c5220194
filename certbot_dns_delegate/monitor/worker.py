"""What one worker process of ``monitor`` does: a glance at each name, and a closer look at those that need one."""

import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import NamedTuple

from dns.name import root
from dns.rdatatype import RdataType

from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.names import Unusable, Wanted
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.lane import Lane
from certbot_dns_delegate.lookup.poll import REFUSED
from certbot_dns_delegate.lookup.quick import Short
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
from certbot_dns_delegate.monitor.glance import Glance, Glances
from certbot_dns_delegate.monitor.standing import BROKEN, Looks, Standing
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.state.fleet import Networks
from certbot_dns_delegate.threads import Pool, pause

WORKERS = min(len(os.sched_getaffinity(0)), 8)
"""Processes, of 40 MiB each: asking and reading takes more than one core, and a resolver is busy too."""
PACES_S = (0.02 * WORKERS, 0.05 * WORKERS, 0.05 * WORKERS)
"""As in :mod:`.recursive`, for a resolver that has refused what came at once: all workers together ask it 50 times a
second, and then 20 times."""
UNUSABLE = "no name"
TOGETHER = 100
"""Results in one message, at most."""
CLOSER = 16
"""Closer looks at once, each at all names that have gathered: one takes 30 s where servers are silent."""
MOST_CLOSER = 500
"""Names of one closer look."""
LIVES_S = 2.0
"""Seconds until a resolver that has answered is asked again whether it does, when there is nothing else to do."""
TRIES, SECOND_S = 10, 1.0
"""How often a resolver that refuses is asked whether it lives, and the seconds between: limits count by the second, and
other workers ask too."""
TICK_S = 0.05
"""Seconds without a reply until what has gathered is handed out."""

Batch = Sequence[tuple[str, str]]
"""Where each name was read, and its text."""


class Place(NamedTuple):
    """One name of one batch."""

    batch: int
    number: int
    where: str
    text: str


Found = tuple[int, int, Standing]
"""Batch, index and standing of a name."""
Result = list[tuple[int, int, tuple[object, ...]]] | Exception
"""Some names, of each standing its fields alone: a process writes and reads these in a third of the time; or why nobody
knows any more."""


class Work:
    """Takes batches from a connection, and answers with results in any order."""

    def __init__(
        self,
        settings: Settings,
        resolvers: Sequence[Resolver],
        serving: Mapping[str, Networks],
        connection: "Connection[Result, tuple[int, Batch]]",
    ) -> None:
        self._recursive = Recursive(resolvers)
        self._glances = Glances(settings, serving)
        self._looks = Looks(settings, self._recursive, serving)
        self._slow_looks = Looks(settings, Recursive(resolvers, paces_s=PACES_S), serving)
        self._connection = connection
        self._sending = threading.Lock()
        self._batches: SimpleQueue[tuple[int, Batch]] = SimpleQueue()
        self._waiting: deque[Place] = deque()
        self._closer: deque[Place] = deque()
        self._one_at_a_time = threading.Lock()
        """Taken for a closer look at a resolver that refuses what is too much for it."""
        self._lane: Lane[tuple[Place, Glance]] | None = None
        self._chosen = float("-inf")
        self._results: list[Found] = []

    def serve(self) -> None:
        """Batch by batch, until the parent closes the connection or is gone."""
        # Beside the work, which may wait for the network: the parent never waits to hand out, and its end is seen.
        threading.Thread(target=self._read, daemon=True).start()
        with Pool(CLOSER, "closer") as pool:
            while True:
                try:
                    self._turn(pool)
                except Exception as error:  # noqa: BLE001  whatever it is, the parent raises it
                    self._fail(error)

    def _read(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                self._batches.put(self._connection.recv())
        os._exit(0)

    def _turn(self, pool: Pool) -> None:
        """Take what has come, ask what there is room for, and hand out what is known."""
        is_idle = not self._waiting and (self._lane is None or self._lane.is_empty)
        if is_idle:
            self._hand_out()
        if len(self._waiting) < TOGETHER:
            with suppress(Empty):
                number, batch = self._batches.get(block=is_idle)
                self._waiting.extend(Place(number, index, *each) for index, each in enumerate(batch))
        if is_idle:
            self._choose_lane()
        self._glance()
        if len(self._results) >= TOGETHER:
            self._hand_out()
        if self._closer:
            pool.submit(self._look_closer)

    # At a glance

    def _choose_lane(self) -> None:
        """By the resolver that answers; none where it is asked by TLS or HTTPS.

        :raises LookupFailed: when no resolver answers.
        """
        if time.monotonic() - self._chosen < LIVES_S:
            return
        self._see_that_resolvers_live()
        self._chosen = time.monotonic()
        first = self._recursive.first
        if self._lane is not None:
            if self._is_limited and self._lane.server == first.server:
                return
            self._lane.close()
        self._lane = Lane(first.server) if first.scheme == "udp" else None

    def _glance(self) -> None:
        lane = self._lane
        while self._waiting and (lane is None or lane.is_useless or lane.room):
            place = self._waiting.popleft()
            self._go_on(place, self._glances.at(place.text), None)
        if lane is not None and not lane.is_empty:
            before = len(self._results)
            for (place, glance), reply in lane.take(TICK_S):
                self._go_on(place, glance, reply)
            if len(self._results) == before:
                self._hand_out()

    def _go_on(self, place: Place, glance: Glance, reply: Short | None) -> None:
        try:
            name, rdtype = glance.send(reply)
            if self._lane is None or self._lane.is_useless:
                self._closer.append(place)
            else:
                self._lane.put(name, rdtype, (place, glance))
        except StopIteration as ended:
            if ended.value is None:
                self._closer.append(place)
            else:
                self._results.append((place.batch, place.number, ended.value))
        except OSError:  # no socket now
            self._closer.append(place)

    # Closer

    def _look_closer(self) -> None:
        """In another thread: the names that have gathered."""
        try:
            with self._one_at_a_time if self._is_limited else nullcontext():
                while places := self._gathered():
                    self._see_that_resolvers_live()  # a silent one would cost its patience for every few names
                    self._look(places)
        except Exception as error:  # noqa: BLE001  whatever it is, the parent raises it
            self._fail(error)

    def _gathered(self) -> list[Place]:
        places: list[Place] = []
        with suppress(IndexError):
            while len(places) < MOST_CLOSER:
                places.append(self._closer.popleft())
        return places

    def _look(self, places: Sequence[Place]) -> None:
        given = [(place, names.usable(place.text, place.where)) for place in places]
        self._send_found([(p.batch, p.number, _unusable(each)) for p, each in given if isinstance(each, Unusable)])
        wanted = [(place, each) for place, each in given if isinstance(each, Wanted)]
        looks = self._slow_looks if self._is_limited else self._looks
        for number, standing in looks.each([each for _, each in wanted]):
            if standing.state == BROKEN:
                # A resolver that dies meanwhile must not pass for broken servers of a few names.
                self._see_that_resolvers_live()
            place, _ = wanted[number]
            self._send_found([(place.batch, place.number, standing)])

    def _see_that_resolvers_live(self) -> None:
        """:raises LookupFailed: when none answers."""
        for left in reversed(range(TRIES)):
            try:
                self._recursive.ask(root, RdataType.NS)
            except LookupFailed as error:
                if not left or REFUSED not in error.problem:
                    raise LookupFailed(f"no resolver answers: {error.problem}") from None
                pause(SECOND_S)
            else:
                return

    @property
    def _is_limited(self) -> bool:
        return self._lane is not None and self._lane.is_refusing

    # To the parent

    def _hand_out(self) -> None:
        results, self._results = self._results, []
        self._send_found(results)

    def _send_found(self, found: Sequence[Found]) -> None:
        if found:
            self._send([(batch, index, tuple(standing)) for batch, index, standing in found])

    def _fail(self, error: Exception) -> None:
        error.add_note(traceback.format_exc())
        self._send(error)

    def _send(self, result: Result) -> None:
        with self._sending, suppress(ConnectionError):  # the parent is gone, which ends this process
            self._connection.send(result)


def _unusable(given: Unusable) -> Standing:
    return Standing(given.text, UNUSABLE, f"{given.where}: {given.problem}")
