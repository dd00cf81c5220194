"""Choose between dns-account-01 and dns-01 name by name, by what DNS has for each of them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from certbot_dns_delegate.errors import DelegateError, LookupFailed
from certbot_dns_delegate.model import OVERRIDES, Challenge
from certbot_dns_delegate.order.owner import ACCOUNT, DNS01, owner_of
from certbot_dns_delegate.order.plan import Planned
from certbot_dns_delegate.order.planning import Planning
from certbot_dns_delegate.text import show


@dataclass(frozen=True)
class Chosen:
    """The type for one name."""

    kind: str
    why: str
    """For people: what was found."""
    is_doubtful: bool = False
    """The account's label could not be looked up."""
    problem: DelegateError | None = None
    """Nothing could be looked up: this name cannot be planned."""


def choose(planning: Planning, names: Sequence[str], account: str, pool: Executor) -> Mapping[str, Chosen]:
    """The type for each name; all are looked up at once, and one name's failure is its own.

    dns-account-01 where the account's label has a CNAME or DNAME of its own, or is a zone of its own, that leads to a
    delegate; else dns-01.

    :param names: as the certificate has them, without ``*.``.
    :param account: the URL of the account.
    """
    labelled: list[Challenge] = []
    chosen: dict[str, Chosen] = {}
    for name in dict.fromkeys(names):
        try:
            labelled.append(Challenge(name, owner_of(ACCOUNT, name, account), name))
        except ValueError as too_long:
            chosen[name] = Chosen(DNS01, str(too_long))
    plan = planning.plan(labelled, pool)
    for planned in plan.planned:
        chosen[planned.challenge.identifier] = _by_plan(planned)
    failed: dict[str, DelegateError] = {}
    for challenge, error in plan.problems:
        if isinstance(error, LookupFailed):
            failed[challenge.identifier] = error
        else:
            chosen[challenge.identifier] = Chosen(DNS01, f"{show(challenge.owner)} leads to no delegate")
    return chosen | _by_the_usual_name(planning, failed, pool)


def _by_plan(planned: Planned) -> Chosen:
    owner, aliases = show(planned.challenge.owner), planned.chain.aliases
    if not aliases:
        is_own = planned.target.zone.apex == planned.challenge.owner
        return Chosen(ACCOUNT if is_own else DNS01, f"{owner} is {'' if is_own else 'not '}a zone of its own")
    first = aliases[0]
    if first.is_wildcard or first.answered_by == OVERRIDES:
        return Chosen(DNS01, f"{owner} has no CNAME of its own")
    return Chosen(ACCOUNT, f"{owner} leads to {show(planned.chain.target)}")


def _by_the_usual_name(planning: Planning, failed: Mapping[str, DelegateError], pool: Executor) -> dict[str, Chosen]:
    """dns-01 for names whose label could not be looked up, where ``_acme-challenge`` itself leads into a delegate."""
    if not failed:
        return {}
    plan = planning.plan([Challenge(name, owner_of(DNS01, name), name) for name in failed], pool)
    usable = {planned.challenge.identifier for planned in plan.planned}
    return {
        name: Chosen(DNS01, error.problem, is_doubtful=True)
        if name in usable
        else Chosen(DNS01, error.problem, problem=error)
        for name, error in failed.items()
    }
