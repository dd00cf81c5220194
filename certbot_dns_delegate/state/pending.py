"""The journals of all runs: which are alive, and what dead ones have left.

A run is alive while it holds the lock on its journal; process ids would not do across containers.
"""

import fcntl
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from certbot_dns_delegate.errors import SettingsError, StateError
from certbot_dns_delegate.state.files import MOST, check_trusted, make_private
from certbot_dns_delegate.state.journal import Entry, Journal
from certbot_dns_delegate.text import command_line, printable

log = logging.getLogger(__name__)


class Pending:
    """The directory of all journals."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.left_alone: list[Path] = []
        """Journals that :meth:`adopt_dead` could not take over, because they cannot be read or others may have written
        them; what stands in them is not withdrawn."""

    def start(self) -> Journal:
        """A journal for a new run, locked as long as this process holds it.

        :raises StateError: when the directory cannot be used.
        """
        path = self.directory / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}.json"
        try:
            with self._locked():
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
                file = FileIO(os.open(path, flags, 0o600), "r+")
                # Not in vain and not for long: only who asks whether this run is alive can hold it, for a moment.
                fcntl.flock(file, fcntl.LOCK_EX)
                _sync(self.directory)
        except OSError as error:
            where = printable(str(self.directory))
            raise StateError(
                f"{where}: {error.strerror}",
                f"{command_line('ls', '-ld', self.directory)}; {command_line('df', self.directory)}",
            ) from None
        return Journal(path, file)

    def adopt_dead(self) -> list[Journal]:
        """The journals of runs that are no longer alive, locked for us; empty ones are removed.

        :raises OSError, StateError: when the directory cannot be used.
        """
        journals = []
        self.left_alone = []
        with self._locked():
            for path in sorted(self.directory.glob("*.json")):
                file = _open(path)
                if file is None:
                    self.left_alone += [path] if path.is_symlink() or path.exists() else []
                    continue
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    file.close()  # alive
                    continue
                journal = _loaded(path, file)
                if journal is None:
                    self.left_alone.append(path)
                elif journal.open_entries:
                    journals.append(journal)
                else:
                    journal.close()
        return journals

    def alive(self, mine: Sequence[Journal]) -> Iterator[Entry]:
        """What runs that are still alive have written, except those in ``mine``."""
        own = {journal.path for journal in mine}
        return self._read(lambda path, file: path not in own and _is_locked(file))

    def all_open(self) -> Iterator[Entry]:
        """What any run, alive or dead, has written and not withdrawn."""
        return self._read(lambda *_: True)

    def _read(self, wanted: Callable[[Path, FileIO], bool]) -> Iterator[Entry]:
        for path in self.directory.glob("*.json"):
            file = _open(path)
            if file is None:
                continue
            with file:
                if wanted(path, file) and (journal := _loaded(path, file)) is not None:
                    yield from journal.open_entries.values()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Between creating a journal and locking it nobody may take it for dead."""
        for each in (self.directory.parent, self.directory):
            make_private(each)
        descriptor = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _open(path: Path) -> FileIO | None:
    """A journal that only this user or root can have written; None for anything else."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None  # withdrawn and removed meanwhile
    except OSError as error:
        log.warning("%s is left alone: %s", printable(str(path)), error.strerror)
        return None
    file = FileIO(descriptor, "r+")
    status = os.fstat(descriptor)
    try:
        check_trusted(path, status)
        if status.st_size > MOST:
            raise SettingsError(f"{printable(str(path))}: larger than {MOST >> 20} MiB")
    except SettingsError as error:
        log.warning("no journal of ours: %s", error)
        file.close()
        return None
    return file


def _loaded(path: Path, file: FileIO) -> Journal | None:
    """A journal with what stands in it; None where it cannot be read, which must not keep the others from being."""
    journal = Journal(path, file)
    try:
        journal.load()
    except OSError as error:
        log.warning("%s is left alone: %s", printable(str(path)), error.strerror)
        file.close()
        return None
    return journal


def _is_locked(file: FileIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
