"""``--shard K/N``: the names that one of several machines looks at, chosen by a stable hash."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.schema import parse_zone
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.text import cited, plain

MOST = 10_000
"""Shards: as many as Kubernetes runs of a large Indexed Job at once; joining them remembers some octets of each."""
FORM = re.compile(r"([0-9]{1,5})/([0-9]{1,5})", re.ASCII)
ORDINARY = re.compile(
    r"(?:\*\.)?((?!_)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)\.?", re.ASCII
)
"""Names that are their own canonical form: most of a fleet's, for which nothing else need be tried."""
LONGEST_ORDINARY = 230
"""Characters: with ``_acme-challenge.`` in front such a name still fits (RFC 1035 section 2.3.4)."""


@dataclass(frozen=True)
class Shard:
    """One of several parts of the names, numbered from 0 as Kubernetes, Slurm and Nomad number their tasks."""

    number: int = 0
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From ``K/N``.

        :raises ValueError: with a sentence, when it is none.
        """
        found = FORM.fullmatch(text)
        number, of = (int(found[1]), int(found[2])) if found else (0, 0)
        if not number < of <= MOST:
            raise ValueError(f"{cited(text, 40)} is no shard: write K/N, as 0/4 to 3/4 for four machines (N <= {MOST})")
        return cls(number, of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def has(self, text: str) -> bool:
        """Whether a line of the list belongs to this shard."""
        return self.of == 1 or self.has_key(key(text))

    def has_key(self, canonical: str) -> bool:
        """Whether a name belongs to this shard, in the form that :func:`key` gives it."""
        return int.from_bytes(sha256(canonical.encode("utf-8", "replace")).digest()[:8], "big") % self.of == self.number

    def database(self, state: Path) -> Path:
        """Where this shard remembers its names: a file of its own, since SQLite and network file systems do not mix."""
        return state / ("fleet.sqlite3" if self.of == 1 else f"fleet-{self.number}-of-{self.of}.sqlite3")


def key(text: str) -> str:
    """What decides about the shard of a line: the name as certificates have it, without ``*.``.

    A name and its wildcard have one CNAME, so they share a shard. A line that is no name counts as it is shown.
    """
    lower = text.lower()
    if text.isascii() and len(text) <= LONGEST_ORDINARY and (found := ORDINARY.fullmatch(lower)):
        return found[1]
    given = names.usable(text, "")
    return given.identifier if isinstance(given, Wanted) else given.text


@dataclass(frozen=True)
class ListFacts:
    """What is counted of a list of names, so that the shards can be proved to be the whole."""

    names: int
    """Lines of the shard."""
    of: int
    """Lines of the list."""
    digest: str
    """Of the list: 16 hexadecimal digits."""


class Portion:
    """The lines of one shard out of the whole list, counted as they go by."""

    def __init__(self, shard: Shard, lines: Iterable[tuple[str, str]]) -> None:
        self._shard = shard
        self._lines = lines
        self._names = self._of = 0
        self._digest = sha256()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for where, text in self._lines:
            self._of += 1
            self._digest.update(text.encode("utf-8", "replace") + b"\n")
            if self._shard.has(text):
                self._names += 1
                yield where, text

    @property
    def listed(self) -> ListFacts:
        """As far as the list was read."""
        return ListFacts(self._names, self._of, self._digest.hexdigest()[:16])


def parse_zones(text: str) -> tuple[Delegate, ...]:
    """Delegates that are no more than their zones, comma separated: enough to look where names lead, and no secret.

    :raises ValueError: when one is no domain name, or there are none.
    """
    words = [word for word in re.split(r"[,\s]+", text) if word]
    if not words:
        raise ValueError("names no zone")
    zones = dict.fromkeys(map(parse_zone, words))
    return tuple(Delegate(plain(zone), "", zone, {}) for zone in zones)


def settings_of(delegates: tuple[Delegate, ...]) -> Settings:
    """Settings that no file holds."""
    return Settings(Path("/nonexistent"), "dns-delegate", delegates)
