"""The certificate names to work on: from the command line, a file or a pipe, one at a time."""

import base64
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO

import dns.name
from dns.name import Name

from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.text import cited, command_line, parse_name, plain, printable

PREFIX = "_acme-challenge"
HOST = re.compile(r"(?!-)[a-z0-9_-]+(?<!-)(\.(?!-)[a-z0-9_-]+(?<!-))*")
"""The characters of names in certificates (RFC 1034 section 3.5; the underscore for internal CAs)."""
HASHED = 20
"""Octets of the digest in a label: 32 letters, and no two of 2**80 names alike."""
SETTING = re.compile(r"\s*[A-Za-z0-9_-]+\s*=")
LONGEST_LINE = 1024
"""Bytes: a domain name as text with every octet escaped, as \\\\DDD, needs no more (RFC 1035 section 2.3.4)."""


@dataclass(frozen=True)
class Wanted:
    """One certificate name."""

    identifier: str
    """Lower case, A-labels, without ``*.`` and final dot."""
    is_wildcard: bool
    owner: Name
    """Where the CA looks."""

    @property
    def doubt(self) -> str:
        """Why no public CA issues for it; empty if one may. An internal CA may do it."""
        # Host names have letters, digits and hyphens (CA/Browser Forum, Baseline Requirements 7.1.4.2.1).
        return "has an underscore, and no public CA issues for such a name" if "_" in self.identifier else ""

    def __str__(self) -> str:
        return f"*.{self.identifier}" if self.is_wildcard else self.identifier


@dataclass(frozen=True)
class Unusable:
    """What was given instead of a name."""

    text: str
    where: str
    problem: str

    @property
    def error(self) -> DelegateError:
        """As an error about what was given."""
        return DelegateError(self.problem)


def digest(identifier: str) -> str:
    """A label that no other name has, and that does not reveal the name.

    :param identifier: as in :class:`Wanted`.
    """
    return base64.b32encode(hashlib.sha256(identifier.encode()).digest()[:HASHED]).decode().lower()


def parse(text: str) -> Wanted:
    """A certificate name as a person writes it; ``_acme-challenge.`` in front is removed.

    :raises ValueError: saying why it is none.
    """
    stripped = text.strip()
    is_wildcard = stripped.startswith("*.")
    bare = stripped.removeprefix("*.")
    try:
        ip_address(bare.strip("[]"))
    except ValueError:
        pass
    else:
        raise ValueError(f"{bare} is an IP address, and a challenge in DNS needs a name")
    name = parse_name(bare).canonicalize()
    if any(b"*" in label for label in name.labels):
        raise ValueError(f"{cited(text, 100)} has a * that is not the first label")
    if not HOST.fullmatch(plain(name)):
        is_list = any(mark in stripped for mark in ",; ")
        what = "names one by one, with spaces between them" if is_list else "shop.example.com, not a URL"
        raise ValueError(f"{cited(text, 100)} is not a host name; give {what}")
    if name.labels[0] == PREFIX.encode():
        name = name.parent()
    if len(name) < 3:  # with the root's
        raise ValueError(f"{cited(text, 100)} has only one label, and no public CA issues for it")
    try:
        owner = dns.name.from_text(PREFIX, name)
    except dns.name.NameTooLong:
        raise ValueError(f"{cited(text, 60)} is too long: there is no room for {PREFIX} in front of it") from None
    return Wanted(plain(name), is_wildcard, owner)


def challenge_of(wanted: Wanted) -> Challenge:
    """The challenge of a name; the value, which only the CA can give, is the name itself."""
    return Challenge(wanted.identifier, wanted.owner, str(wanted))


def read(words: Iterable[str], file: str | None, output: Output) -> Iterator[Wanted | Unusable]:
    """The names of the command line and of a file, as they come; parameters and errors as for :func:`lines`."""
    return (usable(text, where) for where, text in lines(words, file, output))


def lines(words: Iterable[str], file: str | None, output: Output) -> Iterator[tuple[str, str]]:
    """Where each name was read, and its text.

    :param file: a path, or ``-`` for standard input.
    :raises UsageError: when there are none, the file cannot be opened, or is no text.
    """
    is_empty = True
    for word in words:
        is_empty = False
        yield "argument", word
    if file is not None:
        for number, line in _lines(file, output):
            is_empty = False
            yield f"line {number}", line
    if is_empty:
        where = "on standard input" if file == "-" else f"in {printable(file or '')}"
        raise UsageError(f"no names {where}" if file else "no names; hint: NAME, or --from FILE")


def usable(text: str, where: str) -> Wanted | Unusable:
    """A name, or what is wrong with it.

    :param where: where it was read.
    """
    if SETTING.match(text):  # of an INI file that was given by mistake: it may be a secret
        return Unusable("(not shown)", where, "is a line of an INI file, and no name")
    try:
        return parse(text)
    except ValueError as error:
        return Unusable(printable(text.strip(), 60) or "''", where, str(error))


def _lines(file: str, output: Output) -> Iterator[tuple[int, str]]:
    """Numbered lines, without empty ones and comments; a line that is too long to be a name is cut."""
    with _open(file, output) as stream:

        def read() -> bytes:
            try:
                return stream.readline(LONGEST_LINE)
            except OSError as error:
                raise UsageError(f"--from {printable(file)}: {error.strerror}") from None

        number = 0
        while piece := read():
            number += 1
            if b"\0" in piece:
                raise UsageError(
                    f"line {number} of {printable(file)} has a NUL byte: it is UTF-16, or not text; hint: "
                    + command_line("iconv", "-f", "UTF-16", "-t", "UTF-8", file)
                )
            line = piece
            while not piece.endswith(b"\n") and (piece := read()):
                pass
            text = line.decode("utf-8", "replace").partition("#")[0].strip()
            if text:
                yield number, text


def _open(file: str, output: Output) -> BinaryIO | nullcontext[BinaryIO]:
    if file == "-":
        if sys.stdin is None:
            raise UsageError("--from -: standard input is closed")
        if sys.stdin.isatty():
            output.say("reading names, one a line; Ctrl-D ends")
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise UsageError(f"--from {printable(file)}: {error.strerror}") from None
