"""This host as the command finds it: Certbot's directories, our state, the settings, the resolvers."""

import argparse
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from certbot_dns_delegate.command.arguments import PROGRAM, add_common
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.schema import without_user_info
from certbot_dns_delegate.state.fleet import Fleet
from certbot_dns_delegate.state.history import History
from certbot_dns_delegate.text import command_line, listed, printable

if TYPE_CHECKING:
    from certbot_dns_delegate.command.output import Output
    from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
    from certbot_dns_delegate.order.planning import Planning, Surroundings
    from certbot_dns_delegate.order.providers import Writers
    from certbot_dns_delegate.settings.delegates import Settings
    from certbot_dns_delegate.state.pending import Pending


@dataclass(frozen=True)
class Host:
    """Everything a verb may need; imported and made at its first use."""

    authenticator: str
    credentials: Path | None
    config_dir: Path
    work_dir: Path
    server: str | None
    resolver_list: str | None
    given: tuple[str, ...]
    """The common options that differ from the defaults, as they are written on a command line."""
    output: "Output"
    stop: threading.Event = field(default_factory=threading.Event)
    _loaded: "dict[tuple[str, Path], Settings]" = field(default_factory=dict)

    @classmethod
    def of(cls, arguments: argparse.Namespace, output: "Output") -> "Host":
        """From the common options."""
        return cls(
            arguments.authenticator,
            arguments.credentials and arguments.credentials.absolute(),
            arguments.config_dir.absolute(),
            arguments.work_dir.absolute(),
            arguments.server,
            arguments.resolvers,
            tuple(_given(arguments)),
            output,
        )

    def command(self, *words: str) -> str:
        """A command line that can be pasted, with the same files and directories as this one."""
        return command_line(PROGRAM, *words, *self.given)

    @property
    def state(self) -> Path:
        return self.work_dir / "dns-delegate"

    @property
    def pending(self) -> "Pending":
        from certbot_dns_delegate.state.pending import Pending

        return Pending(self.state / "pending")

    @property
    def history(self) -> History:
        return History(self.state / "history.sqlite3")

    @property
    def fleet(self) -> Fleet:
        return Fleet(self.state / "fleet.sqlite3")

    @cached_property
    def settings(self) -> "Settings":
        """The settings of the chosen authenticator.

        :raises UsageError: when no option and no renewal file names the file.
        :raises SettingsError: with everything that is wrong in it.
        """
        return self.load(self.authenticator, self.credentials or self._credentials_on_record())

    def load(self, authenticator: str, path: Path | None) -> "Settings":
        """The settings in a file, read once.

        :raises SettingsError: with everything that is wrong in it, or when there is no path.
        """
        from certbot_dns_delegate.errors import SettingsError
        from certbot_dns_delegate.settings import reader

        if path is None:
            raise SettingsError(
                "Certbot's renewal configuration names no credentials file", f"--{authenticator}-credentials FILE"
            )
        key = (authenticator, path)
        if key not in self._loaded:
            self._loaded[key] = reader.load(path, authenticator, self.output.warn)
        return self._loaded[key]

    def _credentials_on_record(self) -> Path:
        """The file that Certbot's renewal files name, if they all name the same one."""
        from certbot_dns_delegate.command import lineages

        on_record: dict[str, set[Path]] = defaultdict(set)

        def left_out(path: Path, why: str) -> None:
            self.output.warn(f"{printable(str(path))} is skipped: {why}")

        for lineage in lineages.read(self.config_dir, left_out):
            if lineage.credentials is not None:
                on_record[lineage.authenticator].add(lineage.credentials)
        found = on_record.pop(self.authenticator, set())
        if len(found) == 1:
            return found.pop()
        hint = "--credentials FILE"
        if found:
            paths = listed(sorted(printable(str(path)) for path in found))
            seen = f"Certbot's renewal configuration names several: {paths}"
        elif on_record:
            others = sorted(map(printable, on_record))
            seen = f"Certbot's renewal configuration names only files for {listed(others)}"
            hint = f"--authenticator {others[0]}, or {hint}"
        else:
            seen = "Certbot's renewal configuration names none"
        raise UsageError(f"which INI file for {self.authenticator}? {seen}; hint: {hint}")

    @cached_property
    def resolvers(self) -> "tuple[Resolver, ...]":
        from certbot_dns_delegate.lookup.recursive import parse_resolvers, system_resolvers

        return parse_resolvers(self.resolver_list) if self.resolver_list else system_resolvers()

    @cached_property
    def recursive(self) -> "Recursive":
        from certbot_dns_delegate.lookup.recursive import Recursive

        return Recursive(self.resolvers)

    def surroundings(self, recursive: "Recursive") -> "Surroundings":
        """What a plan needs of this host."""
        from certbot_dns_delegate.order.planning import Surroundings

        return Surroundings(self.writers, recursive, self.fleet, self.output.warn)

    def planning(self, names: int) -> "Planning":
        """A planning of so many names under the chosen settings, which remembers nothing yet."""
        from certbot_dns_delegate.order.planning import AROUND, PACKETS, Planning

        return Planning(self.settings, self.surroundings(self.recursive), names, PACKETS + AROUND, is_shy=True)

    @cached_property
    def writers(self) -> "Writers":
        from certbot_dns_delegate.order.providers import Writers

        return Writers(lambda: self.recursive, self.state, self.output.warn, self.stop)

    def end(self) -> None:
        """Let go of what providers hold."""
        if "writers" in self.__dict__:
            self.writers.end()


def _given(arguments: argparse.Namespace) -> Iterator[str]:
    defaults = argparse.ArgumentParser(PROGRAM, add_help=False)
    add_common(defaults, is_default=True)
    for word in ("authenticator", "credentials", "resolvers", "config_dir", "work_dir", "server"):
        value = getattr(arguments, word)
        if value != defaults.get_default(word):
            text = str(value.absolute()) if isinstance(value, Path) else without_user_info(str(value))
            yield from (f"--{word.replace('_', '-')}", text)
