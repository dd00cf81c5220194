"""What one order at a time may use: held from its first write until its validation is over."""

import hashlib
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from certbot_dns_delegate.errors import Refused, StateError
from certbot_dns_delegate.state.files import create_private, make_private
from certbot_dns_delegate.state.locks import FileLock
from certbot_dns_delegate.text import command_line, printable

PATIENCE = 600.0
"""Seconds to wait for another order: its own watching (60 s by default) and the CA's validation, several times over."""


@dataclass
class Hold:
    """A thing while this process has it."""

    lock: FileLock
    values: set[str] = field(default_factory=set)
    """Sent since it was taken."""
    busy: threading.Lock = field(default_factory=threading.Lock)


class Holds:
    """The things that one provider instance has, each by its key.

    :param directories: where the lock files go: the first that can be made and written, by nobody else.
    :param wait: waits so many seconds; raises a DelegateError when the run is being ended.
    """

    def __init__(self, directories: Sequence[Path], wait: Callable[[float], object]) -> None:
        self._directories = directories
        self._wait = wait
        self._holds: dict[Hashable, Hold] = {}
        self._lock = threading.Lock()
        self._taking = threading.Lock()

    def take(self, keys: Iterable[Hashable], taken: list[Hashable]) -> dict[Hashable, Hold]:
        """Have all of ``keys``, waiting for other processes.

        :param taken: gets those that this call took, also when it fails.
        :raises Refused: when another order keeps one for :data:`PATIENCE`.
        """
        # In one order everywhere, so that two processes do not wait for each other in a circle.
        return {key: self._take(key, taken) for key in sorted(keys, key=str)}

    def release(self, keys: Iterable[Hashable] | None = None) -> None:
        """Give back ``keys``, as far as they are held; None: all."""
        with self._lock:
            for key in list(self._holds if keys is None else keys):
                hold = self._holds.pop(key, None)
                if hold is not None:
                    hold.lock.release()

    def _take(self, key: Hashable, taken: list[Hashable]) -> Hold:
        with self._taking:  # not self._lock: while this waits, others release
            with self._lock:
                if key in self._holds:
                    return self._holds[key]
            name = hashlib.sha256(repr(key).encode()).hexdigest()[:16] + ".lock"
            lock = FileLock(self._path(name))
            if not lock.acquire(self._wait, PATIENCE):
                problem = f"another order uses an account of this one, and did for {PATIENCE:g} s"
                raise Refused(problem, command_line("fuser", "-v", lock.path))
            taken.append(key)
            with self._lock:
                return self._holds.setdefault(key, Hold(lock))

    def _path(self, name: str) -> Path:
        for directory in self._directories:
            try:
                make_private(directory)
                create_private(directory / name)
            except (OSError, StateError):
                continue  # a read-only mount, where no other host writes either; or others could put files there
            return directory / name
        first = self._directories[0]
        raise StateError(f"{printable(str(first))}: cannot be made", command_line("ls", "-ld", first.parent))
