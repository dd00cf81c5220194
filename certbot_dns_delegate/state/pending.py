"""The journals of all runs: which are alive, and what dead ones have left.

A run is alive while it holds the lock on its journal; process ids would not do across containers.
"""

import fcntl
import logging
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from certbot_dns_delegate.errors import NotPermitted, SettingsError, StateError
from certbot_dns_delegate.state.entry import Entry, Noted
from certbot_dns_delegate.state.files import MOST, Directory, check_trusted
from certbot_dns_delegate.state.journal import Journal
from certbot_dns_delegate.text import command_line, printable

log = logging.getLogger(__name__)

MOST_ADOPTED = 200
"""Journals that are taken over at once: each holds a file descriptor, of which a process may have 1024 by default."""


class Pending:
    """The directory of all journals."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.left_alone: list[Path] = []
        """Journals with something in them that this version does not understand, that cannot be read, or that others
        may have written, as :meth:`adopt_dead` and :meth:`dead` found them: they are never removed."""

    def start(self) -> Journal:
        """A journal for a new run, locked as long as this process holds it.

        :raises StateError: when the directory cannot be used.
        """
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}.json"
        with self._usable(), self._locked() as directory:
            file = FileIO(directory.open_file(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND), "r+")
            # Not in vain and not for long: only who asks whether this run is alive can hold it, for a moment.
            fcntl.flock(file, fcntl.LOCK_EX)
            directory.sync()
        return Journal(self.directory / name, file)

    def adopt_dead(
        self, is_wanted: Callable[[Noted], bool] = lambda _: True, passed: Collection[Path] = ()
    ) -> list[Journal]:
        """The journals of runs that are no longer alive, locked for us, at most :data:`MOST_ADOPTED`; empty ones go.

        :param is_wanted: whether something shall be done now about an open record; a journal without any is passed
            over.
        :param passed: journals to pass over.
        :raises StateError: when the directory cannot be used.
        """
        journals: list[Journal] = []
        self.left_alone = []
        if not self._exists():
            return []
        with self._usable(), self._locked() as directory:
            for name in self._names(directory):
                path = self.directory / name
                if path in passed or len(journals) == MOST_ADOPTED:
                    continue
                journal = self._loaded(directory, name, os.O_RDWR | os.O_APPEND, _try_lock)
                if journal is None:
                    continue
                if any(map(is_wanted, journal.open_records.values())):
                    journals.append(journal)
                elif journal.open_records:
                    journal.release()
                else:
                    journal.close()
        return journals

    def dead(self) -> Iterator[Noted]:
        """What runs that are no longer alive have left; nothing is changed, not even a lock taken.

        :raises StateError: when the directory cannot be read.
        """
        return self._read(lambda _path, file: not _is_locked(file))

    def alive(self, mine: Sequence[Journal]) -> Iterator[Entry]:
        """What runs that are still alive have written, except those in ``mine``.

        :raises StateError: as :meth:`dead`.
        """
        own = {journal.path for journal in mine}
        return (record.entry for record in self._read(lambda path, file: path not in own and _is_locked(file)))

    def all_open(self) -> Iterator[Entry]:
        """What any run, alive or dead, has written and not withdrawn.

        :raises StateError: as :meth:`dead`.
        """
        return (record.entry for record in self._read(lambda *_: True))

    def leave_shared(self, journals: Sequence[Journal]) -> None:
        """Leave to living runs what they have written as well as ``journals``.

        Seen and written down under one lock, so that of two runs that end at the same moment the second finds that the
        first has left the value to it.

        :raises StateError: when the directory cannot be used.
        """
        with self._usable(), self._locked():
            theirs: dict[tuple[str, str], frozenset[str]] = defaultdict(frozenset)
            for entry in self.alive(journals):
                theirs[entry.zone, entry.owner] |= entry.ours
            for journal in journals if theirs else ():
                journal.leave(theirs)

    def _exists(self) -> bool:
        """:raises StateError: when that cannot be seen."""
        with self._usable():
            return self.directory.exists()

    def _read(self, is_wanted: Callable[[Path, FileIO], bool]) -> Iterator[Noted]:
        self.left_alone = []
        with self._usable():
            try:
                directory = Directory.open(self.directory, own=2, create=False)
            except FileNotFoundError:
                return
            with directory:
                for name in self._names(directory):
                    journal = self._loaded(directory, name, os.O_RDONLY, is_wanted)
                    if journal is not None:
                        journal.release()
                        yield from journal.open_records.values()

    def _loaded(
        self, directory: Directory, name: str, flags: int, is_wanted: Callable[[Path, FileIO], bool]
    ) -> Journal | None:
        """A journal with what stands in it; None where it is not wanted or cannot be read."""
        path = self.directory / name
        shown = printable(str(path))
        try:
            file = FileIO(directory.open_file(name, flags), "r+" if flags & os.O_RDWR else "r")
        except FileNotFoundError:
            return None  # withdrawn and removed meanwhile
        except OSError as error:
            self._leave_alone(path, f"{shown} is left alone: {error.strerror}")
            return None
        journal = Journal(path, file)
        try:
            status = os.fstat(file.fileno())
            check_trusted(path, status)
            if status.st_size > MOST:
                self._leave_alone(path, f"{shown} is left alone: larger than {MOST >> 20} MiB")
            elif is_wanted(path, file):
                journal.load()
                if not journal.is_understood:
                    self._leave_alone(path, f"{shown} is left alone: something in it is not known to this version")
                return journal
        except SettingsError as error:
            self._leave_alone(path, f"no journal of ours: {error}")
        except OSError as error:
            self._leave_alone(path, f"{shown} is left alone: {error.strerror}")
        journal.release()
        return None

    def _leave_alone(self, path: Path, seen: str) -> None:
        self.left_alone.append(path)
        log.warning("%s", seen)

    @staticmethod
    def _names(directory: Directory) -> list[str]:
        return [name for name in directory.names() if name.endswith(".json")]

    @contextmanager
    def _locked(self) -> Iterator[Directory]:
        """The directory, while nobody else makes, adopts or leaves anything in it."""
        with Directory.open(self.directory, own=2) as directory:
            descriptor = directory.open_file(".lock", os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield directory
            finally:
                os.close(descriptor)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """:raises StateError: for whatever the system says of the directory."""
        try:
            yield
        except PermissionError:
            command = command_line("chown", "-R", str(os.geteuid()), self.directory.parent)
            hint = f"run as the user that it belongs to; if this user is the right one: {command}"
            raise NotPermitted(f"{printable(str(self.directory))}: this user may not use it", hint) from None
        except OSError as error:
            hint = f"{command_line('ls', '-ld', self.directory)}; {command_line('df', self.directory)}"
            raise StateError(f"{printable(str(self.directory))}: {error.strerror}", hint) from None


def _try_lock(_path: Path, file: FileIO) -> bool:
    """Take the journal of a dead run."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # alive
    return True


def _is_locked(file: FileIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
