"""This host as the command finds it: Certbot's directories, our state, the settings, the resolvers."""

import argparse
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from certbot_dns_delegate.command.verb import UsageError
from certbot_dns_delegate.history import History

if TYPE_CHECKING:
    from certbot_dns_delegate.command.render import Output
    from certbot_dns_delegate.engine import Engine
    from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
    from certbot_dns_delegate.pending import Pending
    from certbot_dns_delegate.settings import Settings
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

    @cached_property
    def settings(self) -> "Settings":
        """The settings of the chosen authenticator.

        :raises UsageError: when nothing says which file holds them.
        :raises SettingsError: with everything that is wrong in it.
        """
        from certbot_dns_delegate import settings

        if self.credentials is None:
            raise UsageError("which INI file? hint: --credentials FILE")
        return settings.load(self.credentials, self.authenticator, self.output.warn)

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

    def engine(self) -> "Engine":
        """A run of its own over these settings."""
        from certbot_dns_delegate.engine import Engine, Tell

        return Engine(self.settings, self.state, self.resolvers, Tell(self.output.warn))
