"""Finds the names that several files of rows have twice; in a temporary file, so memory does not grow with them."""

import sqlite3
from collections.abc import Sequence

from certbot_dns_delegate.errors import DelegateError, StateError
from certbot_dns_delegate.monitor.part import Part
from certbot_dns_delegate.text import cited, printable

TOGETHER = 10_000
"""Names in one insert."""
SHOWN = 5
"""Of names that are there twice."""


class NameIndex:
    """Every name with its place, in a temporary file of SQLite's: memory does not grow with them. A context manager."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._waiting: list[tuple[str, int, int]] = []

    def __enter__(self) -> "NameIndex":
        self._database.executescript(
            "PRAGMA journal_mode = OFF; CREATE TABLE name (name TEXT, part INTEGER, line INTEGER)"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, name: str, part: int, line: int) -> None:
        """:param part: the number of the file.

        :raises StateError: when the temporary file cannot grow.
        """
        self._waiting.append((name, part, line))
        if len(self._waiting) >= TOGETHER:
            self._insert()

    def _insert(self) -> None:
        try:
            self._database.executemany("INSERT INTO name VALUES (?, ?, ?)", self._waiting)
        except sqlite3.Error as error:
            raise _full(error) from None
        self._waiting.clear()

    def repeated(self, parts: Sequence[Part]) -> list[DelegateError]:
        """The names that are there more than once."""
        self._insert()
        query = "SELECT name, min(part), min(line), max(line) FROM name GROUP BY name HAVING count(*) > 1 LIMIT ?"
        try:
            found = self._database.execute(query, (SHOWN,)).fetchall()
        except sqlite3.Error as error:
            raise _full(error) from None
        return [
            DelegateError(f"{parts[number]}: {cited(name, 60)} is there twice, on lines {first} and {last}")
            for name, number, first, last in found
        ]


def _full(error: sqlite3.Error) -> StateError:
    hint = "TMPDIR=/var/tmp chooses another directory for temporary files"
    return StateError(f"a temporary file of all names: {printable(str(error))}", hint)
