"""What a run notes while it lasts; the history has it when the run ends."""

import time
from collections.abc import Iterable
from typing import Any

from dns.name import Name

from certbot_dns_delegate.model import Sighting
from certbot_dns_delegate.state.history import Event, History, new_run
from certbot_dns_delegate.timing import OUR_TTL


class Diary:
    """Phases with their outcomes, and the TTLs that were seen."""

    def __init__(self, history: History, *, is_private: bool = False) -> None:
        """:param is_private: neither a CA nor a resolver is asked for the values, so no cache has them."""
        self.run = new_run()
        self._history = history
        self._events: list[Event] = []
        self._ttls: dict[Name, int] = {}
        self._is_private = is_private

    def note(self, phase: str, outcome: str, begin: float, **fields: Any) -> None:
        """One row.

        :param begin: when the phase began, on the clock of ``time.monotonic``.
        """
        took = round((time.monotonic() - begin) * 1000, 1)
        self._events.append(Event(self.run, phase, outcome, milliseconds=took, **fields))

    def saw(self, sightings: Iterable[Sighting]) -> None:
        """Remember the longest TTL of each owner: caches may keep what was there for so long."""
        for sighting in sightings:
            self._ttls[sighting.owner] = max(self._ttls.get(sighting.owner, 0), sighting.rrset.ttl)

    def ttl_of(self, owner: Name) -> int:
        """Seconds that a cache may keep what was published there."""
        return 0 if self._is_private else self._ttls.get(owner, OUR_TTL)

    def close(self) -> None:
        """Hand over what was noted since the last time."""
        events, self._events = self._events, []
        if events:
            self._history.record(events)
