"""How many values fit where they are to be written, and whose stay where too many want the same place."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from certbot_dns_delegate.errors import DelegateError, PlanError, as_problem
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.remedy import own_target
from certbot_dns_delegate.order.router import ProviderOf
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.text import listed, show

if TYPE_CHECKING:
    from certbot_dns_delegate.order.plan import Planned

Problems = list[tuple[Challenge, DelegateError]]


def within_capacity(
    planned: "Sequence[Planned]", settings: Settings, provider_of: ProviderOf
) -> "tuple[list[Planned], Problems]":
    """What fits, and why the rest does not.

    Too many values at one place are no fault of the names whose own place it is: they stay when the others are gone.
    """
    shared: dict[tuple[str, Hashable], list[Planned]] = defaultdict(list)
    within: list[Planned] = []
    problems: Problems = []
    for each in planned:
        delegate = settings.chosen(each.target.delegate)
        try:
            key = provider_of(delegate).capacity_key(each.target.owner)
        except (Exception, SystemExit) as error:  # noqa: BLE001  what one name meets must not stop the others
            doing = f"how much room {show(each.target.owner)} has is not known"
            problems.append((each.challenge, as_problem(error, doing)))
        else:
            shared[delegate.title, key].append(each)
    for (title, _), group in shared.items():
        delegate = settings.chosen(title)
        most = provider_of(delegate).limits.values_per_owner
        if _fits(group, most):
            within += group
            continue
        owners = [each for each in group if _is_at_home(each, settings, provider_of)]
        stay = owners if _fits(owners, most) else []
        within += stay
        problem = _too_many(title, group, stay, most)
        problems += [(each.challenge, problem) for each in group if each not in stay]
    return within, problems


def _fits(group: "Sequence[Planned]", most: int | None) -> bool:
    return most is None or len({each.challenge.value for each in group}) <= most


def _is_at_home(planned: "Planned", settings: Settings, provider_of: ProviderOf) -> bool:
    """Whether the target is the one that is meant for this name."""
    delegate = settings.chosen(planned.target.delegate)
    try:
        return own_target(delegate, provider_of(delegate), planned.challenge.identifier) == planned.target.owner
    except DelegateError:
        return False


def _too_many(title: str, group: "Sequence[Planned]", stay: "Sequence[Planned]", most: int | None) -> PlanError:
    def names(of: "Sequence[Planned]") -> str:
        return listed(sorted({each.challenge.identifier for each in of}))

    count, owner = len({each.challenge.value for each in group}), show(group[0].target.owner)
    problem = f"[{title}] can hold {most} at {owner}, but this order has {count} for it: {names(group)}"
    if stay:
        guests = [each for each in group if each not in stay]
        return PlanError(f"{problem}; it belongs to {names(stay)}", f"give {names(guests)} a target of its own")
    return PlanError(
        f"{problem} (a name and its wildcard need two)", "give each name a target of its own, or split the certificate"
    )
