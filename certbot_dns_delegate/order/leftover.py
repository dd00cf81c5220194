"""What could not be taken away, each reason once, for a message to the user."""

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from dns.name import from_text

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.order.withdrawal import Fate
from certbot_dns_delegate.state.entry import DAY_S
from certbot_dns_delegate.text import show_all

SHOWN = 10
"""Owners that a message names; the rest are counted."""


@dataclass(frozen=True)
class Leftover:
    """What could not be taken away, for one reason."""

    owners: str
    error: DelegateError
    since: float
    """When the oldest of it was written, seconds since the epoch."""

    @property
    def is_old(self) -> bool:
        """Whether it was tried for longer than a server is usually away."""
        return time.time() - self.since >= DAY_S


def leftovers(ended: Iterable[Fate]) -> list[Leftover]:
    """What stays on record, each reason once: a server that cannot be reached is one reason for all its owners."""
    grouped: dict[str, list[Fate]] = defaultdict(list)
    for each in ended:
        if each.error is not None:
            grouped[str(each.error)].append(each)
    found = []
    for group in grouped.values():
        owners = sorted({from_text(each.entry.owner) for each in group})
        more = f" and {len(owners) - SHOWN} more" if len(owners) > SHOWN else ""
        error, since = group[0].error, min(each.entry.written for each in group)
        assert error is not None
        found.append(Leftover(show_all(owners[:SHOWN]) + more, error, since))
    return found
