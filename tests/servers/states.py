"""Behaviours of servers whose zones are not, or not yet, what somebody else was told."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

import dns.message
import dns.name
import dns.rrset
from dns.rdataclass import IN
from dns.rdatatype import SOA, TXT

from .behaviour import Behaviour
from .exchange import Handler, HangUp, Reply, Request
from .zones import Zone

Zones = Mapping[dns.name.Name, Zone]


def _copies(zones: Zones) -> Zones:
    return {origin: zone.copy() for origin, zone in zones.items()}


class Lagging(Behaviour):
    """Takes updates, but answers from the zones as they were when it began: a secondary, or a cache.

    :param queries: catch up with a change after so many questions asked since it; by default only when told.
    """

    def __init__(self, queries: int | None = None) -> None:
        self.queries = queries
        self._lock = threading.Lock()

    def begin(self, zones: Zones) -> None:
        self._now = zones
        self.catch_up()

    def catch_up(self) -> None:
        """Answer from the zones as they are now; what changes from here on is again not seen."""
        self._old, self._asked = _copies(self._now), 0

    def answer(self, request: Request, honest: Handler) -> Reply:
        if request.is_update:
            return honest(request)
        with self._lock:
            if any(zone.version != self._old[origin].version for origin, zone in self._now.items()):
                if self._asked == self.queries:
                    self.catch_up()
                else:
                    self._asked += 1
            old = self._old
        return honest(replace(request, zones=old))


class TwoMachines(Behaviour):
    """Two machines behind one address, one of which has the zones as they were when it began.

    :param lags: whether a question meets that one; called once for each.
    """

    def __init__(self, lags: Callable[[], bool]) -> None:
        self._lags = lags
        self._lock = threading.Lock()

    def begin(self, zones: Zones) -> None:
        self._old = _copies(zones)

    def answer(self, request: Request, honest: Handler) -> Reply:
        if request.is_update:
            return honest(request)
        with self._lock:
            is_old = self._lags()
        return honest(replace(request, zones=self._old) if is_old else request)


class Alternating(TwoMachines):
    """Both of them in turn, the old one first."""

    def __init__(self) -> None:
        turn = itertools.count()
        super().__init__(lambda: next(turn) % 2 == 0)


class InTurns(TwoMachines):
    """Both of them as a text of `o` and `n` says, old or new; the last letter for ever."""

    def __init__(self, turns: str) -> None:
        answers = itertools.chain(turns, itertools.repeat(turns[-1]))
        super().__init__(lambda: next(answers) == "o")


class ByChance(TwoMachines):
    """One of them by chance, as where each flow is hashed to a machine.

    :param share: of the questions that meet the old one.
    """

    def __init__(self, share: float, seed: int) -> None:
        chance = random.Random(seed)
        super().__init__(lambda: chance.random() < share)


class AcceptsUpdatesWithoutEffect(Behaviour):
    """Checks an UPDATE and says NOERROR, but nothing changes: a quota, a policy, a Lua script."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        return honest(replace(request, zones=_copies(request.zones)) if request.is_update else request)


class AppliesAndSays(Behaviour):
    """Something in front of a server that passes UPDATEs on, and says something of its own instead of the answer."""

    def __init__(self, instead: Behaviour) -> None:
        self.instead = instead

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        return self.instead.answer(request, honest) if request.is_update else reply


class DropsUpdate(Behaviour):
    """Closes the connection (is silent on UDP) before an UPDATE is applied."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        return HangUp() if request.is_update else honest(request)


class DropsUpdateReply(Behaviour):
    """Applies an UPDATE, then closes the connection (is silent on UDP): the client cannot know."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        return HangUp() if request.is_update else reply


class NodataWithoutSoa(Behaviour):
    """Leaves the SOA out of negative answers, which newer resolvers treat as broken."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if isinstance(reply, dns.message.Message) and not request.is_update:
            reply.authority = [rrset for rrset in reply.authority if rrset.rdtype != SOA]
        return reply


class Minimal(Behaviour):
    """Adds nothing to an answer that was not asked for, as BIND with `minimal-responses yes`; referrals have glue."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if isinstance(reply, dns.message.Message) and reply.answer:
            reply.additional = []
        return reply


class HugeTxt(Behaviour):
    """Adds foreign values to every TXT answer, so that it fits TCP but not UDP.

    :param values: how many, of 255 octets each.
    """

    def __init__(self, values: int = 20) -> None:
        self.foreign = [f'"{n:03}{"x" * 252}"' for n in range(values)]

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if not isinstance(reply, dns.message.Message) or request.is_update or request.qtype != TXT:
            return reply
        own = [rrset for rrset in reply.answer if rrset.rdtype == TXT]
        response = request.reply(authoritative=True)
        owner = own[0].name if own else request.qname
        filled = dns.rrset.from_text_list(owner, own[0].ttl if own else 60, IN, TXT, self.foreign)
        for value in own[0] if own else ():
            filled.add(value)
        response.answer = [rrset for rrset in reply.answer if rrset.rdtype != TXT] + [filled]
        return response
