"""A test that never ends."""

import threading


def test_hangs() -> None:
    """Where it waits is shown."""
    wait_for_ever()


def wait_for_ever() -> None:
    """Nobody sets it."""
    threading.Event().wait()
