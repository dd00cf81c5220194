"""Threads that mostly wait for the network, and that the process does not wait for when it ends.

``concurrent.futures.ThreadPoolExecutor`` has its threads joined at the interpreter's exit: after Ctrl-C Certbot would
still sit there until the last silent server's time is up. What is lost with such a thread is a question, or the reply
to a write that the journal knows.
"""

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar, cast

from dns.name import Name

P = ParamSpec("P")
T = TypeVar("T")


class Pool(Executor):
    """At most so many threads, made as they are needed; leaving it as a context waits for none of them.

    Where the process may have no more (``ulimit -u``, a container's limit), those that it has do the work, one call
    after the other; where it may have none, the caller does it.

    Only plain locks here: a signal's exception can leave a :class:`threading.Condition` taken.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._lock = threading.Lock()
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        self._is_ended = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call ``fn`` in a thread, now or when one is free.

        :raises RuntimeError: after :meth:`shutdown`.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._is_ended:
                raise RuntimeError("the pool has ended")
            if len(self._threads) < min(self._unfinished + 1, self._most):
                self._start()
            if self._threads:
                self._unfinished += 1
                self._work.put((future, partial(fn, *args, **kwargs)))
                return future
        _run(future, partial(fn, *args, **kwargs))
        return future

    def _start(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"{self._name}_{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._most = len(self._threads)
        else:
            self._threads.append(thread)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more; the threads end with what they have."""
        with self._lock:
            self._is_ended = True
        if cancel_futures:
            self._cancel()
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def __exit__(self, *_: object) -> None:
        # Who wants a result has waited for it, unless a signal ended the waiting.
        self.shutdown(wait=False, cancel_futures=True)

    def _cancel(self) -> None:
        while True:
            try:
                task = self._work.get_nowait()
            except Empty:
                return
            if task is not None:
                task[0].cancel()

    def _serve(self) -> None:
        while (task := self._work.get()) is not None:
            _run(*task)
            del task  # a result, or the traceback of an error, may be large
            with self._lock:
                self._unfinished -= 1


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to who waits for the future
        future.set_exception(error)
    else:
        future.set_result(result)


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


def within(seconds: float, call: Callable[[], T], name: str) -> T:
    """What ``call`` returns or raises, if it ends in time; for calls that have no bound of their own.

    One that does not end goes on in a thread that nobody waits for.

    :param name: of the thread.
    :raises TimeoutError: when it does not end in time.
    """
    with Pool(1, name) as pool:
        future = pool.submit(call)
        settle([future], seconds)
    if not future.done():
        raise TimeoutError
    return future.result()


def pause(seconds: float) -> None:
    """Wait so long."""
    try:
        SimpleQueue[None]().get(timeout=max(0.0, seconds))
    except Empty:
        return


class Once:
    """Results and failures by kind and name: each look-up is made once."""

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
