"""The worker processes of ``monitor``: batches of names in, what is found out about them, in the same order."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

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
"""Batches that wait for each worker; with them the memory is bounded."""
UNUSABLE = "no name"

Batch = Sequence[tuple[str, str]]
"""Where each name was read, and its text."""
InOrder = Callable[[Iterator[Batch]], Iterator[list[Standing]]]
"""Gives the standings of batch after batch."""


class Worker:
    """What a worker process knows, from its start on."""

    settings: Settings
    recursive: Recursive
    serving: Mapping[str, Networks]


@contextmanager
def crew(settings: Settings, resolvers: Sequence[Resolver], serving: Mapping[str, Networks]) -> Iterator[InOrder]:
    """Workers, which end with the context at once, whatever they wait for; they end too when this process is killed."""
    # The write end is ours alone: that it is closed ends the workers.
    reader, writer = os.pipe()
    # Forked, so that what this process has loaded is shared and the settings with their secrets are not sent anywhere.
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(WORKERS, context, _begin, (settings, tuple(resolvers), serving, reader, writer))
    try:
        yield lambda batches: _in_order(pool, batches)
    finally:
        os.close(writer)
        pool.shutdown(cancel_futures=True)
        os.close(reader)


def _begin(
    settings: Settings, resolvers: Sequence[Resolver], serving: Mapping[str, Networks], reader: int, writer: int
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.close(writer)
    threading.Thread(target=_end_with, args=(reader,), daemon=True).start()
    Worker.settings, Worker.recursive, Worker.serving = settings, Recursive(resolvers), serving


def _end_with(reader: int) -> None:
    os.read(reader, 1)
    os._exit(0)


def _in_order(pool: ProcessPoolExecutor, batches: Iterator[Batch]) -> Iterator[list[Standing]]:
    """The results in the order of the batches, never more than a few of them under way.

    :raises LookupFailed: when there are no more.
    """
    running: deque[Future[list[Standing]]] = deque()
    try:
        for batch in batches:
            running.append(pool.submit(_work, batch))
            if len(running) >= WORKERS * AHEAD:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    except BrokenProcessPool:
        raise LookupFailed("a worker process was killed (journalctl -k tells whether for want of memory)") from None


def _work(batch: Batch) -> list[Standing]:
    """:raises LookupFailed: when no resolver answers any more: then nothing is known of these names."""
    # One that is silent would cost its patience for every few names of the batch.
    _see_that_resolvers_live()
    given = [names.usable(text, where) for where, text in batch]
    wanted = [each for each in given if isinstance(each, Wanted)]
    looked = iter(delegation.look(Worker.settings, Worker.recursive, wanted, Worker.serving))
    standings = [
        Standing(each.text, UNUSABLE, f"{each.where}: {each.problem}") if isinstance(each, Unusable) else next(looked)
        for each in given
    ]
    # One that dies in the middle of a batch must not pass for broken servers of a few names.
    if any(standing.state == BROKEN for standing in standings):
        _see_that_resolvers_live()
    return standings


def _see_that_resolvers_live() -> None:
    try:
        Worker.recursive.ask(root, RdataType.NS)
    except LookupFailed as error:
        raise LookupFailed(f"no resolver answers: {error.problem}") from None
