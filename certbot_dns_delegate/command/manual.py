"""The manual page, made from the parser itself so that it cannot fall behind.

``python -m certbot_dns_delegate.command.manual`` prints the page, for packages to install in man8.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from certbot_dns_delegate import __version__
from certbot_dns_delegate.command.arguments import DESCRIPTION, PROGRAM, add_common
from certbot_dns_delegate.command.verbs import VERBS


def page() -> str:
    """The manual page in roff (man-pages(7))."""
    common = argparse.ArgumentParser(add_help=False)
    add_common(common, is_default=True)
    lines = [
        f'.TH {PROGRAM.upper()} 8 "{_day()}" "{PROGRAM} {__version__}" "System Administration"',
        ".SH NAME",
        f"{_roff(PROGRAM)} \\- look after delegated _acme\\-challenge names",
        ".SH SYNOPSIS",
        f".B {_roff(PROGRAM)}",
        ".I VERB",
        "[options]",
        ".SH DESCRIPTION",
        _roff(DESCRIPTION),
        ".SH OPTIONS OF EVERY VERB",
        *_options(common),
    ]
    for verb in VERBS:
        own = argparse.ArgumentParser(add_help=False)
        verb.add(own)
        lines += [f".SH {_roff(verb.name.upper())}", _roff(verb.description), *_options(own)]
        lines += [".PP", "Example:", ".nf", ".RS", *map(_roff, verb.example.splitlines()), ".RE", ".fi"]
    return "\n".join(lines) + "\n"


def _day() -> str:
    """The date of the source where a build says it (SOURCE_DATE_EPOCH), so that two builds are the same; else today."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return f"{datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC):%Y-%m-%d}"


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001  argparse shows its options in no other way
        flags = ", ".join(f"\\fB{_roff(flag)}\\fR" for flag in action.option_strings)
        value = action.metavar or ("" if action.nargs == 0 or not action.choices else "|".join(action.choices))
        yield ".TP"
        yield f"{flags} \\fI{_roff(str(value))}\\fR".strip() if value else flags or f"\\fI{_roff(action.dest)}\\fR"
        yield _roff(action.help or "")


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    sys.stdout.write(page())
