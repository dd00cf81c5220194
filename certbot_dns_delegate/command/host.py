"""This host as the command finds it: Certbot's directories, our state, the settings, the resolvers."""

import argparse
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from certbot_dns_delegate.command.verb import UsageError
from certbot_dns_delegate.fleet import Fleet
from certbot_dns_delegate.history import History

if TYPE_CHECKING:
    from certbot_dns_delegate.command.render import Output
    from certbot_dns_delegate.delegates import Settings
    from certbot_dns_delegate.engine import Engine
    from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
    from certbot_dns_delegate.pending import Pending
    from certbot_dns_delegate.writers import Writers


@dataclass(frozen=True)
class Host:
    """Everything a verb may need, imported and made when it is first asked for."""

    authenticator: str
    credentials: Path | None
    config_dir: Path
    work_dir: Path
    server: str | None
    resolver_list: str | None
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
            output,
        )

    @property
    def state(self) -> Path:
        return self.work_dir / "dns-delegate"

    @property
    def pending(self) -> "Pending":
        from certbot_dns_delegate.pending import Pending

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

        :raises UsageError: when nothing says which file holds them.
        :raises SettingsError: with everything that is wrong in it.
        """
        return self.load(self.authenticator, self.credentials or self._credentials_on_record())

    def load(self, authenticator: str, path: Path | None) -> "Settings":
        """The settings in a file, read once.

        :raises SettingsError: with everything that is wrong in it, or when there is no path.
        """
        from certbot_dns_delegate import settings
        from certbot_dns_delegate.errors import SettingsError

        if path is None:
            raise SettingsError("no credentials file is on record for it", f"--{authenticator}-credentials FILE")
        key = (authenticator, path)
        if key not in self._loaded:
            self._loaded[key] = settings.load(path, authenticator, self.output.warn)
        return self._loaded[key]

    def _credentials_on_record(self) -> Path:
        """The file that Certbot's renewal files name, where they all name the same."""
        from certbot_dns_delegate.command import lineages

        found = {
            lineage.credentials
            for lineage in lineages.read(self.config_dir, self.output)
            if lineage.authenticator == self.authenticator and lineage.credentials is not None
        }
        if len(found) != 1:
            known = ", ".join(sorted(map(str, found)))
            seen = f"Certbot's renewal files name several: {known}" if found else "Certbot has none on record"
            raise UsageError(f"which INI file for {self.authenticator}? {seen}; hint: --credentials FILE")
        return found.pop()

    @cached_property
    def resolvers(self) -> "tuple[Resolver, ...]":
        from certbot_dns_delegate.lookup.recursive import parse_resolvers, system_resolvers

        return parse_resolvers(self.resolver_list) if self.resolver_list else system_resolvers()

    @cached_property
    def recursive(self) -> "Recursive":
        from certbot_dns_delegate.lookup.recursive import Recursive

        return Recursive(self.resolvers)

    @cached_property
    def writers(self) -> "Writers":
        from certbot_dns_delegate.writers import Writers

        return Writers(lambda: self.recursive, self.state, self.output.warn, self.stop)

    def end(self) -> None:
        """Let go of what providers hold."""
        if "writers" in self.__dict__:
            self.writers.end()

    def engine(self) -> "Engine":
        """A run of its own over these settings."""
        from certbot_dns_delegate.engine import Engine
        from certbot_dns_delegate.tell import Tell

        return Engine(self.settings, self.state, self.resolvers, Tell(self.output.warn))
