"""The command line: common options in Certbot's own words, and one parser for each action."""

import argparse
import shutil
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from certbot.compat import misc

from certbot_dns_delegate import __version__
from certbot_dns_delegate.command.types import argument, authenticator, file
from certbot_dns_delegate.command.verbs import VERBS
from certbot_dns_delegate.schema import URL

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

PROGRAM = "certbot-dns-delegate"
DESCRIPTION = (
    "Manage names whose _acme-challenge is delegated by a CNAME: check them, print the records to add, watch them."
    " Run it as root where Certbot runs as root: it reads Certbot's files below --config-dir, and keeps its own in"
    " dns-delegate below --work-dir. Exit code: 0 all well, 1 a problem was found, 2 wrong usage, 128 + N ended by"
    " signal N."
)
WIDEST = 100
"""Characters: longer lines of a paragraph are hard to read."""


class Parser(argparse.ArgumentParser):
    """Says of Certbot's own options what they are here."""

    def error(self, message: str) -> NoReturn:
        given = message.removeprefix("unrecognized arguments:").split() if "unrecognized" in message else []
        if any(word.startswith("--dns-delegate") for word in given):
            message += "; the command's options have no authenticator's name in front, as --credentials FILE"
        elif given and given[0] in {"-d", "--domain", "--domains"}:
            message += f"; give names without {given[0]}"
        super().error(message)

    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        # The exit code matters more than a stream that is closed or full; argparse of Python 3.11.2 raises there.
        with suppress(AttributeError, OSError):
            super()._print_message(message, file)


def make_parser() -> argparse.ArgumentParser:
    """The parser of everything; ``arguments.verb`` is the chosen :class:`~.verb.Verb`."""
    width = min(shutil.get_terminal_size().columns - 2, WIDEST)
    parser = Parser(
        PROGRAM,
        description=textwrap.fill(DESCRIPTION, width, break_on_hyphens=False),
        epilog=f"example:\n  {VERBS[0].example.splitlines()[0]}\n\n{PROGRAM} VERB --help shows the options of a verb.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    add_common(parser, is_default=True)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        own = verbs.add_parser(
            verb.name,
            help=verb.help,
            description=textwrap.fill(verb.description, width, break_on_hyphens=False),
            epilog="example:\n" + "\n".join(f"  {line}" for line in verb.example.splitlines()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        verb.add(own)
        own.usage = f"{PROGRAM} {verb.name} [options]{_positionals(own)}"
        add_common(own.add_argument_group("common options"), is_default=False)
        own.set_defaults(verb=verb)
    return parser


def _positionals(parser: argparse.ArgumentParser) -> str:
    """The arguments without a flag, for a usage line that fits on one line."""
    words = []
    for action in parser._actions:  # noqa: SLF001  argparse shows its arguments in no other way
        if not action.option_strings:
            name = str(action.metavar or "|".join(action.choices or ()))
            words.append({"*": f"[{name} ...]", "?": f"[{name}]"}.get(str(action.nargs), name))
    return "".join(f" {word}" for word in words)


def add_common(parser: Any, *, is_default: bool) -> None:
    """The options that may come before or after the verb.

    :param is_default: give them their defaults; after the verb they must not undo what came before it.
    """

    def add(*flags: str, default: Any = None, **options: Any) -> None:
        parser.add_argument(*flags, default=default if is_default else argparse.SUPPRESS, **options)

    add(
        "--authenticator",
        "-a",
        default="dns-delegate",
        metavar="NAME",
        type=argument(authenticator),
        help="as in certbot (default: dns-delegate)",
    )
    add(
        "--credentials",
        metavar="FILE",
        type=file,
        help="the authenticator's INI file (default: the one recorded in Certbot's renewal configuration)",
    )
    add("--resolvers", metavar="LIST", help="recursive resolvers that follow the CNAMEs (default: the system's)")
    for word in ("config", "work"):
        folder = misc.get_default_folder(word)
        add(f"--{word}-dir", metavar="DIR", type=Path, default=Path(folder), help=f"as in certbot (default: {folder})")
    directory = "the CA's directory URL (default: the one recorded in the renewal configuration, else Let's Encrypt's)"
    add("--server", metavar="URL", type=argument(_server), help=directory)
    add("--json", action="store_true", default=False, help="print one JSON object a line instead of text")
    add("-v", "--verbose", action="count", default=0, help="print more on standard error; -vv prints everything")


def _server(text: str) -> str:
    URL.parse(text)
    return text  # as it is: a final slash may matter to the CA
