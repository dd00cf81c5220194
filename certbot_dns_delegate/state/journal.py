"""One run's journal: what was written and must go, on disk before any request leaves.

A file of JSON lines that only grows, each line synced: ``intended`` before a request, ``published`` or ``struck`` after
it, ``withdrawn`` at the end. A line torn by a crash was never followed by a request.
"""

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from io import FileIO
from pathlib import Path
from typing import Any

import dns.exception
import dns.name

from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.text import command_line, printable

log = logging.getLogger(__name__)

AGAIN_AFTER_S = 300
"""Seconds after which a write of unknown outcome can no longer be carried out: the fudge of its TSIG (RFC 8945 section
10). Until then it is withdrawn, but not forgotten."""


class State(StrEnum):
    """What is known about an entry."""

    INTENDED = "intended"
    """About to be sent: from here on it may have been written."""
    PUBLISHED = "published"
    """The provider has written it."""
    STRUCK = "struck"
    """Certainly not written."""
    WITHDRAWN = "withdrawn"
    """Taken away."""
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

    def __init__(self, path: Path, file: FileIO) -> None:
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

        Where that cannot be written, this run knows it all the same, and a later one withdraws the values once more,
        which is harmless: so a full disk never keeps anything from being withdrawn.
        """
        for number in numbers:
            self.entries[number] = (self.entries[number][0], state)
        try:
            self._append([{"number": number, "state": state} for number in numbers])
        except StateError as error:
            log.warning("%s", error)

    def close(self) -> None:
        """End the run: the file goes when nothing is left to withdraw, else it stays for a later one."""
        try:
            if not self.open_entries:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: %s", printable(str(self.path)), error.strerror)
        self._file.close()

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        # The line break comes first: it ends a line that a full disk may have torn.
        data = memoryview(b"".join(b"\n" + json.dumps(line).encode() for line in lines))
        try:
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StateError(
                f"{printable(str(self.path))}: {error.strerror}", command_line("df", self.path.parent)
            ) from None

    def load(self) -> None:
        """Read what an earlier run wrote; a line torn by a crash, or one that is no entry of ours, is passed over.

        :raises OSError: when the disk does not give it.
        """
        self._file.seek(0)
        for line in self._file.readall().splitlines():
            try:
                record = json.loads(line)
                number, state = int(record.pop("number")), State(record.pop("state"))
                entry = _entry(record) if state is State.INTENDED else self.entries[number][0]
                self.entries[number] = (entry, state)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                continue


def _entry(record: dict[str, Any]) -> Entry:
    """:raises ValueError, TypeError: when the record is not what :meth:`Journal.intend` writes."""
    for name in ("values", "before"):
        record[name] = tuple(record[name])
    entry = Entry(**record)
    texts = (entry.authenticator, entry.credentials, entry.delegate, entry.zone, entry.owner)
    if not all(isinstance(text, str) for text in (*texts, *entry.values, *entry.before)):
        raise TypeError
    if not isinstance(entry.written, int | float) or not 0 <= entry.written < 1e11:  # the year 5138
        raise TypeError
    try:
        zone, owner = dns.name.from_text(entry.zone, None), dns.name.from_text(entry.owner, None)
    except dns.exception.DNSException as error:
        raise ValueError from error
    if not (zone.is_absolute() and owner.is_subdomain(zone) and Path(entry.credentials).is_absolute()):
        raise ValueError
    return entry
