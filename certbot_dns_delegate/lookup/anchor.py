"""Trust anchors (RFC 4033 section 2): the keys from which DNSSEC is validated, as files of this host hold them."""

import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.exception
import dns.rdata
import dns.rdataclass
from dns.name import Name, from_text, root
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.dnskeybase import Flag

from certbot_dns_delegate.text import printable

SYSTEM = (
    Path("/var/lib/unbound/root.key"),
    Path("/usr/share/dns/root.key"),
    Path("/etc/unbound/root.key"),
    Path("/etc/trusted-key.key"),
)
"""Where systems keep the root's: Unbound keeps the first up to date (RFC 5011); then the packages
dns-root-data (Debian), Unbound's own directory, dnssec-anchors (Arch)."""
MOST_OCTETS = 1 << 18
"""Of a file; that of the root has 2,000."""
MOST = 64
"""Anchors of one file."""
TRUSTED = {"2", "3"}
"""Of the states that Unbound notes beside a key (RFC 5011 section 4.2): valid, and missing."""


@dataclass(frozen=True)
class Anchors:
    """The trust anchors of this host."""

    source: str
    """The file, for people."""
    digests: Mapping[Name, tuple[DS, ...]] = field(default_factory=dict)
    """By the apex of the zone whose keys they name."""
    problem: str = ""
    """Why there are none; a sentence."""

    def above(self, name: Name) -> Name:
        """The nearest zone at or above a name for which there is one; the root where there is none."""
        ancestors = (name.split(depth)[1] for depth in range(len(name), 0, -1))
        return next((each for each in ancestors if each in self.digests), root)


def load(path: Path | None) -> Anchors:
    """The anchors in a file, or those of the system; a file that cannot be used has none, and a problem.

    :param path: None: the first of :data:`SYSTEM` that has some.
    """
    if path is not None:
        return _load(path)
    tried = [_load(each) for each in SYSTEM]
    problems = "; ".join(each.problem for each in tried)
    none = Anchors("", problem=f"no file of this host has trust anchors: {problems}")
    return next((each for each in tried if each.digests), none)


def _load(path: Path) -> Anchors:
    shown = printable(str(path))
    try:
        # Not every directory of these files is root's alone, and a named pipe would never be read to its end.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123  pathlib knows no descriptors
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return Anchors(shown, problem=f"{shown}: is no regular file")
            digests = parse(file.read(MOST_OCTETS).decode("utf-8", "replace"))
    except OSError as error:
        return Anchors(shown, problem=f"{shown}: {error.strerror}")
    except ValueError as error:
        return Anchors(shown, problem=f"{shown}: {error}")
    return Anchors(shown, digests, "" if digests else f"{shown} has no DS and no DNSKEY record")


def parse(text: str) -> dict[Name, tuple[DS, ...]]:
    """The anchors in lines of a zone file: DS and DNSKEY records, as Unbound, dns-root-data and systemd have them.

    :raises ValueError: naming the line that is none of these.
    """
    found: dict[Name, list[DS]] = defaultdict(list)
    for number, line in enumerate(text.splitlines(), start=1):
        record, _, comment = line.partition(";")
        words = record.split()
        if not words or words[0].startswith("#") or not _is_trusted(comment):
            continue
        try:
            owner, digest = _record(words)
        except (ValueError, IndexError, dns.exception.DNSException):
            raise ValueError(f"line {number} is no DS or DNSKEY record: {printable(line, 80)}") from None
        if digest is not None and sum(map(len, found.values())) < MOST:
            found[owner].append(digest)
    return {owner: tuple(digests) for owner, digests in found.items()}


def _is_trusted(comment: str) -> bool:
    """Whether a key may be trusted by the state that Unbound notes beside it."""
    _, is_noted, state = comment.partition("state=")
    return not is_noted or state[:1] in TRUSTED


def _record(words: list[str]) -> tuple[Name, DS | None]:
    """A record as owner and DS; None for a key that only signs the zone's data."""
    owner = from_text(words[0])
    rest = [word for word in words[1:3] if not word.isdigit() and word.upper() != "IN"]
    at = words.index(rest[0]) if rest else 3
    rdtype = RdataType.make(words[at].upper())
    rdata: Any = dns.rdata.from_text(dns.rdataclass.IN, rdtype, " ".join(words[at + 1 :]))
    if rdtype == RdataType.DS:
        return owner, rdata
    if rdtype != RdataType.DNSKEY:
        raise ValueError(words[at])
    return owner, next(digests_of(owner, [rdata]), None)


def digests_of(apex: Name, keys: list[Any]) -> Iterator[DS]:
    """The DS records (SHA-256) of a zone's keys that may sign its keys (RFC 4034 section 2.1.1: the SEP flag)."""
    import dns.dnssec  # 15 ms that only a signed zone costs

    for key in keys:
        if key.flags & Flag.SEP:
            yield dns.dnssec.make_ds(apex, key, "SHA256")
