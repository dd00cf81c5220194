"""What our two SQLite files have in common: a format by number, and what is said when one cannot be used."""

import os
import sqlite3
from pathlib import Path

from certbot_dns_delegate.errors import NotPermitted, StateError
from certbot_dns_delegate.text import command_line, printable


class NewerVersion(sqlite3.DatabaseError):
    """The file has a format that this version does not know."""


def format_of(database: sqlite3.Connection, newest: int) -> int:
    """The format of the file.

    :param newest: the newest that this version knows.
    :raises NewerVersion: when it is a later one.
    """
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    if found > newest:
        raise NewerVersion(f"written by a newer version (format {found})")
    return found


def unusable(path: Path, error: Exception) -> StateError:
    """The error, with the way out."""
    if _is_forbidden(path, error):
        return NotPermitted(
            f"{printable(str(path))}: this user may not use it", command_line("ls", "-ld", path.parent, path)
        )
    if isinstance(error, NewerVersion):
        hint = "use that version, or another --work-dir"
    else:
        hint = f"if it is damaged: {command_line('mv', path, f'{path}.damaged')}"
    return StateError(f"{printable(str(path))}: {printable(str(error))}", hint)


def _is_forbidden(path: Path, error: Exception) -> bool:
    """Whether rights alone are in the way; SQLite says the same of this as of a damaged disk."""
    if isinstance(error, sqlite3.OperationalError):
        return os.access(path, os.F_OK) and not os.access(path, os.R_OK)
    return isinstance(error, PermissionError)
