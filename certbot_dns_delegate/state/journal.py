"""One run's journal: what was written and must go, kept before any request leaves.

A file of JSON lines that only grows, each line synced. The first line about an entry begins it, before its request
leaves; each later one adds a fact about it. A line torn by a crash was never followed by a request.
"""

import json
import logging
import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from io import FileIO
from pathlib import Path
from typing import Any

import dns.exception
import dns.name

from certbot_dns_delegate.errors import DelegateError, StateError
from certbot_dns_delegate.state.files import Directory
from certbot_dns_delegate.text import command_line, printable

log = logging.getLogger(__name__)

AGAIN_AFTER_S = 300
"""Seconds after which a signed request can no longer be carried out: the fudge of its TSIG (RFC 8945 section 10)."""
DAY_S = 86_400
"""Seconds after which no write is expected to appear any more, where no shorter time is known: an unsigned request that
waits somewhere, a secondary whose zone has a longer refresh."""
BACK_OFF_S = 600
"""Seconds between the first and the second try of later runs at what a dead run left; each further wait is twice as
long, up to a day."""
ENTRY_FIELDS = frozenset({"authenticator", "credentials", "delegate", "zone", "owner", "values", "before", "written"})
"""What every line has that begins an entry; later versions may add more."""


class State(StrEnum):
    """What is known about an entry."""

    INTENDED = "intended"
    """About to be sent: from here on it may have been written."""
    PUBLISHED = "published"
    """The provider has written it."""
    STRUCK = "struck"
    """Certainly not written."""
    WITHDRAWN = "withdrawn"
    """Taken away, or seen to be nowhere."""
    DOUBTFUL = "doubtful"
    """Withdrawn while its write could still arrive."""
    FORGOTTEN = "forgotten"
    """The operator has ended it (``sweep --forget``); the value may stay in DNS."""


IN_DOUBT = frozenset({State.INTENDED, State.DOUBTFUL})
"""Nobody has said that it was written."""
OVER = frozenset({State.STRUCK, State.WITHDRAWN, State.FORGOTTEN})
"""There is nothing left to do."""


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
    late_s: float = AGAIN_AFTER_S
    """How long after that it may still be carried out."""
    refresh_s: float = DAY_S
    """How long a secondary of the zone may need to have it, or to have lost it: the refresh of its SOA."""
    servers: tuple[str, ...] | None = None
    """The authoritative servers that would serve it, as ``address@port``; None where they are not known."""
    server: str = ""
    """The update server that it was sent to, in the same form, where the delegate has several."""

    @property
    def ours(self) -> frozenset[str]:
        return frozenset(self.values) - frozenset(self.before)

    @property
    def settled(self) -> float:
        """From when on a look shows whether it is there to stay, seconds since the epoch."""
        return self.written + max(self.late_s, min(self.refresh_s, DAY_S))

    def may_arrive(self, now: float) -> bool:
        """Whether the request may still be carried out."""
        # By its amount: a clock that was set back must not keep an entry for ever.
        return abs(now - self.written) < self.late_s

    def waits(self, now: float) -> bool:
        """Whether a look would be too early."""
        return abs(now - self.written) < self.settled - self.written


@dataclass(frozen=True)
class Noted:
    """An entry, and what became of it since."""

    entry: Entry
    state: State = State.INTENDED
    tries: int = 0
    """How often later runs have tried in vain to take it away."""
    tried: float = 0.0
    """When they last did, seconds since the epoch."""
    told: bool = False
    """Whether it was said that it cannot be taken away."""
    absent: float = 0.0
    """When all servers were last seen without it, seconds since the epoch; 0: they were not."""

    @property
    def is_open(self) -> bool:
        """Whether it may still stand in DNS."""
        return self.state not in OVER

    @property
    def is_in_doubt(self) -> bool:
        return self.state in IN_DOUBT

    def is_due(self, now: float) -> bool:
        """Whether a later run shall try again."""
        wait_s = min(BACK_OFF_S * 2.0 ** (self.tries - 1), DAY_S) if self.tries else 0.0
        return abs(now - self.tried) >= wait_s


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
            new = {number: _with(self.records[number], fact) for number in numbers}
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
                self.records |= {number: _with(self.records[number], fact) for number in numbers}

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
            if self.is_understood and not self.open_records and not self.is_closed:
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
                if fact.keys() >= ENTRY_FIELDS:  # again with the same number: the first time the disk was full
                    if State(fact.pop("state")) is not State.INTENDED:
                        raise ValueError
                    self.records[number] = Noted(_entry(fact))
                else:
                    self.records[number] = _with(self.records[number], fact)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                if not _is_torn(line, error):
                    self.is_understood = False
                    if type(number) is int:
                        strange.add(number)
        self.records = {number: record for number, record in self.records.items() if number not in strange}


BEGIN = b'{"number": '
TORN = re.compile(r"(\.|[eE][+-]?|-|n|nu|nul|t|tr|tru|f|fa|fal|fals)?")
"""What of a number or a literal is no JSON yet."""


def _is_torn(line: bytes, error: Exception) -> bool:
    """Whether a line is the beginning of one of ours, and only lacks its end."""
    if line[: len(BEGIN)] != BEGIN[: len(line)] or not isinstance(error, json.JSONDecodeError):
        return False
    is_in_text = error.msg.startswith(("Unterminated string", "Invalid \\uXXXX escape", "Invalid \\escape"))
    return is_in_text or TORN.fullmatch(error.doc, error.pos) is not None


def _with(record: Noted, fact: Mapping[str, Any]) -> Noted:
    """The record with one more fact.

    :raises ValueError, TypeError: when it is none that we write.
    """
    ((name, value),) = fact.items()
    if name == "state":
        return replace(record, state=State(value))
    entry = record.entry
    if name == "server":
        return replace(record, entry=replace(entry, server=_text(value)))
    if name == "left":
        return replace(record, entry=replace(entry, before=(*entry.before, *map(_text, value))))
    if name == "tried":
        return replace(record, tries=record.tries + 1, tried=_moment(value))
    if name == "told":
        return replace(record, told=bool(value))
    if name == "absent":
        return replace(record, absent=_moment(value))
    raise ValueError(name)


def _entry(fields: dict[str, Any]) -> Entry:
    """:raises ValueError, TypeError: when the fields are not what :meth:`Journal.intend` writes."""
    for name in ("values", "before"):
        fields[name] = tuple(map(_text, fields[name]))
    if fields.get("servers") is not None:
        fields["servers"] = tuple(map(_text, fields["servers"]))
    entry = Entry(**fields)
    for text in (entry.authenticator, entry.credentials, entry.delegate, entry.zone, entry.owner, entry.server):
        _text(text)
    for moment in (entry.written, entry.late_s, entry.refresh_s):
        _moment(moment)
    try:
        zone, owner = dns.name.from_text(entry.zone, None), dns.name.from_text(entry.owner, None)
    except dns.exception.DNSException as error:
        raise ValueError from error
    if not (zone.is_absolute() and owner.is_subdomain(zone) and Path(entry.credentials).is_absolute()):
        raise ValueError
    return entry


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _moment(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:  # the year 5138
        raise TypeError
    return float(value)
