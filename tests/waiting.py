"""Waiting for what another process or thread does."""

import threading
import time
from collections.abc import Callable

PATIENCE_S = 30
"""Seconds: what never comes is told from what comes late on a busy machine."""


def until(is_so: Callable[[], object]) -> bool:
    """Whether it comes to be so in time."""
    end = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(is_so())


class NoTime(threading.Event):
    """What a provider waits with, between its looks, where a test knows that waiting changes nothing."""

    def wait(self, timeout: float | None = None) -> bool:
        """At once."""
        return self.is_set()
