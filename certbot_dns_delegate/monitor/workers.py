"""The worker processes of ``monitor``: batches of names in, results out, in the same order.

Each worker has a pair of sockets of its own: half a result of one that ended blocks nobody, and the end of its stream
shows that it is lost.
"""

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from queue import SimpleQueue

from dns.name import root
from dns.rdatatype import RdataType

from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.names import Unusable, Wanted
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
from certbot_dns_delegate.monitor import standing as delegation
from certbot_dns_delegate.monitor.standing import BROKEN, Standing
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.state.fleet import Networks

WORKERS = min(os.cpu_count() or 1, 8)
"""Processes, of 40 MiB each: reading replies is what takes the time (0.7 ms each), and a resolver is busy too."""
AHEAD = 3
"""Batches under way for each worker; with them the memory is bounded."""
IN_HAND = 2
"""Batches that one worker has: it begins the second while its first result is on the way."""
ENDING_S = 5
"""Seconds until killed workers must be gone; the kernel needs milliseconds, unless a device keeps one."""
UNUSABLE = "no name"

Batch = Sequence[tuple[str, str]]
"""Where each name was read, and its text."""
InOrder = Callable[[Iterator[Batch]], Iterator[list[Standing]]]
"""Gives the standings of batch after batch."""
Result = tuple[int, list[Standing] | Exception]
"""The number of a batch, and how its names stand or why nobody knows."""


@dataclass
class Worker:
    """A worker process, as its parent sees it."""

    pid: int
    connection: "Connection[tuple[int, Batch], Result]"
    in_hand: int = 0

    def give(self, number: int, batch: Batch) -> None:
        """Hand out a batch.

        :raises LookupFailed: when the process has ended; so does :meth:`take`.
        """
        with _noticed():
            self.connection.send((number, batch))
        self.in_hand += 1

    def take(self) -> "Result":
        """The next result; waits for it."""
        with _noticed():
            result = self.connection.recv()
        self.in_hand -= 1
        return result


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
        yield lambda batches: _in_order(workers, batches)
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
        Task(settings, Recursive(resolvers), serving).serve(theirs)
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


def _in_order(workers: Sequence[Worker], batches: Iterator[Batch]) -> Iterator[list[Standing]]:
    """The results in the order of the batches, never more than a few of them under way.

    :raises LookupFailed: when a worker has ended.
    """
    given = shown = 0
    results: dict[int, list[Standing] | Exception] = {}
    while True:
        while given - shown < WORKERS * AHEAD:
            worker = min(workers, key=lambda worker: worker.in_hand)
            batch = next(batches, None) if worker.in_hand < IN_HAND else None
            if batch is None:
                break
            worker.give(given, batch)
            given += 1
        if shown == given:
            return
        ready = wait([worker.connection for worker in workers], 0 if shown in results else None)
        results.update(worker.take() for worker in workers if worker.connection in ready)
        if shown in results:
            result = results.pop(shown)
            if isinstance(result, Exception):
                raise result
            shown += 1
            yield result


@dataclass(frozen=True)
class Task:
    """What a worker does with each batch."""

    settings: Settings
    recursive: Recursive
    serving: Mapping[str, Networks]

    def serve(self, connection: "Connection[Result, tuple[int, Batch]]") -> None:
        """Batch by batch, until the parent closes the connection or is gone."""
        batches: SimpleQueue[tuple[int, Batch]] = SimpleQueue()

        def read() -> None:
            with suppress(EOFError, OSError):
                while True:
                    batches.put(connection.recv())
            os._exit(0)

        # Beside the work, which may wait long for the network: the parent never waits to hand out, and its end is seen.
        threading.Thread(target=read, daemon=True).start()
        while True:
            number, batch = batches.get()
            try:
                result: list[Standing] | Exception = self.standings(batch)
            except Exception as error:  # noqa: BLE001  whatever it is, the parent raises it
                error.add_note(traceback.format_exc())
                result = error
            connection.send((number, result))

    def standings(self, batch: Batch) -> list[Standing]:
        """How each name stands.

        :raises LookupFailed: when no resolver answers any more: then nothing is known of these names.
        """
        # One that is silent would cost its patience for every few names of the batch.
        self._see_that_resolvers_live()
        given = [names.usable(text, where) for where, text in batch]
        wanted = [each for each in given if isinstance(each, Wanted)]
        looked = iter(delegation.look(self.settings, self.recursive, wanted, self.serving))
        standings = [_unusable(each) if isinstance(each, Unusable) else next(looked) for each in given]
        # One that dies in the middle of a batch must not pass for broken servers of a few names.
        if any(standing.state == BROKEN for standing in standings):
            self._see_that_resolvers_live()
        return standings

    def _see_that_resolvers_live(self) -> None:
        try:
            self.recursive.ask(root, RdataType.NS)
        except LookupFailed as error:
            raise LookupFailed(f"no resolver answers: {error.problem}") from None


def _unusable(given: Unusable) -> Standing:
    return Standing(given.text, UNUSABLE, f"{given.where}: {given.problem}")
