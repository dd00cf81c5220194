"""What a behaviour is, and how behaviours are put together.

A behaviour stands between the network and the honest server: it sees each request, may ask the honest server
(with this request or a changed one) and decides what goes back. In `a | b` the request meets `a` first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import dns.name

from .exchange import Handler, Reply, Request
from .zones import Zone


class Behaviour:
    """The honest server: changes nothing."""

    listens_on_tcp = True  # read once, when the server starts

    def begin(self, zones: Mapping[dns.name.Name, Zone]) -> None:
        """Take over a server; the zones are as they were then."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        """The reply to one request; called by several threads at once."""
        return honest(request)

    def __or__(self, inner: Behaviour) -> Behaviour:
        return _Piped(self, inner)


class _Piped(Behaviour):
    def __init__(self, outer: Behaviour, inner: Behaviour) -> None:
        self.outer, self.inner = outer, inner
        self.listens_on_tcp = outer.listens_on_tcp and inner.listens_on_tcp

    def begin(self, zones: Mapping[dns.name.Name, Zone]) -> None:
        self.outer.begin(zones)
        self.inner.begin(zones)

    def answer(self, request: Request, honest: Handler) -> Reply:
        return self.outer.answer(request, lambda passed: self.inner.answer(passed, honest))


class When(Behaviour):
    """The behaviour for the requests that the condition picks, honesty for the others.

    `When(lambda request: request.qtype == CAA, ServFailing())`
    """

    def __init__(self, condition: Callable[[Request], bool], behaviour: Behaviour) -> None:
        self.condition, self.behaviour = condition, behaviour

    def begin(self, zones: Mapping[dns.name.Name, Zone]) -> None:
        self.behaviour.begin(zones)

    def answer(self, request: Request, honest: Handler) -> Reply:
        return (self.behaviour.answer if self.condition(request) else super().answer)(request, honest)


class First(When):
    """The behaviour for the first requests, honesty ever after: a passing fault."""

    def __init__(self, requests: int, behaviour: Behaviour) -> None:
        count = itertools.count()
        super().__init__(lambda _request: next(count) < requests, behaviour)


class Every(When):
    """The behaviour for every nth request, honesty for the others."""

    def __init__(self, nth: int, behaviour: Behaviour) -> None:
        count = itertools.count(1)
        super().__init__(lambda _request: next(count) % nth == 0, behaviour)


class OnUpdates(When):
    """The behaviour for UPDATEs alone."""

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(lambda request: request.is_update, behaviour)


class OnQueries(When):
    """The behaviour for everything but UPDATEs."""

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(lambda request: not request.is_update, behaviour)
