"""From the text of one argument to its value."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from certbot_dns_delegate.schema import DURATION, TEMPLATE, choice
from certbot_dns_delegate.text import printable

LONGEST_TTL_S = 2**31 - 1


class UsageError(Exception):
    """The arguments cannot be used together: exit code 2."""


def argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """An argparse type from a parser of the settings, whose sentence becomes the error."""

    def parse_argument(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse_argument


def target(text: str) -> str:
    """A template with a word in it that differs for each name."""
    word = "{hash}" if "{hash}" in text else "{name}"
    TEMPLATE.parse(text.replace(word, "{name}"))
    return text


def authenticator(text: str) -> str:
    """One of ours, by its name at Certbot."""
    ours = "dns-delegate"
    if text == ours:
        return text
    from importlib.metadata import entry_points

    names = {point.name for point in entry_points(group="certbot.plugins") if point.name.startswith(f"{ours}-")}
    return str(choice(ours, *sorted(names)).parse(text))


def file(text: str) -> Path:
    """A path; where the shell has left a tilde, as behind ``--credentials=``, it is the home directory.

    :raises ArgumentTypeError: when it is empty, as of a variable that is not set.
    """
    if not text:
        raise argparse.ArgumentTypeError("is empty")
    return Path(os.path.expanduser(text))  # noqa: PTH111  Path.expanduser raises


def check_output(option: str, path: Path | None) -> None:
    """See before the work whether its result can be written.

    :raises UsageError: when there is no place for it.
    """
    if path is None:
        return
    shown = f"{option} {printable(str(path))}"
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{shown}: there is no such directory")
    if path.is_dir():
        raise UsageError(f"{shown}: is a directory; name a file in it")


def positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**63:
        raise ValueError("must be a whole number above 0")
    return int(text)


def ttl(text: str) -> int:
    if positive(text) > LONGEST_TTL_S:
        raise ValueError(f"must be at most {LONGEST_TTL_S} (RFC 2181 section 8)")
    return int(text)


def setting(text: str) -> tuple[str, str]:
    """A line of an INI file."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise ValueError("must be KEY=VALUE, as in server=ns1.example.net")
    return key.strip(), value.strip()


def moment(text: str) -> float:
    """Seconds since the epoch: a date, a date with time, or a duration before now."""
    import time
    from datetime import UTC, datetime

    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            return time.time() - float(DURATION.parse(text).total_seconds())
        except ValueError:
            raise ValueError("is neither a date such as 2026-11-22T03:00Z nor a duration such as 12h or 7d") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def shard(text: str) -> Any:
    """A part of the names, :class:`~certbot_dns_delegate.monitor.shard.Shard`."""
    from certbot_dns_delegate.monitor.shard import Shard

    return Shard.parse(text)


def zones(text: str) -> Any:
    """Delegates that are their zones alone."""
    from certbot_dns_delegate.monitor.shard import parse_zones

    return parse_zones(text)
