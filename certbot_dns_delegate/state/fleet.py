"""What is known of many names from one look to the next: their state, since when, and whether they were ever here."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import NamedTuple

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.state.sqlite import claim, format_of, unusable

BUSY_S = 30.0
"""Seconds to wait for another process that writes."""
AT_ONCE = 500
"""Names in one question to the database: below SQLite's oldest limit of 999 parameters."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS name (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    since REAL NOT NULL,        -- seconds since the epoch
    looked REAL NOT NULL,
    delegated REAL,             -- since when its chain leads to us, or led before it was taken away
    arrived INTEGER NOT NULL,   -- whether its addresses were ever ours
    away REAL                   -- since when they are not; NULL: they are, or it is not known
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pass (started REAL PRIMARY KEY, finished REAL);
-- of the file that the unfinished pass writes: how much of it belongs to what is recorded here; 0: it writes none
CREATE TABLE IF NOT EXISTS output (octets INTEGER NOT NULL, rows INTEGER NOT NULL);
"""
VERSION = 2
UNDELEGATED = "undelegated"
"""The state of a name whose chain led to us and does so no more."""
COLUMNS = "name, state, since, looked, delegated, arrived, away"

Networks = Sequence[IPv4Network | IPv6Network]


class Known(NamedTuple):
    """One name at the last look; as :data:`COLUMNS` behind the name. Fleets have many."""

    state: str = ""
    since: float = 0.0
    looked: float = 0.0
    delegated: float | None = None
    arrived: bool = False
    away: float | None = None

    def with_addresses(self, addresses: Iterable[str], ours: Networks, now: float) -> "Known":
        """What is known after a look at the addresses of the name."""
        return self.seen(now, is_here=is_here(addresses, ours))

    def seen(self, now: float, *, is_here: bool) -> "Known":
        """What is known after a look that has shown whether one of the addresses of the name is ours."""
        if not is_here:
            return self if self.away is not None else self._replace(away=now)
        return self if self.arrived and self.away is None else self._replace(arrived=True, away=None)

    def with_state(self, state: str, now: float, *, is_delegated: bool) -> "Known":
        """What is known after a look at the chain of the name."""
        since = self.since if state == self.state else now
        is_back = is_delegated and (self.delegated is None or self.state == UNDELEGATED)
        return Known(state, since, now, now if is_back else self.delegated, self.arrived, self.away)


class Unfinished(NamedTuple):
    """A pass over the names that was interrupted."""

    started: float
    """Seconds since the epoch."""
    octets: int = 0
    """Of the file of rows, as far as they are recorded."""
    rows: int = 0


def is_here(addresses: Iterable[str], ours: Networks) -> bool:
    """Whether one of the addresses is ours."""
    return any(ip_address(address) in network for address in addresses for network in ours)


class Fleet:
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
    def known(database: sqlite3.Connection, names: Sequence[str]) -> dict[str, Known]:
        """What was known of names; those never looked at are not there."""
        found: dict[str, Known] = {}
        for begin in range(0, len(names), AT_ONCE):
            part = names[begin : begin + AT_ONCE]
            marks = ",".join("?" * len(part))
            query = f"SELECT {COLUMNS} FROM name WHERE name IN ({marks})"  # noqa: S608  names of columns and question marks, all ours
            found |= {row[0]: Known._make(row[1:]) for row in database.execute(query, part)}
        return found

    @staticmethod
    def record(
        database: sqlite3.Connection, names: Mapping[str, Known], written: tuple[int, int] | None = None
    ) -> None:
        """Write down what is known now.

        :param written: octets and rows of the file of rows by now, as `Unfinished` has them.
        """
        with database:
            database.executemany(
                f"INSERT OR REPLACE INTO name ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  names of columns and question marks, all ours
                [(name, *known) for name, known in names.items()],
            )
            if written is not None:
                database.execute("INSERT OR REPLACE INTO output (rowid, octets, rows) VALUES (1, ?, ?)", written)

    @staticmethod
    def unfinished(database: sqlite3.Connection) -> Unfinished | None:
        """The pass over the names that was interrupted, if one was."""
        row = database.execute("SELECT started FROM pass WHERE finished IS NULL ORDER BY started DESC").fetchone()
        output = database.execute("SELECT octets, rows FROM output").fetchone()
        return None if row is None else Unfinished(float(row[0]), *(output or ()))

    @staticmethod
    def begin(database: sqlite3.Connection) -> float:
        """Begin a new pass over the names; the moment."""
        now = time.time()
        with database:
            database.execute("DELETE FROM pass")
            database.execute("DELETE FROM output")
            database.execute("INSERT INTO pass (started) VALUES (?)", (now,))
        return now

    @staticmethod
    def finish(database: sqlite3.Connection) -> None:
        """All names of this pass were looked at."""
        with database:
            database.execute("UPDATE pass SET finished = ?", (time.time(),))
