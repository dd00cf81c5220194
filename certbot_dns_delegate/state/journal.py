"""One run's journal: what was written and must go, kept before any request leaves.

A file of JSON lines that only grows, each line synced. The first line about an entry begins it, before its request
leaves; each later one adds a fact about it. A line torn by a crash was never followed by a request.
"""

import json
import logging
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any

from certbot_dns_delegate.errors import DelegateError, StateError
from certbot_dns_delegate.state.entry import FIELDS, Entry, Noted, State, entry_of, with_fact
from certbot_dns_delegate.state.files import Directory
from certbot_dns_delegate.text import command_line, printable

log = logging.getLogger(__name__)


class Journal:
    """One run's file; lines are added, never changed."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self._file = file
        self.records: dict[int, Noted] = {}
        self.is_understood = True
        """Whether :meth:`load` knew every line."""
        self._lock = threading.RLock()
        """Requests for several zones write down at once where they go."""

    @property
    def open_records(self) -> dict[int, Noted]:
        """What may still stand in DNS."""
        with self._lock:
            return {number: record for number, record in self.records.items() if record.is_open}

    @property
    def open_entries(self) -> dict[int, Entry]:
        """The same, without what is known since."""
        return {number: record.entry for number, record in self.open_records.items()}

    def state(self, number: int) -> State:
        return self.records[number].state

    def intend(self, entries: Sequence[Entry]) -> list[int]:
        """Write down what is about to be sent.

        :raises StateError: when it cannot be written; then nothing must be sent.
        """
        with self._lock:
            first = max(self.records, default=-1) + 1
            numbered = {first + index: entry for index, entry in enumerate(entries)}
            self._append([{"number": n, "state": State.INTENDED, **asdict(entry)} for n, entry in numbered.items()])
            self.records |= {number: Noted(entry) for number, entry in numbered.items()}
            return list(numbered)

    def add(self, numbers: Sequence[int], **fact: object) -> None:
        """Write down one more fact about entries.

        :raises StateError: when it cannot be written; then it is not known to this run either.
        """
        with self._lock:
            new = {number: with_fact(self.records[number], fact) for number in numbers}
            self._append([{"number": number, **fact} for number in numbers])
            self.records |= new

    def mark(self, numbers: Sequence[int], state: State) -> None:
        """Write down what became of entries, as :meth:`note`."""
        self.note(numbers, state=state)

    def note(self, numbers: Sequence[int], **fact: object) -> None:
        """Write down one more fact about entries, if that is possible.

        Where it is not, this run knows it all the same, and a later one withdraws the values once more, which is
        harmless: so a full disk never keeps anything from being withdrawn.
        """
        try:
            self.add(numbers, **fact)
        except StateError as error:
            log.warning("%s", error)
            with self._lock:
                self.records |= {number: with_fact(self.records[number], fact) for number in numbers}

    def leave(self, theirs: Mapping[tuple[str, str], frozenset[str]]) -> None:
        """Leave to living runs the values that they have written too, by zone and owner."""
        for number, entry in self.open_entries.items():
            shared = entry.ours & theirs.get((entry.zone, entry.owner), frozenset())
            if shared:
                self.note([number], left=sorted(shared))
            if shared == entry.ours:
                self.mark([number], State.WITHDRAWN)

    def close(self) -> None:
        """End the run: the file goes when nothing is left to withdraw, else it stays for a later one."""
        try:
            is_ours = NAME.fullmatch(self.path.name) is not None  # nobody else's empty file goes
            if is_ours and self.is_understood and not self.open_records and not self.is_closed:
                with Directory.open(self.path.parent, own=2, create=False) as directory:
                    directory.remove(self.path.name, self._file.fileno())
        except OSError as error:
            log.warning("%s: %s", printable(str(self.path)), error.strerror)
        except DelegateError as error:
            log.warning("%s", error)
        self.release()

    @property
    def is_closed(self) -> bool:
        """Whether this process has let it go."""
        return self._file.closed

    def release(self) -> None:
        """Let the lock go; the file stays."""
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
        """Read what an earlier run wrote; a line torn by a crash is passed over.

        A whole line that is none of ours (a newer version's, damaged, a stranger's) is passed over too, with the entry
        that it is about, and the file is then never removed.

        :raises OSError: when the disk does not give it.
        """
        self._file.seek(0)
        strange: set[int] = set()
        for line in self._file.readall().splitlines():
            if not line.strip():
                continue
            number: object = None
            try:
                fact = json.loads(line)
                number = fact.pop("number")
                if type(number) is not int:
                    raise TypeError
                if fact.keys() >= FIELDS:  # again with the same number: the first time the disk was full
                    if State(fact.pop("state")) is not State.INTENDED:
                        raise ValueError
                    self.records[number] = Noted(entry_of(fact))
                else:
                    self.records[number] = with_fact(self.records[number], fact)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                if not _is_torn(line, error):
                    self.is_understood = False
                    if type(number) is int:
                        strange.add(number)
        self.records = {number: record for number, record in self.records.items() if number not in strange}


NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-z]+\.json")
"""How a journal is called: when it was begun, and something that no other has."""
BEGIN = b'{"number": '
TORN = re.compile(r"(\.|[eE][+-]?|-|n|nu|nul|t|tr|tru|f|fa|fal|fals)?")
"""What of a number or a literal is no JSON yet."""


def _is_torn(line: bytes, error: Exception) -> bool:
    """Whether a line is the beginning of one of ours, and only lacks its end."""
    if line[: len(BEGIN)] != BEGIN[: len(line)] or not isinstance(error, json.JSONDecodeError):
        return False
    is_in_text = error.msg.startswith(("Unterminated string", "Invalid \\uXXXX escape", "Invalid \\escape"))
    return is_in_text or TORN.fullmatch(error.doc, error.pos) is not None
