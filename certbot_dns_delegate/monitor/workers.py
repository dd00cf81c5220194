"""The worker processes of ``monitor``: batches of names in, results out, as far as they are there in the same order.

Each worker has a pair of sockets of its own: half a result of one that ended blocks nobody, and the end of its stream
shows that it is lost.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.recursive import Resolver
from certbot_dns_delegate.monitor.standing import Standing
from certbot_dns_delegate.monitor.worker import WORKERS, Batch, Found, Result, Work
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.state.fleet import Networks

AHEAD = 2000
"""Names that were read and not shown yet, for each worker; with them the memory is bounded."""
HELD_S = 1.0
"""Seconds for which a name holds up those behind it: a lost datagram takes half of it, silent servers 8 to 30 s."""
TOGETHER, GATHERED_S = 2000, 0.5
"""Results that are handed on together, and the seconds for which they gather: the disk is waited for each time."""
ENDING_S = 5
"""Seconds until killed workers must be gone; the kernel needs milliseconds, unless a device keeps one."""

InOrder = Callable[[Iterator[Batch], int | None], Iterator[list[Standing]]]
"""Gives the standings of batch after batch; with the descriptor that these come from, where reading it may block."""


@dataclass
class Worker:
    """A worker process, as its parent sees it."""

    pid: int
    connection: "Connection[tuple[int, Batch], Result]"
    in_hand: int = 0
    """Names without a result."""

    def give(self, number: int, batch: Batch) -> None:
        """Hand out a batch.

        :raises LookupFailed: when the process has ended; so does :meth:`take`.
        """
        with _noticed():
            self.connection.send((number, batch))
        self.in_hand += len(batch)

    def take(self) -> list[Found]:
        """The next results; waits for them.

        :raises Exception: what the worker has met.
        """
        with _noticed():
            result = self.connection.recv()
        if isinstance(result, Exception):
            raise result
        self.in_hand -= len(result)
        return [(batch, index, Standing._make(fields)) for batch, index, fields in result]


@contextmanager
def _noticed() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError):
        raise LookupFailed("a worker process was killed; journalctl -k shows whether memory ran out") from None


@contextmanager
def crew(settings: Settings, resolvers: Sequence[Resolver], serving: Mapping[str, Networks]) -> Iterator[InOrder]:
    """Workers that end with the context at once, whatever they wait for; they also end when this process is killed."""
    workers: list[Worker] = []
    try:
        while len(workers) < WORKERS:
            workers.append(_start(workers, settings, resolvers, serving))
        yield lambda batches, source: _in_order(workers, batches, source)
    finally:
        _kill(workers)


def _start(
    others: Sequence[Worker], settings: Settings, resolvers: Sequence[Resolver], serving: Mapping[str, Networks]
) -> Worker:
    """Forked: the worker shares what this process has loaded, and the secrets of the settings are not sent anywhere."""
    ours, theirs = Pipe()
    pid = os.fork()
    if pid:
        theirs.close()  # only the worker has it now, so that it closes when the worker ends
        return Worker(pid, ours)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        for connection in (ours, *(other.connection for other in others)):
            connection.close()
        Work(settings, resolvers, serving, theirs).serve()
    finally:
        os._exit(1)


def _kill(workers: Sequence[Worker]) -> None:
    for worker in workers:
        with suppress(ProcessLookupError):  # nobody waits for it where SIGCHLD is ignored
            os.kill(worker.pid, signal.SIGKILL)
    # waitpid(2) knows no limit: a thread that waits too long is left behind.
    reaper = threading.Thread(target=_reap, args=(workers,), daemon=True)
    reaper.start()
    reaper.join(ENDING_S)
    for worker in workers:
        worker.connection.close()


def _reap(workers: Sequence[Worker]) -> None:
    for worker in workers:
        with suppress(ChildProcessError):
            os.waitpid(worker.pid, 0)


def _in_order(workers: Sequence[Worker], batches: Iterator[Batch], source: int | None) -> Iterator[list[Standing]]:
    """The results, with never more than so many names under way.

    :param source: the descriptor that the names are read from. As long as it has none, what is known of those before is
        shown; None: there is nothing to wait for.
    :raises LookupFailed: when a worker has ended.
    """

    def may_give() -> bool:
        is_free = is_more and turns.held < AHEAD * len(workers)
        # Where nothing is under way or to be shown, a read that blocks holds nothing up.
        return is_free and (source is None or not (turns.held or ready) or bool(wait([source], 0)))

    turns = Turns()
    ready: list[Standing] = []
    late_at = float("inf")
    is_more = True
    while is_more or turns.held:
        if may_give():
            batch = next(batches, None)
            if batch is None:
                is_more = False
            else:
                min(workers, key=lambda worker: worker.in_hand).give(turns.begin(len(batch), time.monotonic()), batch)
        now = time.monotonic()
        most_s = 0.0 if may_give() else min(turns.next_at(now), late_at) - now
        is_awaited = is_more and turns.held < AHEAD * len(workers)
        for worker in _ready(workers, most_s, source if is_awaited else None):
            turns.take(worker.take())
        now = time.monotonic()
        ready += turns.due(now)
        late_at = min(late_at, now + GATHERED_S) if ready else float("inf")
        if len(ready) >= TOGETHER or now >= late_at:
            yield ready
            ready, late_at = [], float("inf")
    if ready:
        yield ready


def _ready(workers: Sequence[Worker], most_s: float, source: int | None) -> list[Worker]:
    """The workers that have something to say, now or within so many seconds, or until there are more names."""
    timeout = None if most_s == float("inf") else max(0.0, most_s)
    others = [] if source is None else [source]
    connections = wait([*others, *(worker.connection for worker in workers)], timeout)
    return [worker for worker in workers if worker.connection in connections]


@dataclass
class _Open:
    """A batch that is not shown whole."""

    left: int
    """Names without a result."""
    since: float
    results: dict[int, Standing] = field(default_factory=dict)
    """By their index; without those that are shown."""


class Turns:
    """Puts results into the order of the names, as long as none has to wait long for another."""

    def __init__(self) -> None:
        self.held = 0
        """Names that are not shown."""
        self._count = 0
        self._open: dict[int, _Open] = {}

    def begin(self, size: int, now: float) -> int:
        """The number of a new batch.

        :param now: as all times here, by ``time.monotonic``.
        """
        number, self._count = self._count, self._count + 1
        self._open[number] = _Open(size, now)
        self.held += size
        return number

    def take(self, results: Sequence[Found]) -> None:
        """Keep results."""
        for number, index, standing in results:
            batch = self._open[number]
            batch.results[index] = standing
            batch.left -= 1

    def due(self, now: float) -> list[Standing]:
        """What is to be shown now."""
        due: list[Standing] = []
        for number, batch in list(self._open.items()):
            if batch.left and now - batch.since < HELD_S:
                break
            due += [batch.results[index] for index in sorted(batch.results)]
            batch.results.clear()
            if not batch.left:
                del self._open[number]
        self.held -= len(due)
        return due

    def next_at(self, now: float) -> float:
        """When something is due without further results."""
        waiting = (each.since + HELD_S for each in self._open.values())
        return next((at for at in waiting if at > now), float("inf"))
