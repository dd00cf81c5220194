"""What was written and must go: one small journal per run, on disk before any request leaves.

A journal is a file of JSON lines that only grows, each line synced: ``intended`` before a request, ``published`` or
``struck`` after it, ``withdrawn`` at the end. A run is alive while it holds the lock on its journal; process ids would
not do across containers. A line torn by a crash was never followed by a request.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.files import check_trusted
from certbot_dns_delegate.text import printable, quoted

AGAIN_AFTER_S = 300
"""Seconds after which a write of unknown outcome can no longer be carried out: the fudge of its TSIG (RFC 8945 section
10). Until then it is withdrawn, but not forgotten."""


class State(StrEnum):
    """What is known about an entry."""

    INTENDED = "intended"
    PUBLISHED = "published"
    STRUCK = "struck"
    """Certainly not written."""
    WITHDRAWN = "withdrawn"
    DOUBTFUL = "doubtful"
    """Withdrawn while its write could still arrive."""


@dataclass(frozen=True)
class Entry:
    """The values of one owner: enough to take them away without any look-up. No secret."""

    authenticator: str
    credentials: str
    delegate: str
    zone: str
    owner: str
    values: tuple[str, ...]
    before: tuple[str, ...] = ()
    """Those of them that were there before us: they stay."""
    written: float = field(default_factory=time.time)
    """When the request was about to leave, seconds since the epoch."""

    @property
    def ours(self) -> frozenset[str]:
        return frozenset(self.values) - frozenset(self.before)


class Journal:
    """One run's file; lines are added, never changed."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self.entries: dict[int, tuple[Entry, State]] = {}

    @property
    def open_entries(self) -> dict[int, Entry]:
        """What may still stand in DNS."""
        gone = {State.STRUCK, State.WITHDRAWN}
        return {number: entry for number, (entry, state) in self.entries.items() if state not in gone}

    def state(self, number: int) -> State:
        return self.entries[number][1]

    def intend(self, entries: Sequence[Entry]) -> list[int]:
        """Write down what is about to be sent.

        :raises StateError: when it cannot be written; then nothing must be sent.
        """
        first = max(self.entries, default=-1) + 1
        numbered = {first + index: entry for index, entry in enumerate(entries)}
        self._append([{"number": n, "state": State.INTENDED, **asdict(entry)} for n, entry in numbered.items()])
        self.entries |= {number: (entry, State.INTENDED) for number, entry in numbered.items()}
        return list(numbered)

    def mark(self, numbers: Sequence[int], state: State) -> None:
        """Write down what became of entries.

        :raises StateError: when it cannot be written.
        """
        self._append([{"number": number, "state": state} for number in numbers])
        for number in numbers:
            self.entries[number] = (self.entries[number][0], state)

    def close(self) -> None:
        """End the run: the file goes when nothing is left to withdraw, else it stays for a later one."""
        if not self.open_entries:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        # The line break comes first: it ends a line that a full disk may have torn.
        data = b"".join(b"\n" + json.dumps(line).encode() for line in lines)
        try:
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StateError(
                f"{printable(str(self.path))}: {error.strerror}", f"df {quoted(self.path.parent)}"
            ) from None

    def load(self) -> None:
        """Read what an earlier run wrote; a torn last line, or one that is no entry of ours, is passed over."""
        self._file.seek(0)
        for line in self._file.read().splitlines():
            try:
                record = json.loads(line)
                number, state = int(record.pop("number")), State(record.pop("state"))
                if state is State.INTENDED:
                    for name in ("values", "before"):
                        record[name] = tuple(map(str, record[name]))
                    self.entries[number] = (Entry(**record), state)
                else:
                    self.entries[number] = (self.entries[number][0], state)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue


class Pending:
    """The directory of all journals."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def start(self) -> Journal:
        """A journal for a new run, locked as long as this process holds it.

        :raises StateError: when the directory cannot be used.
        """
        try:
            with self._locked():
                path = self.directory / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}.json"
                file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "r+b")
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _sync(self.directory)
        except OSError as error:
            where = printable(str(self.directory))
            raise StateError(
                f"{where}: {error.strerror}", f"ls -ld {quoted(self.directory)}; df {quoted(self.directory)}"
            ) from None
        return Journal(path, file)

    def adopt_dead(self) -> list[Journal]:
        """The journals of runs that are no longer alive, locked for us; empty ones are removed."""
        journals = []
        with self._locked():
            for path in sorted(self.directory.glob("*.json")):
                try:
                    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), "r+b")
                except OSError:
                    continue
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    file.close()  # alive
                    continue
                check_trusted(path, os.fstat(file.fileno()))
                journal = Journal(path, file)
                journal.load()
                if journal.open_entries:
                    journals.append(journal)
                else:
                    journal.close()
        return journals

    def alive(self, mine: Sequence[Journal]) -> Iterator[Entry]:
        """What runs that are still alive have written, except those in ``mine``."""
        own = {journal.path for journal in mine}
        return self._read(lambda path, file: path not in own and _is_locked(file))

    def all_open(self) -> Iterator[Entry]:
        """What any run, alive or dead, has written and not withdrawn."""
        return self._read(lambda *_: True)

    def _read(self, wanted: Callable[[Path, BinaryIO], bool]) -> Iterator[Entry]:
        for path in self.directory.glob("*.json"):
            try:
                with path.open("r+b") as file:
                    if wanted(path, file):
                        journal = Journal(path, file)
                        journal.load()
                        yield from journal.open_entries.values()
            except OSError:
                continue  # withdrawn and removed meanwhile

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Between creating a journal and locking it nobody may take it for dead."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self.directory.stat()
        if status.st_uid not in {0, os.geteuid()} or status.st_mode & 0o022:
            where = printable(str(self.directory))
            raise StateError(f"{where}: somebody else may write there", f"chmod 700 {quoted(self.directory)}")
        descriptor = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _is_locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
