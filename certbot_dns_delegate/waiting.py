"""Wait for threads in the one place where a signal's handler can raise without doing harm.

``concurrent.futures.wait`` takes the locks of all its futures one after the other; an exception raised by a signal in
between leaves some taken, and the threads that end later hang on them. The get of a :class:`queue.SimpleQueue` is one
call into C that a signal ends cleanly.
"""

import time
from collections.abc import Collection
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any


def settle(futures: Collection[Future[Any]], most_s: float | None = None) -> None:
    """Wait until all ``futures`` have ended, however they did, or ``most_s`` seconds have passed."""
    ended: SimpleQueue[Future[Any]] = SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    until = None if most_s is None else time.monotonic() + most_s
    for _ in futures:
        try:
            ended.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
        except Empty:
            return


def pause(seconds: float) -> None:
    """Wait so long in the main thread."""
    try:
        SimpleQueue[None]().get(timeout=max(0.0, seconds))
    except Empty:
        return
