"""What the servers show around a publication: what stood there before, what may still be cached, how far each is."""

import itertools
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.answer import soa_in, txt_in
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Question, Reply, dig
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.model import Publication, Sighting, Target, Values
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.order.watch import WatchReport
from certbot_dns_delegate.text import show
from certbot_dns_delegate.timing import OUR_TTL, PATIENCE, STALE_AT_MOST, WHOLE_SECONDS

MOST_LABELS = 8
"""Labels between a target and its zone's apex at which a wildcard is looked for."""
VALUES_IN_AN_UPDATE = 300
"""At least so many go into one message of 64 KiB, whatever their owners are called."""


def there_before(plan: Plan) -> dict[Name, frozenset[str]]:
    """What stood at each target before us; of our own values those that every server of the zone has.

    One of them alone may lag, and still serve a value that an earlier run has withdrawn.
    """
    present = {p.target.owner: p.target.present.values for p in plan.planned}
    suspects = [p for p in plan.planned if p.challenge.value in p.target.present.values]
    question = {p.target.owner: Question(p.target.owner, RdataType.TXT) for p in suspects}
    asks = {Ask(server, question[p.target.owner]) for p in suspects for server in p.target.zone.servers}
    for outcome in exchange(asks, PATIENCE.total_seconds()) if asks else ():
        if isinstance(outcome, Reply) and outcome.is_authoritative:
            owner = outcome.ask.question.name
            present[owner] &= txt_in(outcome.message, owner).values
    return present


@dataclass(frozen=True)
class Older:
    """An RRset of a target, without our values, that a cache may still hold."""

    left_s: float
    """Seconds until no cache has it any more, at most :data:`STALE_AT_MOST`."""
    owner: str = ""
    ttl: int = 0
    """What it was served with."""


def older(
    plan: Plan,
    report: WatchReport | None,
    withdrawn: Mapping[str, tuple[float, int]],
    pushed_out: Mapping[Name, int],
    passed_s: float,
    published: Sequence[Sequence[Sighting]] = (),
) -> Older:
    """The older RRset of any target that a CA's resolver may hold for longest.

    :param withdrawn: when values of ours were last taken from an owner (seconds since the epoch), and their TTL.
    :param pushed_out: the targets where values only go when newer ones come, and the TTL there.
    :param passed_s: seconds since the values were published.
    :param published: what was read back of each publication.
    """
    ours = {owner: texts for publication in plan.publications for owner, texts in publication.values.items()}
    found = itertools.chain(
        _beside(plan, report, ours, passed_s),
        _meanwhile(plan, published, passed_s),
        _pushed_out(pushed_out, passed_s),
        _of_a_laggard(report, ours, time.monotonic()),
        _withdrawn(withdrawn, time.time()),
    )
    longest = max(found, key=lambda each: each.left_s, default=Older(0.0))
    left_s = longest.left_s + WHOLE_SECONDS.total_seconds() if longest.ttl else 0.0
    return replace(longest, left_s=min(max(left_s, 0.0), STALE_AT_MOST.total_seconds()))


def _beside(plan: Plan, report: WatchReport | None, ours: Values, passed_s: float) -> Iterator[Older]:
    """Somebody else's value, seen when we planned or beside ours since, shows that an RRset was served before ours."""
    sightings = [s for watcher in (report.servers if report else ()) for s in watcher.sightings.values()]
    rrsets = [(p.target.owner, p.target.present) for p in plan.planned] + [(s.owner, s.rrset) for s in sightings]
    for owner, rrset in rrsets:
        if rrset.values - ours[owner]:
            yield Older(rrset.ttl - passed_s, show(owner), rrset.ttl)


def _meanwhile(plan: Plan, published: Sequence[Sequence[Sighting]], passed_s: float) -> Iterator[Older]:
    """The zone changed between our plan and our update: another host's value may have come and gone at a target.

    Its CA's resolver may be ours. Serials wrap (RFC 1982), and a large publication is several updates.
    """
    for publication, seen in zip(plan.publications, published, strict=False):
        before, after = publication.zone.serial, next((s.serial for s in seen if s.serial is not None), None)
        if before is None or after is None:
            continue
        ours = 1 + sum(map(len, publication.values.values())) // VALUES_IN_AN_UPDATE
        if ours < (after - before) % (1 << 32) < (1 << 31):
            yield Older(OUR_TTL - passed_s, show(seen[0].owner), OUR_TTL)


def _pushed_out(pushed_out: Mapping[Name, int], passed_s: float) -> Iterator[Older]:
    """Our values may have pushed out others unseen, of an order that we waited for."""
    for owner, ttl in pushed_out.items():
        yield Older(ttl - passed_s, show(owner), ttl)


def _of_a_laggard(report: WatchReport | None, ours: Values, now: float) -> Iterator[Older]:
    """A server that lagged served it until just now.

    One that it has dropped since, and that had our own TTL, is taken for an old one of ours.
    """
    for watcher in report.servers if report else ():
        for owner, (seen, ttl) in watcher.older.items():
            if ttl > OUR_TTL or watcher.sightings[owner].rrset.values - ours[owner]:
                yield Older(seen + ttl - now, show(owner), ttl)


def _withdrawn(withdrawn: Mapping[str, tuple[float, int]], now: float) -> Iterator[Older]:
    """We ourselves have just withdrawn one: Certbot orders again at once without the names that failed.

    One that was withdrawn in the future, by a clock that has been set back since, counts as withdrawn just now.
    """
    for owner, (at, ttl) in withdrawn.items():
        yield Older(min(at, now) + ttl - now, owner, ttl)


def wildcards_behind(targets: Iterable[Target]) -> dict[Name, Name]:
    """The wildcards from which the RRsets at targets are synthesised (RFC 4592), by target, as the zones' servers show.

    All are asked at once; a target whose RRset is its own has none.
    """
    above = [(target, _wildcards_above(target)) for target in targets if target.present.values]
    question = {name: Question(name, RdataType.TXT) for _, names in above for name in names}
    asks = {Ask(server, question[name]) for target, names in above for name in names for server in target.zone.servers}
    served: dict[Name, frozenset[str]] = {}
    for outcome in exchange(asks, PATIENCE.total_seconds()):
        if isinstance(outcome, Reply) and outcome.is_authoritative:
            name = outcome.ask.question.name
            served[name] = txt_in(outcome.message, name).values
    # A wildcard answers for the wildcards below it too, so the uppermost one it is.
    return {t.owner: name for t, names in above for name in names if served.get(name) == t.present.values}


def _wildcards_above(target: Target) -> list[Name]:
    """Where a wildcard could be that answers for a target, the uppermost last."""
    depth = min(len(target.owner.labels) - len(target.zone.apex.labels), MOST_LABELS)
    return [Name([b"*", *target.owner.labels[number:]]) for number in range(1, depth + 1)]


def serials(report: WatchReport) -> dict[object, int]:
    """The SOA serial that each server has now; those that do not answer at once are left out."""
    asks = {Ask(w.server, Question(w.zone, RdataType.SOA)) for w in report.servers if not w.recursive}
    found: dict[object, int] = {}
    for outcome in exchange(asks, 1.0):
        if isinstance(outcome, Reply):
            soa = soa_in(outcome.message, outcome.ask.question.name)
            if soa is not None:
                found[outcome.ask.server] = soa[0].serial
    return found


OPEN = (
    "open UDP and TCP port 53 to all the world: firewall-cmd --add-service=dns, or ufw allow 53; and in the cloud's"
    " firewall or the router in front of this host"
)
"""What lets a CA reach a listener on this host (firewalld, ufw)."""


def not_seen(
    publications: Sequence[Publication], recursive: Recursive, withdrawn: Collection[str] = ()
) -> Iterator[str]:
    """Why a CA will probably not see the values either, a sentence for each publication that the resolver does not see.

    One owner represents its zone. It is asked about after it is published, so no negative answer is planted.

    :param withdrawn: owners at which values of ours stood a moment ago; the resolver may remember these.
    """
    first = {next(iter(publication.values)): publication for publication in publications}
    replies = recursive.ask_all([(owner, RdataType.TXT) for owner in first])
    for owner, publication in first.items():
        reply, zone = replies[owner, RdataType.TXT], show(publication.zone.apex)
        if not isinstance(reply, Reply):
            yield f"this host answers for {zone}, but from outside no server does: {reply.problem}; hint: {OPEN}"
            continue
        values = txt_in(reply.message, owner).values
        if not publication.values[owner] <= values and show(owner) not in withdrawn:
            count = f"{len(values)} value{'s' if len(values) != 1 else ''}"
            trace = dig(Question(owner, RdataType.TXT), "+trace")
            yield (
                f"this host answers for {zone}, but seen from outside another server does: {reply.ask.server} said"
                f" {reply.rcode} to {show(owner)} TXT, with {count}; hint: {trace}"
            )
