"""What our two SQLite files have in common: whose they are, a format by number, and the error when one is unusable."""

import os
import sqlite3
from pathlib import Path

from certbot_dns_delegate.errors import DelegateError, NotPermitted, SettingsError, StateError
from certbot_dns_delegate.state.files import Directory, check_trusted
from certbot_dns_delegate.text import command_line, printable


class NewerVersion(sqlite3.DatabaseError):
    """The file has a format that this version does not know."""


def claim(path: Path, *, create: bool = True) -> None:
    """See that the database is a file that this user alone can have written, before SQLite opens it by its name.

    :param create: make an empty one where there is none.
    :raises OSError: when it cannot be opened or made, or is a symbolic link.
    :raises StateError: when another user could have written it, or could put another in its place.
    """
    with Directory.open(path.parent, create=create) as directory:
        descriptor = directory.open_file(path.name, os.O_RDWR | os.O_CREAT if create else os.O_RDONLY)
        try:
            check_trusted(path, os.fstat(descriptor))
        except SettingsError as error:
            raise StateError(error.problem, error.hint) from None
        finally:
            os.close(descriptor)


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
    if isinstance(error, DelegateError):
        return StateError(error.problem, error.hint)
    if _is_forbidden(path, error):
        return NotPermitted(
            f"{printable(str(path))}: this user may not use it", command_line("ls", "-ld", path.parent, path)
        )
    if isinstance(error, OSError):  # before SQLite has seen it
        hint = command_line("ls", "-ld", path.parent.parent)
        return StateError(f"{printable(str(path))}: {printable(str(error.strerror or error))}", hint)
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
