"""What was done, with timings: one row per event in a small database; its failure never stops an issuance."""

import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.files import make_private
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
    phase TEXT NOT NULL,        -- plan, publish, watch, withdraw
    outcome TEXT NOT NULL,      -- ok, or what happened instead
    identifier TEXT NOT NULL DEFAULT '',
    owner TEXT NOT NULL DEFAULT '',
    delegate TEXT NOT NULL DEFAULT '',
    milliseconds REAL NOT NULL DEFAULT 0,
    detail TEXT NOT NULL DEFAULT '{}'   -- JSON: chain, server, rcode, ttl, the server's own words
);
CREATE INDEX IF NOT EXISTS event_at ON event (at);
CREATE INDEX IF NOT EXISTS event_owner ON event (owner, at);
CREATE INDEX IF NOT EXISTS event_identifier ON event (identifier, at);
"""
VERSION = 1


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


class History:
    """The database; every failure is logged and swallowed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self, events: Iterable[Event]) -> None:
        """Add rows and drop those older than :data:`KEEP`."""
        with self._quietly("written"), self._open() as database, database:
            rows = [
                [*(getattr(event, column) for column in COLUMNS[:-1]), json.dumps(event.detail)] for event in events
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

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        make_private(self.path.parent)
        # Created before SQLite does, so that it is never readable by others.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        with closing(sqlite3.connect(self.path, timeout=BUSY_S)) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise sqlite3.DatabaseError(f"written by a newer version (format {version})")
            if version < VERSION:
                database.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            yield database

    @contextmanager
    def _quietly(self, verb: str) -> Iterator[None]:
        try:
            yield
        except NUISANCES as error:
            log.warning("history %s could not be %s: %s", printable(str(self.path)), verb, printable(str(error)))
