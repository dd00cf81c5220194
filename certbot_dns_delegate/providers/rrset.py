"""Change single values where a service writes whole RRsets: read, merge, write, look again.

No such API has a conditional write, so hosts can overwrite each other's values. Writers of one host take turns by a
lock; what another host overwrote is missing when the RRset is read back, and the change is made again.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import SystemRandom
from typing import Protocol

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, Refused, WriteError
from certbot_dns_delegate.state.locks import FileLock
from certbot_dns_delegate.text import command_line, printable, show_all

TRIES = 3
"""Writes of one change, when what was written does not stay."""
PAUSE = 1.0
"""Seconds before another write, multiplied by chance, so that two hosts do not keep in step."""

PATIENCE = 300.0
"""Seconds to wait for this host's other writers of the zone: twice what the waits of one request may add up to."""

_chance = SystemRandom()


class Contended(Refused):
    """Somebody else changed the RRset between our look and our write; nothing was written."""


@dataclass(frozen=True)
class Record:
    """One TXT record as the service spells it."""

    content: str
    """In master file form, with its quotes."""
    is_disabled: bool = False
    """Kept by the service but not served (PowerDNS)."""


@dataclass(frozen=True)
class Held:
    """The TXT RRset of one owner as the service holds it; its default is one that does not exist."""

    records: tuple[Record, ...] = ()
    ttl: int = 0
    """Seconds."""

    def extended(self, values: frozenset[str], ttl: int) -> "Held":
        """With ``values``; ``ttl`` is for an RRset that does not exist yet."""
        ours = {in_quotes(value) for value in values}
        if ours <= {record.content for record in self.records if not record.is_disabled}:
            return self
        kept = tuple(r for r in self.records if r.content not in ours or not r.is_disabled)
        missing = sorted(ours - {record.content for record in kept})
        return Held((*kept, *map(Record, missing)), self.ttl if self.records else ttl)

    def pruned(self, values: frozenset[str]) -> "Held":
        """Without ``values``."""
        ours = {in_quotes(value) for value in values}
        kept = tuple(record for record in self.records if record.content not in ours)
        return self if kept == self.records else Held(kept, self.ttl)


@dataclass(frozen=True)
class Change:
    """What one write makes of one RRset."""

    before: Held
    after: Held


class Store(Protocol):
    """One zone at a service that holds RRsets."""

    def read(self, owners: Collection[Name]) -> Mapping[Name, Held]:
        """The TXT RRset of each owner."""

    def write(self, changes: Mapping[Name, Change]) -> None:
        """Make all changes, or none.

        :raises Contended: when the RRset is no longer what it was.
        """


def edit(
    store: Store,
    owners: Collection[Name],
    change: Callable[[Name, Held], Held],
    *,
    lock: Path,
    wait: Callable[[float], object],
) -> None:
    """Write until a look shows that nothing is left to change.

    :param change: what an RRset is to become; the same for one that it made.
    :param lock: the file of :func:`lock_file`.
    :param wait: waits so many seconds; raises a DelegateError when the run is being ended.
    :raises Refused: when certainly nothing was written.
    :raises OutcomeUnknown: when something may have been.
    """

    def look() -> dict[Name, Change]:
        changes = {owner: Change(held, change(owner, held)) for owner, held in store.read(owners).items()}
        return {owner: c for owner, c in changes.items() if c.after != c.before}

    is_written = False
    trouble: WriteError | None = None
    pause = 0.0
    with locked(lock, wait):
        for _ in range(TRIES):
            try:
                if pause:
                    wait(pause)
                changes = look()
                if not changes:
                    return
                store.write(changes)
                is_written, trouble = True, None
            except Contended as error:
                # What to write has to be looked up again; there is nothing to wait for.
                trouble = error
                continue
            except OutcomeUnknown as error:
                # Whether it was done shows in the next look, so nothing is repeated blindly.
                is_written, trouble = True, error
            except DelegateError as error:
                raise _outcome(error, is_written=is_written) from None
            try:
                if not look():
                    return
            except DelegateError as error:
                raise _outcome(trouble or error, is_written=True) from None
            pause = PAUSE * _chance.uniform(0.2, 1)
    if trouble:
        raise _outcome(trouble, is_written=is_written)
    problem = f"what was written at {show_all(changes)} does not stay: another program overwrites it"
    raise OutcomeUnknown(problem, "let each host write at a target of its own")


def _outcome(error: DelegateError, *, is_written: bool) -> DelegateError:
    """The error, saying no less than is true after an earlier write."""
    if is_written and not isinstance(error, OutcomeUnknown):
        return OutcomeUnknown(error.problem, error.hint)
    return error


def in_quotes(value: str) -> str:
    """A value as a TXT record's content. A dns-01 value has no character that would need an escape (RFC 8555 8.4)."""
    return f'"{value}"'


def lock_file(state: Path, provider: str, url: str, zone: Name) -> Path:
    """The file that one host's writers of one zone lock, whatever delegate they write for."""
    of = sha256(f"{url} {zone.canonicalize()}".encode()).hexdigest()
    return state / f"{provider}-{of[:16]}.lock"


@contextmanager
def locked(path: Path, wait: Callable[[float], object]) -> Iterator[None]:
    """Hold the lock ``path`` against other threads and processes; it falls with the process.

    :param wait: waits so many seconds; raises a DelegateError when the run is being ended.
    :raises Refused: when others held it for :data:`PATIENCE`.
    """
    lock = FileLock(path)
    if not lock.acquire(wait, PATIENCE):
        raise Refused(
            f"another process has held {printable(str(path))} all the time", command_line("fuser", "-v", path)
        )
    try:
        yield
    finally:
        lock.release()
