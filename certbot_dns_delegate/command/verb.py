"""What a verb is: the one table from which the parser, the help and the manual are made."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from certbot_dns_delegate.command.host import Host
    from certbot_dns_delegate.command.render import Output


class UsageError(Exception):
    """The arguments do not fit together: exit code 2."""


@dataclass(frozen=True)
class Verb:
    """One thing the command does."""

    name: str
    help: str
    """A few words for the list of verbs."""
    description: str
    """A paragraph for its own help."""
    example: str
    """Command lines that can be pasted, one a line."""
    add: Callable[[argparse.ArgumentParser], None]
    """Adds the verb's own options."""
    run: Callable[[argparse.Namespace, "Host", "Output"], bool]
    """Does it; whether all is well."""
