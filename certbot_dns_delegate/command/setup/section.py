"""A new section of the INI file: put together, read back as Certbot will read it, and added; never over another one."""

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from certbot_dns_delegate.errors import NotPermitted, SettingsError, StateError
from certbot_dns_delegate.settings import ini, reader
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.settings.section import Problems
from certbot_dns_delegate.state.files import Directory, read_trusted, replace_file
from certbot_dns_delegate.text import command_line, printable

AUTHENTICATOR = "dns-delegate"
BARE = re.compile(r"[A-Za-z0-9_.:/@,{}*+-]+")
"""Values that need no quotes."""


@dataclass(frozen=True)
class NewSection:
    """A section that is not in the file yet."""

    path: Path
    title: str
    text: str = field(repr=False)
    """Of the section alone; it may hold a secret."""

    @classmethod
    def of(cls, path: Path, title: str, settings: Mapping[str, str]) -> "NewSection":
        """:raises ValueError: when a value cannot be written in an INI file."""
        lines = [f"[{title}]", *(f"{key} = {_quoted(key, value)}" for key, value in settings.items())]
        # Links are followed now, since the new file takes the place of the old one, and not of a link to it.
        return cls(Path(os.path.realpath(path)), title, "\n".join(lines) + "\n")

    def whole(self, warn: Callable[[str], None]) -> str:
        """What the file will be.

        :raises SettingsError: when the file cannot be read, or has a section of that title.
        """
        if not self.path.exists():
            return self.text
        before = read_trusted(self.path, warn)
        if any(section.title.lower().rstrip(".") == self.title for section in ini.read(before)[0]):
            raise SettingsError(
                f"{printable(str(self.path))} has a section [{self.title}] already; it stays as it is",
                "use another zone, another file (--credentials FILE), or what is there: "
                + command_line("certbot-dns-delegate", "records", "--help"),
            )
        return f"{before.rstrip()}\n\n{self.text}" if before.strip() else self.text

    def settings(self, warn: Callable[[str], None]) -> Settings:
        """What Certbot will read, without writing anything.

        :raises SettingsError: with every problem of the file as it will be.
        """
        problems = Problems()
        delegates, overrides = reader.SectionedFile(self.path, self.whole(warn), problems, warn).read()
        if problems.found:
            raise SettingsError(f"{printable(str(self.path))}: {'; '.join(problems.found)}; nothing was written")
        return Settings(self.path, AUTHENTICATOR, delegates, overrides)

    def add(self, warn: Callable[[str], None]) -> None:
        """Write the file anew with this section at its end: whole, or not at all; a new one with mode 0600.

        :raises SettingsError: as :meth:`settings`, before anything is written.
        :raises StateError: when it cannot be written, or others could put a file in its place.
        """
        self.settings(warn)
        try:
            _make_folder(self.path.parent)
            before = self.path.stat() if self.path.exists() else None
            mode = 0o600 | (stat.S_IMODE(before.st_mode) & 0o040 if before else 0)
            replace_file(self.path, self.whole(warn), mode)
            if before and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(self.path, before.st_uid, before.st_gid)
        except PermissionError as error:
            raise _forbidden(self.path) from error
        except OSError as error:
            raise StateError(f"{printable(str(self.path))}: {error.strerror}") from None


def check_writable(path: Path) -> None:
    """Ask before all questions, not after them, whether this user may write there.

    :raises NotPermitted: when not.
    """
    folder = Path(os.path.realpath(path)).parent
    nearest = folder if folder.exists() else folder.parent
    if nearest.exists() and not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
        raise _forbidden(path)


def _forbidden(path: Path) -> NotPermitted:
    return NotPermitted(f"{printable(str(path))}: this user may not write it", command_line("ls", "-ld", path.parent))


def _make_folder(folder: Path) -> None:
    """See that the folder is there, and that nobody else can put files in it; a new one is as Certbot makes it."""
    try:
        with Directory.open(folder, own=0, create=False):
            return
    except FileNotFoundError:
        pass
    try:
        above = Directory.open(folder.parent, own=0, create=False)
    except FileNotFoundError:
        problem = f"{printable(str(folder.parent))}: no such directory"
        raise StateError(problem, command_line("mkdir", "-p", folder)) from None
    with above:
        # certbot, constants.CONFIG_DIRS_MODE: others may look into /etc/letsencrypt, and not into its files of keys.
        os.mkdir(folder.name, 0o755, dir_fd=above.descriptor)


def _quoted(key: str, value: str) -> str:
    """A value as :mod:`.ini` reads it back."""
    if BARE.fullmatch(value):
        return value
    for quote in ('"', "'"):
        if quote not in value and value.isprintable():
            return f"{quote}{value}{quote}"
    raise ValueError(f"{key}: has both kinds of quotes, or a character that cannot be shown; put it into a file")
