"""Locks between processes: a file that is locked while something it stands for must not be touched by another."""

import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.text import command_line, printable

STEP = 0.2
"""Seconds between two attempts: flock cannot wait and be interrupted in a thread that is not the main one."""


class FileLock:
    """An exclusive lock, held from :meth:`acquire` until :meth:`release` or the end of the process.

    The file stays when the lock goes: removing it would let two processes lock two files of one name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._using = threading.Lock()
        """The end of a run gives locks back under the hands of threads that still have a request out; a descriptor
        that was closed is soon another file's."""

    def acquire(self, wait: Callable[[float], object], patience: float) -> bool:
        """Take the lock.

        :param wait: waits so many seconds; what it raises when the run ends instead is passed on.
        :param patience: seconds after which to give up.
        :returns: false when another process held it all the time.
        :raises StateError: when the file cannot be made.
        """
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self.path, flags, 0o600)
        except OSError as error:
            why = f"{printable(str(self.path))}: cannot be locked: {error.strerror}"
            raise StateError(why, command_line("ls", "-ld", self.path.parent)) from None
        until = time.monotonic() + patience
        is_held = False
        try:
            while not (is_held := self._try()) and time.monotonic() < until:
                wait(STEP)
        finally:
            if not is_held:
                self.release()
        return is_held

    @property
    def is_held(self) -> bool:
        """From :meth:`acquire` to :meth:`release`."""
        return self._descriptor is not None

    def _try(self) -> bool:
        assert self._descriptor is not None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def touch(self) -> None:
        """Remember this moment for whoever holds the lock next."""
        with self._using:
            if self._descriptor is not None:
                os.pwrite(self._descriptor, f"{time.time_ns()}\n".encode(), 0)  # not rounded: never after this moment

    def touched(self) -> float | None:
        """Seconds since the last :meth:`touch` of any process; None when there was none, or the clock was set back."""
        with self._using:
            text = b"" if self._descriptor is None else os.pread(self._descriptor, 30, 0)
        try:
            age = (time.time_ns() - int(text)) / 1e9
        except ValueError:
            return None
        return age if age >= 0 else None

    def release(self) -> None:
        """Give the lock back, if it is held."""
        with self._using:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
