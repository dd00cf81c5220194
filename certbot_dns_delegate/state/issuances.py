"""Which certificates were ordered here and which were not, from one look at the logs to the next."""

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.state.sqlite import claim, format_of, unusable

BUSY_S = 30.0
"""Seconds to wait for another process that writes."""
VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS ours (tbs TEXT PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unknown (
    tbs TEXT PRIMARY KEY,
    domain TEXT NOT NULL,       -- that was asked for
    names TEXT NOT NULL,        -- JSON
    issuer TEXT NOT NULL,
    begins REAL NOT NULL,       -- seconds since the epoch
    ends REAL NOT NULL,
    link TEXT NOT NULL,
    since REAL NOT NULL         -- when we first saw it
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursor (source TEXT, domain TEXT, after TEXT NOT NULL, PRIMARY KEY (source, domain));
CREATE TABLE IF NOT EXISTS seen (source TEXT, domain TEXT, id TEXT, PRIMARY KEY (source, domain, id)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Stranger:
    """A certificate that was not ordered here."""

    tbs: str
    domain: str
    names: tuple[str, ...]
    issuer: str
    begins: float
    """Seconds since the epoch, as the other times."""
    ends: float
    link: str
    since: float


class Issuances:
    """The database."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """A connection, made once for many calls.

        :raises StateError: when the database cannot be used.
        """
        try:
            claim(self.path)
        except (OSError, SettingsError) as error:
            raise unusable(self.path, error) from None
        try:
            with closing(sqlite3.connect(self.path, timeout=BUSY_S)) as database:
                if format_of(database, VERSION) < VERSION:
                    database.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
                yield database
        except sqlite3.Error as error:
            raise unusable(self.path, error) from None

    @staticmethod
    def add_ours(database: sqlite3.Connection, hashes: Iterable[str]) -> None:
        """Remember certificates of ours: Certbot keeps only the last six of each lineage."""
        with database:
            now = time.time()
            database.executemany("INSERT OR IGNORE INTO ours VALUES (?, ?)", ((each, now) for each in hashes))
            database.execute("DELETE FROM unknown WHERE tbs IN (SELECT tbs FROM ours)")

    @staticmethod
    def is_ours(database: sqlite3.Connection, tbs: str) -> bool:
        return database.execute("SELECT 1 FROM ours WHERE tbs = ?", (tbs,)).fetchone() is not None

    @staticmethod
    def after(database: sqlite3.Connection, source: str, domain: str) -> str:
        """Where to go on with a domain; '' at first."""
        query = "SELECT after FROM cursor WHERE source = ? AND domain = ?"
        row = database.execute(query, (source, domain)).fetchone()
        return str(row[0]) if row else ""

    @staticmethod
    def seen(database: sqlite3.Connection, source: str, domain: str) -> Collection[str]:
        """The ids that were looked at, of a source that has no cursor."""
        query = "SELECT id FROM seen WHERE source = ? AND domain = ?"
        return {str(row[0]) for row in database.execute(query, (source, domain))}

    @staticmethod
    def record(
        database: sqlite3.Connection, source: str, domain: str, after: str, strangers: Iterable[Stranger]
    ) -> None:
        """Write down what one look at a domain has found, whole or not at all."""
        with database:
            database.executemany(
                "INSERT OR IGNORE INTO unknown VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (s.tbs, s.domain, json.dumps(s.names), s.issuer, s.begins, s.ends, s.link, s.since)
                    for s in strangers
                ),
            )
            database.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?)", (source, domain, after))
            rows = [(source, domain, each) for each in after.split("\n") if each]
            database.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", rows)

    @staticmethod
    def unknown(database: sqlite3.Connection, domain: str) -> list[Stranger]:
        """The certificates of a domain that were not ordered here and have not ended, oldest first."""
        with database:
            database.execute("DELETE FROM unknown WHERE ends < ?", (time.time(),))
        columns = "tbs, domain, names, issuer, begins, ends, link, since"
        query = f"SELECT {columns} FROM unknown WHERE domain = ? ORDER BY since, begins, tbs"  # noqa: S608  names of columns
        return [
            Stranger(tbs, of, tuple(map(str, json.loads(names))), issuer, begins, ends, link, since)
            for tbs, of, names, issuer, begins, ends, link, since in database.execute(query, (domain,))
        ]
