"""What a verb is."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from certbot_dns_delegate.command.host import Host
    from certbot_dns_delegate.command.render import Output


class UsageError(Exception):
    """The arguments do not fit together: exit code 2."""


@dataclass(frozen=True)
class Verb:
    """One thing the command does; the module of its name does it, and is imported when it is used."""

    name: str
    help: str
    """A few words for the list of verbs."""
    description: str
    """A paragraph for its own help."""
    example: str
    """Command lines that can be pasted, one a line."""
    add: Callable[[argparse.ArgumentParser], None]
    """Adds the verb's own options."""

    def run(self, arguments: argparse.Namespace, host: "Host", output: "Output") -> bool:
        """Do it; whether all is well."""
        module = import_module(f"certbot_dns_delegate.command.{self.name}")
        return bool(module.run(arguments, host, output))
