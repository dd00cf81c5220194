"""What was done, with timings: one row per event in a small database; its failure never stops an issuance."""

import json
import logging
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from certbot_dns_delegate.errors import DelegateError, SettingsError
from certbot_dns_delegate.state.sqlite import claim, format_of, unusable
from certbot_dns_delegate.text import printable

log = logging.getLogger(__name__)

KEEP = timedelta(days=365)
"""How long rows are kept: one lineage's renewals of a year can then be compared."""
BUSY_S = 10.0
"""Seconds to wait for another process that writes."""

COLUMNS = ("at", "run", "phase", "outcome", "identifier", "owner", "delegate", "milliseconds", "detail")
NUISANCES = (
    sqlite3.Error,
    OSError,
    DelegateError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What a full disk, a damaged file or a hostile row can raise; not Exception, since Certbot's signals are one."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,           -- seconds since the epoch
    run TEXT NOT NULL,
    phase TEXT NOT NULL,        -- plan, publish, watch, witness, validate, withdraw
    outcome TEXT NOT NULL,      -- ok, or what happened instead
    identifier TEXT NOT NULL DEFAULT '',
    owner TEXT NOT NULL DEFAULT '',
    delegate TEXT NOT NULL DEFAULT '',
    milliseconds REAL NOT NULL DEFAULT 0,
    detail TEXT NOT NULL DEFAULT '{}'   -- JSON: chain, server, rcode, ttl, the server's or the CA's own words
);
CREATE INDEX IF NOT EXISTS event_at ON event (at);
CREATE INDEX IF NOT EXISTS event_owner ON event (owner, at);
CREATE INDEX IF NOT EXISTS event_identifier ON event (identifier, at);
CREATE INDEX IF NOT EXISTS event_run ON event (run);
CREATE INDEX IF NOT EXISTS event_failed ON event (at) WHERE outcome <> 'ok';
"""
VERSION = 2


def new_run() -> str:
    """A name for a run: when it began, and something that no other run has."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Event:
    """One thing that was done."""

    run: str
    phase: str
    outcome: str
    identifier: str = ""
    owner: str = ""
    delegate: str = ""
    milliseconds: float = 0.0
    detail: dict[str, Any] = field(default_factory=dict)
    at: float = field(default_factory=time.time)


MOST_TEXT = 2000
"""Characters of one text of a row: more is what a server made up, and each order would keep it for a year."""
MOST_PARTS = 64
"""Parts of one list in a row, as the servers of a zone."""


def capped(detail: Any) -> Any:
    """What is kept of a row's details: others wrote some of it, and could make it as long as they like."""
    if isinstance(detail, str):
        return detail if len(detail) <= MOST_TEXT else detail[: MOST_TEXT - 3] + "..."
    if isinstance(detail, dict):
        return {capped(key): capped(value) for key, value in list(detail.items())[:MOST_PARTS]}
    return [capped(each) for each in detail[:MOST_PARTS]] if isinstance(detail, list | tuple) else detail


FAILED = "failed"
"""As an outcome to look for: every one but ok."""
MOST_TARGETS = 16
"""Different targets of one certificate name that are looked for; it has one at a time."""


@dataclass(frozen=True)
class Selection:
    """Which rows to read."""

    names: tuple[str, ...] = ()
    """Certificate names or owner names; none: all."""
    since: float | None = None
    until: float | None = None
    """Seconds since the epoch."""
    outcome: str | None = None
    """One outcome, or :data:`FAILED`."""
    before: int | None = None
    """Only rows older than the one with this number: the last of the page before."""


class History:
    """The database; every failure is logged and swallowed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self, events: Iterable[Event]) -> None:
        """Add rows and drop those older than :data:`KEEP`."""
        with self._quietly("written"), self._open() as database, database:
            rows = [
                [*(getattr(event, column) for column in COLUMNS[:-1]), json.dumps(capped(event.detail))]
                for event in events
            ]
            database.executemany(
                f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})",  # noqa: S608  ours
                rows,
            )
            database.execute("DELETE FROM event WHERE at < ?", (time.time() - KEEP.total_seconds(),))

    def last_withdrawn(self, owners: Iterable[str]) -> dict[str, tuple[float, int]]:
        """When values of ours were last taken from each owner (seconds since the epoch), and the TTL they had."""
        found: dict[str, tuple[float, int]] = {}
        with self._quietly("read"), self._open() as database:
            for owner in owners:
                query = "SELECT at, detail FROM event WHERE owner = ? AND phase = 'withdraw' ORDER BY at DESC LIMIT 1"
                for at, detail in database.execute(query, (owner,)):
                    found[owner] = (at, int(json.loads(detail).get("ttl", 0)))
        return found

    def page(self, wanted: Selection, most: int) -> list[tuple[int, Event]]:
        """The newest ``most`` rows that are wanted, each with its number, newest first.

        Each part of the question walks one index from where the page begins, so a page costs the same in any size.

        :raises StateError: when the database is damaged, of a newer version, or not ours to read.
        """
        if not self._is_there():
            return []
        try:
            with self._read() as database:
                begin = ()
                if wanted.before is not None:
                    begin = database.execute("SELECT at, id FROM event WHERE id = ?", (wanted.before,)).fetchone() or ()
                    if not begin:
                        return []
                terms = _terms(database, wanted.names) if wanted.names else [("", "")]
                parts = [database.execute(*_select(wanted, *term, begin, most)).fetchall() for term in terms]
        except (sqlite3.Error, OSError, SettingsError) as error:
            raise unusable(self.path, error) from None
        rows = {row[0]: row for part in parts for row in part}
        newest = sorted(rows.values(), key=lambda row: (row[1], row[0]), reverse=True)[:most]
        return [(row[0], _event(row)) for row in newest]

    def last_planned(self, identifiers: Sequence[str]) -> dict[str, float]:
        """When each certificate name was last planned without a problem, seconds since the epoch.

        :raises StateError: as :meth:`page`.
        """
        query = (
            "SELECT at FROM event WHERE identifier = ? AND phase = 'plan' AND outcome = 'ok' ORDER BY at DESC LIMIT 1"
        )
        if not self._is_there():
            return {}
        try:
            with self._read() as database:
                found = ((name, database.execute(query, (name,)).fetchone()) for name in identifiers)
                return {name: float(row[0]) for name, row in found if row is not None}
        except (sqlite3.Error, OSError, SettingsError) as error:
            raise unusable(self.path, error) from None

    def _is_there(self) -> bool:
        try:
            # One without an octet was begun when the disk was full; the next row makes the rest.
            return self.path.stat().st_size > 0
        except FileNotFoundError:
            return False
        except OSError as error:
            raise unusable(self.path, error) from None

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        claim(self.path, create=False)
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as database:
            format_of(database, VERSION)
            yield database

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        claim(self.path)
        with closing(sqlite3.connect(self.path, timeout=BUSY_S)) as database:
            if format_of(database, VERSION) < VERSION:
                database.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            yield database

    @contextmanager
    def _quietly(self, verb: str) -> Iterator[None]:
        try:
            yield
        except NUISANCES as error:
            why = printable("; ".join(str(error).splitlines()))
            log.warning("history %s could not be %s: %s", printable(str(self.path)), verb, why)


def _terms(database: sqlite3.Connection, names: Iterable[str]) -> list[tuple[str, str]]:
    """Where rows about names are found: planned for the name, or written at it or at a target it had; and, since a
    watch is of a whole zone, what was seen in the runs of these."""
    columns: dict[tuple[str, str], None] = {}
    for name in names:
        bare = name.rstrip(".").removeprefix("*.").lower()
        columns |= {("identifier", bare): None, ("owner", f"{bare}."): None}
        # A certificate name has few targets, and the newest of many rows show them.
        newest = "SELECT owner FROM event WHERE identifier = ? ORDER BY at DESC LIMIT 1000"
        owners = dict.fromkeys(owner for (owner,) in database.execute(newest, (bare,)))
        columns |= dict.fromkeys(("owner", owner) for owner in list(owners)[:MOST_TARGETS])
    runs = "SELECT run FROM event WHERE {} = ? ORDER BY at DESC LIMIT 1000"
    watches = [(f"phase = 'watch' AND run IN ({runs.format(column)})", name) for column, name in columns]
    return [*((f"{column} = ?", name) for column, name in columns), *watches]


def _select(wanted: Selection, match: str, name: str, begin: Sequence[float], most: int) -> tuple[str, list[Any]]:
    terms: list[str] = []
    values: list[Any] = []

    def term(text: str, *parameters: Any) -> None:
        terms.append(text)
        values.extend(parameters)

    if match:
        term(match, name)
    if begin:
        term("(at < ? OR (at = ? AND id < ?))", begin[0], begin[0], begin[1])
        term("at <= ?", begin[0])
    if wanted.since is not None:
        term("at >= ?", wanted.since)
    if wanted.until is not None:
        term("at <= ?", wanted.until)
    if wanted.outcome is not None and wanted.outcome != "ok":
        term("outcome <> 'ok'")  # spelled as the partial index has it
    if wanted.outcome is not None and wanted.outcome != FAILED:
        term("outcome = ?", wanted.outcome)
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    columns = "id, at, run, phase, outcome, identifier, owner, delegate, milliseconds, detail"
    return f"SELECT {columns} FROM event{where} ORDER BY at DESC, id DESC LIMIT ?", [*values, most]  # noqa: S608  names of columns, all ours


def _event(row: Sequence[Any]) -> Event:
    _, at, run, phase, outcome, identifier, owner, delegate, milliseconds, detail = row
    try:
        known = json.loads(detail)
    except (ValueError, RecursionError):
        known = {}
    is_ours = isinstance(known, dict)
    return Event(run, phase, outcome, identifier, owner, delegate, milliseconds, known if is_ours else {}, at)
