"""What the servers show around a publication: what stood there before, what may still be cached, how far each is."""

import time
from collections.abc import Iterator, Mapping, Sequence

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.answer import soa_in, txt_in
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Question, Reply, dig
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.model import Publication
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.order.watch import WatchReport
from certbot_dns_delegate.text import show
from certbot_dns_delegate.timing import OUR_TTL, PATIENCE, STALE_AT_MOST, WHOLE_SECONDS


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


def stale_for_s(
    plan: Plan,
    report: WatchReport | None,
    withdrawn: Mapping[str, tuple[float, int]],
    pushed_out: Mapping[Name, int],
    passed_s: float,
) -> float:
    """Seconds that a CA's resolver may still hold an older RRset of a target, at most :data:`STALE_AT_MOST`.

    Such an RRset was served when we planned, or somebody else's value beside ours shows that one was served meanwhile,
    or our values may have pushed one out unseen (of an order that we waited for), or a server that lagged served one
    until just now, or we ourselves have just withdrawn one (Certbot orders again at once without the names that
    failed). One that a server which lagged has dropped, and that has our own TTL, is taken for an old one of ours.

    :param withdrawn: when values of ours were last taken from an owner (seconds since the epoch), and their TTL.
    :param pushed_out: the targets where values only go when newer ones come, and the TTL there.
    :param passed_s: seconds since the values were published.
    """
    until = 0.0
    more_s = WHOLE_SECONDS.total_seconds()
    ours = {owner: texts for publication in plan.publications for owner, texts in publication.values.items()}
    watchers = report.servers if report else ()
    sightings = [s for watcher in watchers for s in watcher.sightings.values()]
    rrsets = [(p.target.owner, p.target.present) for p in plan.planned] + [(s.owner, s.rrset) for s in sightings]
    for owner, rrset in rrsets:
        if rrset.values - ours[owner]:
            until = max(until, rrset.ttl + more_s - passed_s)
    for ttl in pushed_out.values():
        until = max(until, ttl + more_s - passed_s)
    for watcher in watchers:
        for owner, (seen, ttl) in watcher.older.items():
            if ttl > OUR_TTL or watcher.sightings[owner].rrset.values - ours[owner]:
                until = max(until, seen + ttl + more_s - time.monotonic())
    for at, ttl in withdrawn.values():
        until = max(until, at + ttl + more_s - time.time())
    return min(until, STALE_AT_MOST.total_seconds())


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


def not_seen(publications: Sequence[Publication], recursive: Recursive) -> Iterator[str]:
    """Why a CA will probably not see the values either, a sentence for each publication that the resolver does not see.

    One owner stands for its zone. It is asked about after it is published, so no negative answer is planted.
    """
    first = {next(iter(publication.values)): publication for publication in publications}
    replies = recursive.ask_all([(owner, RdataType.TXT) for owner in first])
    for owner, publication in first.items():
        reply, zone = replies[owner, RdataType.TXT], show(publication.zone.apex)
        if not isinstance(reply, Reply):
            yield f"this host answers for {zone}, but seen from outside nobody does: {reply.problem}; hint: {OPEN}"
            continue
        values = txt_in(reply.message, owner).values
        if not publication.values[owner] <= values:
            yield (
                f"this host answers for {zone}, but seen from outside another server does: {reply.ask.server} said"
                f" {reply.rcode} to {show(owner)} TXT, with {len(values)} values; hint:"
                f" {dig(Question(owner, RdataType.TXT), '+trace')}"
            )
