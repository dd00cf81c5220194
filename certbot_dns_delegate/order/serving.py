"""The gate of ``serving``: a name that does not lead to our servers any more, or never did, is not renewed for ever."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime

from certbot.errors import SignalExit
from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, NotServing, StateError, as_problem
from certbot_dns_delegate.lookup.addresses import Addresses, addresses_of_all
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.order.plan import Plan, Planned, publications_of
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.state.fleet import Fleet, Known, Networks, is_here
from certbot_dns_delegate.text import parse_name, printable, show
from certbot_dns_delegate.threads import settle

log = logging.getLogger(__name__)

DAY_S = 86400


class Gate:
    """Looks at the addresses of planned names whose delegate says which networks are ours."""

    def __init__(
        self,
        settings: Settings,
        recursive: Recursive,
        is_inside: Callable[[Name], bool],
        fleet: Fleet,
        warn: Callable[[str], None],
    ) -> None:
        """:param is_inside: whether no recursive resolver may be asked about a name."""
        self._settings = settings
        self._recursive = recursive
        self._is_inside = is_inside
        self._fleet = fleet
        self._warn = warn

    def apply(self, plan: Plan, pool: Executor, *, remember: bool = True) -> Plan:
        """The plan without the names whose grace is over; a name is away from the first time it was seen so.

        A name whose addresses cannot be looked up passes, and so do all where nothing can be remembered.

        :param remember: write down what was seen; without it only what earlier runs have seen counts.
        """
        watched = {planned.challenge.identifier: self._delegate(planned) for planned in plan.planned}
        watched = {identifier: delegate for identifier, delegate in watched.items() if delegate.serving}
        if not watched:
            return plan
        try:
            known, failed = self._look(watched, pool, remember)
        except StateError as error:
            self._warn(f"whether names lead to our servers is not known: {error}")
            return plan
        now, problems, passed = time.time(), [], []
        for planned in plan.planned:
            identifier = planned.challenge.identifier
            refusal = failed.get(identifier) or self._refusal(
                identifier, watched.get(identifier), known.get(identifier, Known()), now
            )
            if refusal is None:
                passed.append(planned)
            else:
                problems.append((planned.challenge, refusal))
        if not problems:
            return plan
        all_problems = (*plan.problems, *problems)
        return replace(plan, planned=tuple(passed), problems=all_problems, publications=publications_of(passed))

    def _delegate(self, planned: Planned) -> Delegate:
        delegate = self._settings.delegate(planned.target.delegate)
        assert delegate is not None
        return delegate

    def _look(
        self, watched: Mapping[str, Delegate], pool: Executor, remember: bool
    ) -> tuple[dict[str, Known], dict[str, DelegateError]]:
        """What is known of each name, and what an unforeseen failure was for some."""
        names = {parse_name(identifier): identifier for identifier in watched}
        asked = [name for name in names if not self._is_inside(name)]
        found, failed = self._addresses({name: watched[names[name]].serving for name in asked}, pool)
        now = time.time()
        with self._fleet.open() as database:
            known = self._fleet.known(database, list(watched))
            for name, addresses in found.items():
                identifier = names[name]
                before = known.get(identifier, Known())
                known[identifier] = before.with_addresses(addresses, watched[identifier].serving, now)
            if remember:
                self._fleet.record(database, known)
        return known, {names[name]: error for name, error in failed.items()}

    def _addresses(
        self, networks: Mapping[Name, Networks], pool: Executor
    ) -> tuple[dict[Name, Addresses], dict[Name, DelegateError]]:
        def look(names: Sequence[Name]) -> dict[Name, Addresses]:
            return addresses_of_all(self._recursive, names, lambda name, seen: is_here(seen, networks[name]))

        try:
            return look(list(networks)), {}
        except SignalExit:
            raise
        except Exception:  # one name's answer must not decide about the others: each is asked for alone
            log.debug("looking at many names together failed", exc_info=True)
        found: dict[Name, Addresses] = {}
        failed: dict[Name, DelegateError] = {}
        futures = {name: pool.submit(look, [name]) for name in networks}
        settle(futures.values())
        for name, future in futures.items():
            try:
                found |= future.result()
            except Exception as error:  # noqa: BLE001  as above
                failed[name] = as_problem(error, f"the addresses of {show(name)} could not be looked at")
        return found, failed

    def _refusal(self, identifier: str, delegate: Delegate | None, known: Known, now: float) -> NotServing | None:
        if delegate is None or known.away is None:
            return None
        shown, days = printable(identifier), f"{delegate.serving_grace.total_seconds() / DAY_S:.3g} days"
        since = datetime.fromtimestamp(known.away, UTC).strftime("%Y-%m-%d")
        what = "does not lead to our servers any more" if known.arrived else "does not lead to our servers"
        seen = f"{shown} {what}, since {since} or longer (serving of [{delegate.title}])"
        if now - known.away <= delegate.serving_grace.total_seconds():
            self._warn(f"{seen}; it is renewed for {days} (serving_grace)")
            return None
        hint = (
            f"if the customer has left, certbot delete --cert-name NAME, or leave {shown} out;"
            " if not, let its A or AAAA lead here, or correct serving"
        )
        return NotServing(f"{seen}: the grace of {days} is over", hint)
