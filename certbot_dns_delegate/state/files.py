"""Files that hold secrets or decide where they go: read, and written, only where nobody else could change them."""

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from certbot_dns_delegate.errors import NotPermitted, SettingsError, StateError
from certbot_dns_delegate.state import trust
from certbot_dns_delegate.text import command_line, printable

MOST = 16 * 1024 * 1024
"""Bytes; no file we read is larger unless it says so, whatever a path may lead to."""
MOST_LINKS = 40
"""Symbolic links on the way to a directory, as Linux itself follows (path_resolution(7))."""
SEARCH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
"""Opens a directory on the way: it needs to be searched, not read."""


@contextmanager
def open_trusted(path: Path, warn: Callable[[str], None], *, is_secret: bool = True) -> Iterator[int]:
    """The descriptor of ``path``, for reading.

    :param warn: called when others may read a file that holds secrets.
    :raises SettingsError: when it cannot be read, is no regular file, belongs to another than this user or root,
        or may be written by its group or others.
    """
    shown = printable(str(path))
    try:
        # Non-blocking: a named pipe in its place must not hang a timer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError:
        raise NotPermitted(f"{shown}: this user may not read it", command_line("ls", "-l", path)) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no usable path"
        raise SettingsError(f"{shown}: {why}", command_line("ls", "-l", path)) from None
    try:
        status = os.fstat(descriptor)
        check_trusted(path, status)
        if is_secret and status.st_mode & stat.S_IROTH:
            warn(f"{shown} holds secrets and anyone can read it; hint: {command_line('chmod', '600', path)}")
        yield descriptor
    except OSError as error:
        raise SettingsError(f"{shown}: {error.strerror}", f"{command_line('cat', path)} > /dev/null") from None
    finally:
        os.close(descriptor)


def read_trusted(path: Path, warn: Callable[[str], None], *, is_secret: bool = True, most: int = MOST) -> str:
    """The text of ``path``.

    :param warn: as in :func:`open_trusted`.
    :param most: bytes that it may have.
    :raises SettingsError: as :func:`open_trusted`, and when it is not UTF-8.
    """
    shown = printable(str(path))
    with open_trusted(path, warn, is_secret=is_secret) as descriptor, open(descriptor, "rb", closefd=False) as file:
        # As much as it should have first: room for all that it may have costs more than reading it.
        size = os.fstat(descriptor).st_size
        content = file.read(min(size, most) + 1)
        if len(content) > size:
            content += file.read(most + 1 - len(content))
    if len(content) > most:
        raise SettingsError(f"{shown}: larger than {most >> 20} MiB")
    if (encoding := _of_windows(content)) is not None:
        hint = command_line("iconv", "-f", encoding, "-t", "utf-8", path)
        raise SettingsError(f"{shown}: is {encoding} text, as PowerShell writes it; it must be UTF-8", hint)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            f"{shown}: line {line} is not UTF-8 text", command_line("iconv", "-f", "latin1", "-t", "utf-8", path)
        ) from None


def _of_windows(content: bytes) -> str | None:
    """The encoding, where it is one of two octets a character: by its mark, or by the NULs of plain letters."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    start = content[:64]
    if len(start) < 4 or b"\0" not in start:
        return None
    if not start[::2].strip(b"\0"):
        return "utf-16be"
    return "utf-16le" if not start[1::2].strip(b"\0") else None


def check_trusted(path: Path, status: os.stat_result) -> None:
    """Whether nobody but this user, root and whom the operator trusts could have decided what is in the file.

    :raises SettingsError: when another user could.
    """
    shown = printable(str(path))
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise SettingsError(f"{shown}: is {kind}")
    if found := trust.fault(status, path):
        seen, hint = found
        raise SettingsError(f"{shown}: {seen}{' it, and so redirect your key' if 'write' in seen else ''}", hint)


def check_program(path: Path, *, is_sourced: bool = False) -> None:
    """Whether nobody but this user and root decides what runs when ``path`` is run.

    :param is_sourced: a shell reads it, so it need not be executable.
    :raises SettingsError: when it cannot be run, or another user could change it or put another in its place.
    """
    shown = printable(str(path))
    try:
        # A link is as trustworthy as the directories on both ways.
        real = path.resolve(strict=True)
        check_trusted(path, real.stat())
        for directory in dict.fromkeys([*path.parents, *real.parents]):
            if trust.fault(directory.stat(), directory, is_above=True):
                problem = f"{shown}: others can replace this program, because they can write in {directory}"
                raise SettingsError(problem, command_line("ls", "-ld", directory))
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links, before Python 3.13
        why = getattr(error, "strerror", None) or "not a usable path"
        raise SettingsError(f"{shown}: {why}", command_line("ls", "-l", path)) from None
    if not (is_sourced or os.access(path, os.X_OK)):
        raise SettingsError(f"{shown}: is not executable", command_line("chmod", "+x", path))


class Directory:
    """A directory of our own, opened once; what it holds is reached through its descriptor. A context manager."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    @classmethod
    def open(cls, path: Path, *, own: int = 1, create: bool = True) -> "Directory":
        """Walk to ``path`` from the root, and look at every directory on the way.

        Links above our own directories are followed where nobody but root, this user and whom the operator trusts
        could have made them.

        :param own: how many directories at the end are ours alone.
        :param create: make those that are missing, for this user alone.
        :raises OSError: when one cannot be opened or made.
        :raises StateError: when another user could put files there.
        """
        descriptor = os.open("/", SEARCH)
        here, links = Path("/"), 0
        names = list(reversed(path.absolute().parts[1:]))
        try:
            while names:
                name = names.pop()
                is_own = len(names) < own
                if not is_own and (target := _link(descriptor, name, here)) is not None:
                    if (links := links + 1) > MOST_LINKS:
                        raise StateError(f"{printable(str(path))}: too many symbolic links on the way")
                    names += reversed(target.parts)
                    continue
                here = Path(os.path.normpath(here / name))  # there are no links in it
                below = _step(descriptor, name, create=create)
                os.close(descriptor)
                descriptor = below
                _check(os.fstat(descriptor), here, is_own=is_own)
            return cls(path, os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor))
        finally:
            os.close(descriptor)

    def __enter__(self) -> "Directory":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)

    def names(self) -> list[str]:
        """What it holds, sorted."""
        return sorted(os.listdir(self.descriptor))  # noqa: PTH208  pathlib knows no descriptors

    def open_file(self, name: str, flags: int) -> int:
        """The descriptor of a file in it, never through a link, and never waiting for the other end of a pipe.

        :raises OSError: when it cannot be opened, or made where ``flags`` say so.
        """
        safe = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        return os.open(name, flags | safe, 0o600, dir_fd=self.descriptor)

    def remove(self, name: str, descriptor: int) -> None:
        """Remove the file of that name, if it still is the one that is open.

        :raises OSError: when that fails.
        """
        try:
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return
        if os.path.samestat(found, os.fstat(descriptor)):
            os.unlink(name, dir_fd=self.descriptor)

    def sync(self) -> None:
        """Let names that were made or removed survive a power failure."""
        os.fsync(self.descriptor)


def _link(descriptor: int, name: str, here: Path) -> Path | None:
    """Where a symbolic link leads; None where it is none, or there is nothing yet."""
    try:
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(status.st_mode):
        return None
    path = here / name
    if status.st_uid not in trust.owners_above():
        raise StateError(f"{printable(str(path))}: is a link of user {status.st_uid}", command_line("ls", "-ld", path))
    return Path(os.readlink(name, dir_fd=descriptor))


def _step(descriptor: int, name: str, *, create: bool) -> int:
    try:
        return os.open(name, SEARCH, dir_fd=descriptor)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=descriptor)
    return os.open(name, SEARCH, dir_fd=descriptor)


def _check(status: os.stat_result, path: Path, *, is_own: bool) -> None:
    if found := trust.fault(status, path, is_above=not is_own):
        seen, hint = found
        raise StateError(f"{printable(str(path))}: {seen}{' there' if 'write' in seen else ''}", hint)


def make_private(directory: Path) -> None:
    """Make a directory of our own, for this user alone, and those missing above it.

    :raises OSError, StateError: as :meth:`Directory.open`.
    """
    with Directory.open(directory):
        pass


def create_private(path: Path) -> None:
    """See that ``path`` is a file that only this user may read, before foreign code opens it by name.

    :raises OSError: when it cannot be made, or is a symbolic link.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def check_above(directory: Path) -> None:
    """See that nobody else can put another file in the place of one in ``directory``.

    :raises OSError, StateError: as :meth:`Directory.open`.
    """
    with Directory.open(directory, own=0, create=False):
        pass


def replace_file(path: Path, text: str, mode: int) -> None:
    """Put ``text`` in the place of a file, whole or not at all.

    Also in a directory where others may write: the new file has a name that nobody can guess, and no link is followed.

    :raises OSError: when that fails; the file is then as it was.
    """
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _replace(directory, path.name, text, mode, None)
    finally:
        os.close(directory)


def replace_own(path: Path, text: str) -> None:
    """The same for a file that this user alone may read, where nobody else may write; it keeps its owner.

    :raises OSError: as :func:`replace_file`.
    :raises StateError: when another user could put files there.
    """
    with Directory.open(path.parent, own=0, create=False) as directory:
        try:
            before = os.stat(path.name, dir_fd=directory.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            before = None
        _replace(directory.descriptor, path.name, text, 0o600, before)
        directory.sync()


def _replace(directory: int, name: str, text: str, mode: int, before: os.stat_result | None) -> None:
    part = f".part-{secrets.token_hex(16)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(part, flags, 0o600, dir_fd=directory)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  pathlib knows no descriptors
            if before is not None:
                with suppress(PermissionError):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
            file.write(text.encode())
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(part, dir_fd=directory)
        raise
