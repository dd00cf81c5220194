"""What is left of an order, where a subset of its names is enough and something was not written or is not served."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, PlanError, Refused, WriteError
from certbot_dns_delegate.model import Publication, Sighting
from certbot_dns_delegate.order.plan import Place, Plan
from certbot_dns_delegate.order.watcher import Watcher
from certbot_dns_delegate.text import printable

Sent = list[tuple[Publication, Future[Sequence[Sighting]]]]
"""Publications with what became of them."""


def as_error(error: BaseException) -> DelegateError:
    """What a provider raised, as an error for people."""
    if isinstance(error, DelegateError):
        return error
    return WriteError(f"{type(error).__name__}: {printable(str(error))}")


def is_divisible(publication: Publication, future: Future[Sequence[Sighting]]) -> bool:
    """Whether nothing of several owners' values was written, so that each can be sent again alone."""
    return len(publication.values) > 1 and isinstance(future.exception(), Refused | PlanError)


def by_owner(publication: Publication) -> list[Publication]:
    """One publication for each owner."""
    return [replace(publication, values={owner: texts}) for owner, texts in publication.values.items()]


def rest_of(plan: Plan, sent: Sent) -> tuple[Plan, list[Sequence[Sighting]]]:
    """What is left of a plan, and what was read back of each of its publications."""
    lost: dict[Place, DelegateError] = {}
    seen: dict[tuple[str, Name], list[Sighting]] = defaultdict(list)
    for publication, future in sent:
        key = (publication.delegate, publication.zone.apex)
        if (error := future.exception()) is not None:
            lost |= {(*key, owner): as_error(error) for owner in publication.values}
        else:
            seen[key] += future.result()
    rest = plan.without(lost)
    return rest, [seen[each.delegate, each.zone.apex] for each in rest.publications]


def served_of(
    late: Mapping[Name, DelegateError],
    plan: Plan,
    published: Sequence[Sequence[Sighting]],
    watchers: Sequence[Watcher],
) -> tuple[Plan, list[Sequence[Sighting]], list[Watcher]]:
    """A plan, what was read back of it, and whom to look at, without the zones that are late."""
    lost = {each.place: late[each.target.zone.apex] for each in plan.planned if each.target.zone.apex in late}
    return left_of(lost, plan, published, watchers)


def witnessed_of(
    lost: Mapping[Name, DelegateError],
    plan: Plan,
    published: Sequence[Sequence[Sighting]],
    watchers: Sequence[Watcher],
) -> tuple[Plan, list[Sequence[Sighting]], list[Watcher]]:
    """The same without the owners of which a witness lacks the values."""
    places = {each.place: lost[each.target.owner] for each in plan.planned if each.target.owner in lost}
    return left_of(places, plan, published, watchers)


def left_of(
    lost: Mapping[Place, DelegateError],
    plan: Plan,
    published: Sequence[Sequence[Sighting]],
    watchers: Sequence[Watcher],
) -> tuple[Plan, list[Sequence[Sighting]], list[Watcher]]:
    """The same without some places."""
    rest = plan.without(lost)
    seen = {(p.delegate, p.zone.apex): each for p, each in zip(plan.publications, published, strict=True)}
    kept = [seen[publication.delegate, publication.zone.apex] for publication in rest.publications]
    zones = {publication.zone.apex for publication in rest.publications}
    return rest, kept, [watcher for watcher in watchers if watcher.zone in zones]
