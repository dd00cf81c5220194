"""Threads that nobody waits for at the end."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import CancelledError

import pytest

from certbot_dns_delegate.threads import Pool

PATIENCE_S = 30.0

STUCK = """
import threading
from certbot_dns_delegate.threads import Pool
begun = threading.Event()
def never():
    begun.set()
    threading.Event().wait()
with Pool(2, "stuck") as pool:
    pool.submit(never)
    begun.wait()
print("ended")
"""

FEW = """
import resource, sys, threading
from certbot_dns_delegate.threads import Pool
STACK = 64 << 20
threading.stack_size(STACK)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(float(sys.argv[1]) * STACK), resource.RLIM_INFINITY))
with Pool(32, "few") as pool:
    futures = [pool.submit(lambda: threading.current_thread().name) for _ in range(100)]
    names = {future.result(30) for future in futures}
print(len(futures), len(names) < 32)
"""


@pytest.mark.parametrize("stacks", ["0.5", "3.5"])
def test_where_threads_are_few(stacks: str) -> None:
    """A process that may have few threads or none gets all its work done all the same."""
    done = subprocess.run([sys.executable, "-c", FEW, stacks], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "100 True\n"


def test_results_and_errors() -> None:
    """A future has what the call returned or raised."""
    with Pool(2, "test") as pool:
        assert pool.submit(divmod, 7, 2).result(PATIENCE_S) == (3, 1)
        assert isinstance(pool.submit(divmod, 7, 0).exception(PATIENCE_S), ZeroDivisionError)


def test_so_many_at_once() -> None:
    """As many calls run at once as the pool may have threads, and no more."""
    together = threading.Barrier(3)
    running, most = [], []

    def call() -> None:
        running.append(None)
        most.append(len(running))
        together.wait(PATIENCE_S)
        running.pop()

    with Pool(3, "test") as pool:
        for future in [pool.submit(call) for _ in range(9)]:
            future.result(PATIENCE_S)
    assert max(most) == 3


def test_threads_are_used_again() -> None:
    """One call after the other needs few threads, whatever the pool may have."""
    names = set()
    with Pool(32, "test") as pool:
        for _ in range(100):
            names.add(pool.submit(lambda: threading.current_thread().name).result(PATIENCE_S))
    assert len(names) < 32


def test_leaving_cancels() -> None:
    """What has not begun when the pool is left is cancelled; nothing more is taken, and waiting joins the threads."""
    begun, go_on = threading.Event(), threading.Event()

    def call() -> bool:
        begun.set()
        return go_on.wait(PATIENCE_S)

    with Pool(1, "test") as pool:
        first, second = pool.submit(call), pool.submit(call)
        assert begun.wait(PATIENCE_S)
    with pytest.raises(CancelledError):
        second.result(PATIENCE_S)
    with pytest.raises(RuntimeError, match="has ended"):
        pool.submit(call)
    go_on.set()
    pool.shutdown()
    assert first.result(0) is True


def test_stuck_thread_does_not_keep_the_process() -> None:
    """A process ends although a thread of the pool never does."""
    done = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")
