"""One authoritative server, and the looks at it."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import dns.message
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.answer import negative_ttl, rrsigs_in, soa_in, txt_of
from certbot_dns_delegate.lookup.message import PAYLOAD, UNREACHABLE, Outcome, Question, Reply
from certbot_dns_delegate.model import RRset, Server, Sighting, Values
from certbot_dns_delegate.order.memory import Memory, State
from certbot_dns_delegate.timing import (
    AT_ONCE,
    BETWEEN_DOUBTFUL_LOOKS,
    BETWEEN_LOOKS,
    FIRST_STEP,
    QUICK_CAP,
    QUICK_FOR,
    SLOW_CAP,
)

Put = Callable[[Sequence[Question]], Iterable[Outcome]]
"""Puts questions to one server."""

SMALL_PAYLOAD = 512
"""Octets. Some CAs' resolvers take no more by UDP (Unbound's edns-buffer-size), and ask by TCP for what is longer."""

WORST_FIRST = (
    State.LAGGING,
    State.UNSIGNED,
    State.EXPIRED,
    State.NO_TCP,
    State.LAME,
    State.REFUSING,
    State.SILENT,
    State.UNREACHABLE,
    State.READY,
)
"""Of several answers the worst counts: one without the values is enough to fail a challenge."""


class Watcher(Memory):
    """One server of one zone, asked until it serves all values in several complete looks in a row."""

    def __init__(
        self,
        zone: Name,
        server: Server,
        values: Values,
        put: Put,
        *,
        passes: int = 2,
        signed: bool = False,
        in_time: bool = True,
        recursive: bool = False,
        known: bool = False,
        seen: Iterable[Sighting] = (),
    ) -> None:
        """:param signed: resolvers insist on signatures.
        :param in_time: these must be inside their validity period; not where this host's clock is wrong.
        :param known: it answered a moment ago, before the values were written, so without them.
        :param seen: what was just seen at this server, counted as its first look when it is complete.
        """
        super().__init__(passes)
        self.zone = zone
        self.server = server
        self.values = values
        self.put = put
        self.signed = signed
        self.in_time = in_time
        self.recursive = recursive
        self.sightings: dict[Name, Sighting] = {}
        self.older: dict[Name, tuple[float, int]] = {}
        """When an RRset without our values was last seen at an owner (``time.monotonic``), and its TTL in seconds."""
        self._step_s = FIRST_STEP.total_seconds()
        for sighting in seen:
            self.sightings[sighting.owner] = sighting
        self.lacked_at = time.monotonic() if known else None
        self.was_read_back = bool(self.sightings) and not self.missing()
        """Whether the values were seen here when they were written, perhaps by a question signed with the key."""
        if self.was_read_back and not signed:
            now = time.monotonic()
            self.note(State.READY, now, now)

    def missing(self) -> list[Name]:
        """The owners whose values were not all seen here last."""
        return [
            owner
            for owner, texts in self.values.items()
            if owner not in self.sightings or not texts <= self.sightings[owner].rrset.values
        ]

    def look(self) -> None:
        """Ask once; one owner first, and only when its values are there the rest (gentle on rate limits).

        Once it has served all of them often enough for a server without history, one owner is enough.
        """
        begin = time.monotonic()
        owners = list(self.values)
        first = next(iter(self.missing()), owners[self.looks % len(owners)])
        times = self._times()
        state = self._ask([first] * times)
        rest = [owner for owner in owners if owner != first]
        if state is State.READY and rest and self.looks < self.passes:
            state = self._ask(rest)
        self.note(state, begin, time.monotonic(), times)

    def _times(self) -> int:
        """How often to ask at once, which costs no time: more than one machine may answer for the address."""
        if self.recursive:
            return 1
        if self.needed == self.passes:
            return AT_ONCE if self.looks + 1 == self.needed else 1
        return max(1, min(AT_ONCE, self.needed - self.looks)) if self.looks else 1

    def pause_s(self, waited_s: float) -> float:
        """Seconds until the next look."""
        if self.state is State.SEEN:
            is_first = self.needed == self.passes
            return (BETWEEN_LOOKS if is_first else BETWEEN_DOUBTFUL_LOOKS).total_seconds()
        cap = QUICK_CAP if waited_s < QUICK_FOR.total_seconds() else SLOW_CAP
        pause_s = min(self._step_s, cap.total_seconds())
        self._step_s *= 1.5
        return pause_s

    def _ask(self, owners: Sequence[Name]) -> State:
        # Every second look takes as little by UDP as the strictest resolver, so a longer answer is seen by TCP as well.
        is_small = not self.recursive and (self.looks % 2 == 1 or self.state is State.NO_TCP)
        payload = SMALL_PAYLOAD if is_small else PAYLOAD
        questions = [
            Question(
                owner,
                RdataType.TXT,
                recursion_desired=self.recursive,
                dnssec_ok=self.signed,
                payload=payload,
            )
            for owner in owners
        ]
        states = {state for outcome in self.put(questions) for state in self._states(outcome)}
        return next((state for state in WORST_FIRST if state in states), State.READY)

    def _states(self, outcome: Outcome) -> Iterator[State]:
        """What the answer shows, and what a datagram before it did that lacked the server's cookie.

        Of two machines behind one address one may have cookies, and be ahead; a forger could only make us wait.
        """
        yield self._judge(outcome)
        if isinstance(outcome, Reply) and outcome.doubtful is not None:
            yield self._judge(outcome.doubtful)

    def _judge(self, outcome: Outcome) -> State:
        owner = outcome.ask.question.name
        if not isinstance(outcome, Reply):
            self.sightings[owner] = Sighting(self.server, owner, outcome.reason)
            if outcome.is_truncated and not self.recursive:
                return State.NO_TCP
            return State.UNREACHABLE if outcome.reason == UNREACHABLE else State.SILENT
        soa = None if outcome.short is not None else soa_in(outcome.message, owner)
        rrset = txt_of(outcome) if outcome.is_authoritative or self.recursive else RRset()
        self.sightings[owner] = Sighting(
            self.server,
            owner,
            outcome.rcode,
            rrset,
            serial=soa[0].serial if soa is not None else None,
            apex=soa.name if soa is not None else None,
            negative_ttl=negative_ttl(soa) if soa is not None else 0,
        )
        if outcome.rcode not in {"NOERROR", "NXDOMAIN"}:
            return State.REFUSING
        if not outcome.is_authoritative and not self.recursive:
            return State.LAME
        if not self.values[owner] <= rrset.values:
            if rrset.values:
                self.older[owner] = (time.monotonic(), rrset.ttl)
            return State.LAGGING
        return self._signatures(outcome.message, owner) if self.signed else State.READY

    def _signatures(self, message: dns.message.Message, owner: Name) -> State:
        """Whether a signature by the zone is there, and valid now; whether the zone validates, the plan has seen."""
        made = [rrsig for rrsig in rrsigs_in(message, owner) if rrsig.signer == self.zone]
        if not made:
            return State.UNSIGNED
        is_valid = not self.in_time or any(_is_valid(rrsig, int(time.time())) for rrsig in made)
        return State.READY if is_valid else State.EXPIRED


def _is_valid(rrsig: Any, now: int) -> bool:
    """Whether ``now`` lies in the validity period, in serial number arithmetic (RFC 4034 section 3.1.5)."""
    since_s, left_s = (now - int(rrsig.inception)) % 2**32, (int(rrsig.expiration) - now) % 2**32
    return since_s < 2**31 and left_s < 2**31
