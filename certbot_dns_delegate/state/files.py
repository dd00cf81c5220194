"""Read a file that holds secrets or decides where they go, and refuse one that somebody else could have written."""

import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from certbot_dns_delegate.errors import NotPermitted, SettingsError, StateError
from certbot_dns_delegate.text import command_line, printable

MOST = 16 * 1024 * 1024
"""Bytes; no file we read is larger unless it says so, whatever a path may lead to."""


def read_trusted(path: Path, warn: Callable[[str], None], *, is_secret: bool = True, most: int = MOST) -> str:
    """The text of ``path``.

    :param warn: told when others may read a file that holds secrets.
    :param most: bytes that it may have.
    :raises SettingsError: when it cannot be read, is no regular file, is not UTF-8, belongs to somebody else than this
        user or root, or may be written by its group or others.
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
            warn(f"{shown} holds secrets and everybody may read it; hint: {command_line('chmod', '600', path)}")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(most + 1)
    except OSError as error:
        raise SettingsError(f"{shown}: {error.strerror}", f"{command_line('cat', path)} > /dev/null") from None
    finally:
        os.close(descriptor)
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
    """Whether nobody but this user and root could have decided what is in the file.

    :raises SettingsError: when somebody else could.
    """
    shown = printable(str(path))
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise SettingsError(f"{shown}: is {kind}")
    if status.st_uid not in {0, os.geteuid()}:
        raise SettingsError(f"{shown}: belongs to user {status.st_uid}", command_line("chown", "root", path))
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        who = "everybody" if status.st_mode & stat.S_IWOTH else "its group"
        raise SettingsError(
            f"{shown}: {who} may write it, and so decide where secrets go", command_line("chmod", "go-w", path)
        )


def check_program(path: Path, *, is_sourced: bool = False) -> None:
    """Whether nobody but this user and root decides what runs when ``path`` is run.

    :param is_sourced: a shell reads it, so it need not be executable.
    :raises SettingsError: when it cannot be run, or somebody else could change it or put another in its place.
    """
    shown = printable(str(path))
    try:
        # A link is as trustworthy as the directories on both ways.
        real = path.resolve(strict=True)
        check_trusted(path, real.stat())
        for directory in dict.fromkeys([*path.parents, *real.parents]):
            status = directory.stat()
            is_open = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
            if status.st_uid not in {0, os.geteuid()} or is_open:
                problem = f"{shown}: others can put another program in its place, as they can write in {directory}"
                raise SettingsError(problem, command_line("ls", "-ld", directory))
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links, before Python 3.13
        why = getattr(error, "strerror", None) or "not a usable path"
        raise SettingsError(f"{shown}: {why}", command_line("ls", "-l", path)) from None
    if not (is_sourced or os.access(path, os.X_OK)):
        raise SettingsError(f"{shown}: is not executable", command_line("chmod", "+x", path))


def make_private(directory: Path) -> None:
    """Make a directory of our own, for this user alone, and those missing above it.

    :raises OSError: when it cannot be made.
    :raises StateError: when somebody else may write there.
    """
    for each in (*reversed(directory.parents), directory):
        each.mkdir(mode=0o700, exist_ok=True)
    status = directory.stat()
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StateError(
            f"{printable(str(directory))}: somebody else may write there", command_line("chmod", "700", directory)
        )


def create_private(path: Path) -> None:
    """See that ``path`` is a file that only this user may read, before somebody else's code opens it by name.

    :raises OSError: when it cannot be made, or is a symbolic link.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def replace_file(path: Path, text: str, mode: int) -> None:
    """Put ``text`` in the place of a file, whole or not at all.

    Also in a directory where others may write: the new file has a name that nobody can guess, and no link is followed.

    :raises OSError: when that fails; the file is then as it was.
    """
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        part = f".part-{secrets.token_hex(16)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(part, flags, 0o600, dir_fd=directory)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  pathlib knows no descriptors
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
            os.rename(part, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=directory)
            raise
    finally:
        os.close(directory)
