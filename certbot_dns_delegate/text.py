"""Between names and text: the only places where one becomes the other.

Inside, a domain name is a :class:`dns.name.Name`, so comparison, case and escaping are settled. Text that came
from the network may hold anything, so it is made printable before it is shown.
"""

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import dns.exception
import dns.name

VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
"""A dns-01 value: base64url of a SHA-256 digest without padding (RFC 8555 section 8.4)."""


def parse_name(text: str) -> dns.name.Name:
    """The absolute domain name a person wrote, with or without the final dot; U-labels become A-labels.

    :raises ValueError: with a sentence saying what is wrong with it.
    """
    try:
        name = dns.name.from_text(text.strip(), idna_codec=dns.name.IDNA_2008_Practical)
    except dns.exception.DNSException as error:
        raise ValueError(f"{printable(text, 100)!r} is not a domain name: {printable(str(error), 100)}") from None
    except UnicodeError:
        raise ValueError(f"{printable(text, 100)!r} is not a domain name") from None
    if name == dns.name.root:
        raise ValueError(f"{text!r} names no domain")
    return name


def show(name: dns.name.Name) -> str:
    """An absolute name as text, in zone-file form: safe on a terminal, in a log and in a zone file."""
    return name.to_text()


def plain(name: dns.name.Name) -> str:
    """An absolute name as Certbot, settings files and most APIs write it: lower case, without the final dot."""
    return name.canonicalize().to_text(omit_final_dot=True)


def record(owner: dns.name.Name, rdtype: str, value: dns.name.Name | str, ttl: int = 3600) -> str:
    """A line for a zone file.

    :param value: a name, or rdata in zone-file form.
    :param ttl: seconds; an hour suits a record that a person adds, and may want to correct the same day.
    """
    return f"{show(owner)} {ttl} IN {rdtype} {show(value) if isinstance(value, dns.name.Name) else value}"


def show_all(names: Iterable[dns.name.Name]) -> str:
    """Several names, comma separated, in DNSSEC order so that the text is stable."""
    return ", ".join(show(name) for name in sorted(names))


def printable(text: str, limit: int = 300) -> str:
    """Foreign text with every control, bidirectional or otherwise unprintable character escaped, cut at ``limit``."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return safe if len(safe) <= limit else safe[: limit - 3] + "..."


def quoted(word: str | Path) -> str:
    """A word as a shell takes it literally, for hints that can be pasted; not cut, so that it stays the same word."""
    return shlex.quote(printable(str(word), limit=10_000))
