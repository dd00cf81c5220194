"""Between names and text: the only places where one becomes the other.

Inside, a domain name is a :class:`dns.name.Name`, so comparison, case and escaping are settled. Text that came
from the network may hold anything, so it is made printable before it is shown.
"""

import csv
import io
import os
import re
import shlex
import string
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import dns.exception
import dns.name

VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
"""A dns-01 value: base64url of a SHA-256 digest without padding (RFC 8555 section 8.4)."""

UNESCAPED = frozenset(string.ascii_letters + string.digits + "-_/")
PLAIN = re.compile(r"(\*\.)?[A-Za-z0-9_/.-]*")
"""Names of these characters alone, and a wildcard's ``*``, are shown as they are."""
SHOWN = 3
"""Of a list that others wrote; the rest are counted."""


ORDINARY = re.compile(r"(?:[A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+\.?", re.ASCII)
"""A domain name of letters, digits, ``-`` and ``_`` alone."""
QUOTES = re.compile("[\N{LEFT SINGLE QUOTATION MARK}-\N{DOUBLE LOW-9 QUOTATION MARK}]")
"""What word processors and web pages make of a quote."""
LONGEST_LABEL = 63
"""Octets (RFC 1035 section 2.3.4)."""


def parse_name(text: str) -> dns.name.Name:
    """The absolute domain name a person wrote, with or without the final dot; U-labels become A-labels.

    :raises ValueError: with a sentence saying what is wrong with it.
    """
    try:
        if ORDINARY.fullmatch(text):  # without escapes and U-labels; thousands of sections have such names
            return dns.name.Name((*text.removesuffix(".").encode("ascii").split(b"."), b""))
        name = dns.name.from_text(text.strip(), idna_codec=dns.name.IDNA_2008_Practical)
    except dns.name.IDNAException:
        raise ValueError(f"{cited(text)} is not a domain name: {_about_letters(text)}") from None
    except dns.exception.DNSException as error:
        raise ValueError(f"{cited(text)} is not a domain name: {printable(str(error), 100)}") from None
    except UnicodeError:
        raise ValueError(f"{cited(text)} is not a domain name") from None
    if name == dns.name.root:
        raise ValueError(f"{cited(text)} names no domain")
    return name


def _about_letters(text: str) -> str:
    """Why letters of other scripts make no name."""
    if QUOTES.search(text):
        return "it has typographic quotes"
    return "it has letters or marks that no such name can have (RFC 5891)"


def normal(text: str) -> str:
    """The domain name a person wrote, as :func:`plain` has it.

    :raises ValueError: as :func:`parse_name`.
    """
    if len(text) <= LONGEST_LABEL and ORDINARY.fullmatch(text):  # no label can be too long; most names are so
        return text.lower().removesuffix(".")
    return plain(parse_name(text))


def show(name: dns.name.Name) -> str:
    """An absolute name as text: safe on a terminal, in a log, in a zone file and in a shell.

    Every octet but letters, digits, ``-``, ``_``, ``/`` and the ``*`` of a wildcard becomes ``\\DDD`` (RFC 1035 section
    5.1), also those that zone files allow and a shell acts on: a backquote, ``$``, ``;``.
    """
    text = name.to_text()
    return text if PLAIN.fullmatch(text) else ".".join(map(_label, name.labels)) or "@"


def plain(name: dns.name.Name) -> str:
    """An absolute name as certificates, settings and APIs have it: lower case, without the final dot."""
    return show(name).lower().removesuffix(".") or "."


def _label(label: bytes) -> str:
    if label == b"*":
        return "*"
    return "".join(chr(octet) if chr(octet) in UNESCAPED else f"\\{octet:03}" for octet in label)


def show_all(names: Iterable[dns.name.Name]) -> str:
    """Several names, comma separated, in DNSSEC order so that the text is stable; of many the first, and a count."""
    return listed([show(name) for name in sorted(names)])


def listed(words: Sequence[str], separator: str = ", ", most: int = SHOWN) -> str:
    """The first ``most`` of several words, and how many more there are: what others wrote may have any number."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return separator.join(words[:most]) + more


def printable(text: str, limit: int = 300) -> str:
    """Foreign text with every control, bidirectional or otherwise unprintable character escaped, cut at ``limit``."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return safe if len(safe) <= limit else safe[: limit - 3] + "..."


def cited(text: str, limit: int = 100) -> str:
    """Foreign text in quotes, as :func:`printable` has it."""
    return f"'{printable(text, limit)}'"


# What can be pasted. Hints are made of these alone.


def command_line(*words: str | Path | dns.name.Name) -> str:
    """A command line: a shell takes every word as it is, whatever it holds.

    A domain name is written so that no program takes it for an option.
    """
    return " ".join(map(_word, words))


def _word(word: str | Path | dns.name.Name) -> str:
    if isinstance(word, dns.name.Name):
        text = show(word)
        return shlex.quote(f"\\{ord(text[0]):03}{text[1:]}" if text.startswith("-") else text)
    text = str(word)
    if text.isprintable():
        return shlex.quote(text)
    # bash, zsh, ksh and POSIX of 2024 read these escapes; an older shell takes them for other, harmless characters.
    octets = os.fsencode(text)
    return "$'" + "".join(chr(o) if 0x20 <= o < 0x7F and o not in b"\\'" else f"\\{o:03o}" for o in octets) + "'"


def record(owner: dns.name.Name, rdtype: str, value: dns.name.Name | str, ttl: int = 3600) -> str:
    """A line for a zone file (RFC 1035 section 5.1).

    :param value: a name, or rdata in zone-file form: numbers, words and :func:`character_string`.
    :param ttl: seconds; an hour suits a record that a person adds, and may want to correct the same day.
    """
    return f"{show(owner)} {ttl} IN {rdtype} {show(value) if isinstance(value, dns.name.Name) else value}"


def character_string(text: str) -> str:
    """A quoted string of a zone file (RFC 1035 section 5.1)."""
    octets = text.encode("utf-8", "surrogateescape")
    return '"' + "".join(chr(o) if 0x20 <= o < 0x7F and o not in b'"\\' else f"\\{o:03}" for o in octets) + '"'


def csv_line(cells: Iterable[object]) -> str:
    """A line of CSV (RFC 4180) whose cells a spreadsheet takes for text, none for a formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_cell(str(cell)) for cell in cells])
    return text.getvalue()


def _cell(text: str) -> str:
    safe = printable(text, limit=10_000)
    # A spreadsheet takes the wide forms of these signs for the signs.
    return f"'{safe}" if unicodedata.normalize("NFKC", safe).lstrip().startswith(("=", "+", "-", "@")) else safe
