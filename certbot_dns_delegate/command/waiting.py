"""Wait until the customers' servers all return the delegations: the moment to order."""

import time
from collections.abc import Callable, Sequence

from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.command.output import count
from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.lookup.origin import Origin, origin_of
from certbot_dns_delegate.order.planning import Planning

FIRST_STEP_S, LONGEST_STEP_S = 2.0, 30.0
"""Seconds between two rounds of questions; each step is 1.5 times the one before."""


def until_agreed(
    planning_of: Callable[[], Planning], wanted: Sequence[Wanted], host: Host, limit_s: float
) -> list[Wanted]:
    """Ask until every authoritative server returns the same CNAME for every name, or time is up.

    No resolver is asked, so none remembers "no such name" meanwhile.

    :param planning_of: makes one that remembers nothing.
    :returns: the names that are still waited for.
    """
    begin, step_s = time.monotonic(), FIRST_STEP_S
    waiting = list(wanted)
    while True:
        planning = planning_of()
        looks = {each: origin_of(each.owner, planning.zones) for each in waiting}
        seen = planning.zones.rounds.all(looks)
        waiting = [each for each in waiting if not _agree(seen[each])]
        left_s = begin + limit_s - time.monotonic()
        if not waiting or left_s <= 0:
            host.output.progress("")
            return waiting
        left = f"{count(len(waiting), 'name')} left, {left_s:.0f} s of {limit_s:.0f} s"
        host.output.progress(f"waiting for the servers of {waiting[0]} ({left})")
        host.stop.wait(min(step_s, left_s))
        step_s = min(step_s * 1.5, LONGEST_STEP_S)


def _agree(origin: Origin | DelegateError | None) -> bool:
    """Whether every server of a name's zone that answers has the same CNAME."""
    try:
        return isinstance(origin, Origin) and origin.only is not None
    except DelegateError:  # several CNAMEs at one server
        return False
