"""What is known of values that were written and must go: an entry, and the facts about it since.

Both are read back from a file that anyone may have damaged, so each field is checked.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import dns.exception
import dns.name

AGAIN_AFTER_S = 300
"""Seconds after which a signed request can no longer be carried out: the fudge of its TSIG (RFC 8945 section 10)."""
DAY_S = 86_400
"""Seconds after which no write is expected to appear any more, where no shorter time is known: an unsigned request that
waits somewhere, a secondary whose zone has a longer refresh."""
BACK_OFF_S = 600
"""Seconds between the first and the second try of later runs at what a dead run left; each further wait is twice as
long, up to a day."""
FIELDS = frozenset({"authenticator", "credentials", "delegate", "zone", "owner", "values", "before", "written"})
"""What every line has that begins an entry; later versions may add more."""


class State(StrEnum):
    """What is known about an entry."""

    INTENDED = "intended"
    """About to be sent: from here on it may have been written."""
    PUBLISHED = "published"
    """The provider has written it."""
    STRUCK = "struck"
    """Certainly not written."""
    WITHDRAWN = "withdrawn"
    """Taken away, or seen to be nowhere."""
    DOUBTFUL = "doubtful"
    """Withdrawn while its write could still arrive."""
    FORGOTTEN = "forgotten"
    """The operator has ended it (``sweep --forget``); the value may stay in DNS."""


IN_DOUBT = frozenset({State.INTENDED, State.DOUBTFUL})
"""Nobody has said that it was written."""
OVER = frozenset({State.STRUCK, State.WITHDRAWN, State.FORGOTTEN})
"""There is nothing left to do."""


@dataclass(frozen=True)
class Entry:
    """The values of one owner: enough to take them away without any look-up. No secret."""

    authenticator: str
    credentials: str
    delegate: str
    zone: str
    owner: str
    values: tuple[str, ...]
    before: tuple[str, ...] = ()
    """Those of them that were there before us: they stay."""
    written: float = field(default_factory=time.time)
    """When the request was about to leave, seconds since the epoch."""
    late_s: float = AGAIN_AFTER_S
    """How long after that it may still be carried out."""
    refresh_s: float = DAY_S
    """How long a secondary of the zone may need to have it, or to have lost it: the refresh of its SOA."""
    servers: tuple[str, ...] | None = None
    """The authoritative servers that would serve it, as ``address@port``; None where they are not known."""
    server: str = ""
    """The update server that it was sent to, in the same form, where the delegate has several."""

    @property
    def ours(self) -> frozenset[str]:
        return frozenset(self.values) - frozenset(self.before)

    @property
    def settled(self) -> float:
        """From when on a look shows whether it is there to stay, seconds since the epoch."""
        return self.written + max(self.late_s, min(self.refresh_s, DAY_S))

    def may_arrive(self, now: float) -> bool:
        """Whether the request may still be carried out."""
        # By its amount: a clock that was set back must not keep an entry for ever.
        return abs(now - self.written) < self.late_s

    def waits(self, now: float) -> bool:
        """Whether a look would be too early."""
        return abs(now - self.written) < self.settled - self.written


@dataclass(frozen=True)
class Noted:
    """An entry, and what became of it since."""

    entry: Entry
    state: State = State.INTENDED
    tries: int = 0
    """How often later runs have tried in vain to take it away."""
    tried: float = 0.0
    """When they last did, seconds since the epoch."""
    told: bool = False
    """Whether it was said that it cannot be taken away."""
    absent: float = 0.0
    """When all servers were last seen without it, seconds since the epoch; 0: they were not."""

    @property
    def is_open(self) -> bool:
        """Whether it may still stand in DNS."""
        return self.state not in OVER

    @property
    def is_in_doubt(self) -> bool:
        return self.state in IN_DOUBT

    def is_due(self, now: float) -> bool:
        """Whether a later run shall try again."""
        wait_s = min(BACK_OFF_S * 2.0 ** (self.tries - 1), DAY_S) if self.tries else 0.0
        return abs(now - self.tried) >= wait_s


def with_fact(record: Noted, fact: Mapping[str, Any]) -> Noted:
    """The record with one more fact.

    :raises ValueError, TypeError: when it is none that we write.
    """
    ((name, value),) = fact.items()
    if name == "state":
        return replace(record, state=State(value))
    entry = record.entry
    if name == "server":
        return replace(record, entry=replace(entry, server=_text(value)))
    if name == "left":
        return replace(record, entry=replace(entry, before=(*entry.before, *map(_text, value))))
    if name == "tried":
        return replace(record, tries=record.tries + 1, tried=_moment(value))
    if name == "told":
        return replace(record, told=bool(value))
    if name == "absent":
        return replace(record, absent=_moment(value))
    raise ValueError(name)


def entry_of(fields: dict[str, Any]) -> Entry:
    """:raises ValueError, TypeError: when the fields are not what :meth:`Journal.intend` writes."""
    for name in ("values", "before"):
        fields[name] = tuple(map(_text, fields[name]))
    if fields.get("servers") is not None:
        fields["servers"] = tuple(map(_text, fields["servers"]))
    entry = Entry(**fields)
    for text in (entry.authenticator, entry.credentials, entry.delegate, entry.zone, entry.owner, entry.server):
        _text(text)
    for moment in (entry.written, entry.late_s, entry.refresh_s):
        _moment(moment)
    try:
        zone, owner = dns.name.from_text(entry.zone, None), dns.name.from_text(entry.owner, None)
    except dns.exception.DNSException as error:
        raise ValueError from error
    if not (zone.is_absolute() and owner.is_subdomain(zone) and Path(entry.credentials).is_absolute()):
        raise ValueError
    return entry


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _moment(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:  # the year 5138
        raise TypeError
    return float(value)
