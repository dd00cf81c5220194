"""Look a thing up once, however many threads want it at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar, cast

from dns.name import Name

T = TypeVar("T")


class Once:
    """Results, and failures, by kind and name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[tuple[str, Name], Future[object]] = {}

    def look_up(self, kind: str, name: Name, look_up: Callable[[], T]) -> T:
        """What ``look_up`` returns or raises, from whichever thread came first; the others wait for it."""
        with self._lock:
            future = self._futures.get((kind, name))
            if mine := future is None:
                future = self._futures[kind, name] = Future()
        if mine:
            try:
                future.set_result(look_up())
            except BaseException as error:  # or who waits for it would wait for ever
                future.set_exception(error)
                raise
        return cast(T, future.result())
