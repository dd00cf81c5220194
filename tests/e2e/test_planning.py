"""The plan of one order over every kind of chain, against real servers: Unbound, BIND, Knot, PowerDNS."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from certbot_dns_delegate.lookup.cut import Budget
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Server as Address
from certbot_dns_delegate.order.plan import Planner
from certbot_dns_delegate.order.router import Router
from certbot_dns_delegate.settings.delegates import Settings
from tests.e2e.lab import Lab
from tests.unit.internet import name
from tests.unit.order.test_plan import Stub, challenge, delegate

TITLES = [
    "acme.bind.test.",
    "single.bind.test.",
    "signed.bind.test.",
    "acme.knot.test.",
    "acme.pdns.test.",
    "acme.corp.test.",
]
NAMES = {
    "shop.customer.test": ("shop.acme.bind.test.", "acme.bind.test.", 3),
    "knot.customer.test": ("knot.acme.knot.test.", "acme.knot.test.", 1),
    "pdns.customer.test": ("pdns.acme.pdns.test.", "acme.pdns.test.", 1),
    "signed.customer.test": ("signed.signed.bind.test.", "signed.bind.test.", 1),
    "corp.customer.test": ("corp.acme.corp.test.", "corp.test.", 1),
    "x.dname.customer.test": ("_acme-challenge.x.dname.acme.bind.test.", "acme.bind.test.", 0),
    "x.wildin.customer.test": ("wildin.acme.bind.test.", "acme.bind.test.", 0),
    "wild.single.bind.test": ("_acme-challenge.wild.single.bind.test.", "single.bind.test.", 0),
    "eight.customer.test": ("eight.acme.bind.test.", "acme.bind.test.", 0),
}
PROBLEMS = {
    "nine.customer.test": "more than 8 CNAMEs in a row",
    "loop.customer.test": "the CNAMEs run in a circle",
    "self.customer.test": "the CNAMEs run in a circle",
    "none.customer.test": "has no CNAME, and it is not inside",
    "apex.customer.test": "acme.bind.test. is the apex of its zone",
    "outside.customer.test": "the chain ends at target.links.test., which is not inside",
    "out.single.bind.test": "the chain ends at target.links.test., which is not inside",
    "x.wildout.customer.test": "has no CNAME of its own; the wildcard of its zone answers",
    "missing.customer.test": "the chain ends at missing.acme.nosuch.test., which does not exist",
}


def test_one_order(lab: Lab) -> None:
    """One order over four kinds of server: every chain, zone and problem, and no early question (rules 1 to 6)."""
    lab.flush()
    settings = Settings(Path("delegate.ini"), "dns-delegate", tuple(delegate(title) for title in TITLES))
    router = Router(settings, lambda _: Stub())
    recursive = Recursive([Resolver(Address(lab.resolver))])
    zones = Zones(recursive, router.hidden_suffix, Budget(500))
    with ThreadPoolExecutor(32) as pool:
        challenges = [challenge(each) for each in (*NAMES, *PROBLEMS)]
        planned = Planner(settings, lambda _: Stub(), recursive, zones, router, lambda *_: ()).plan(challenges, pool)
    problems = {c.identifier: str(error) for c, error in planned.problems}
    assert problems.keys() == PROBLEMS.keys()
    assert [n for n, words in PROBLEMS.items() if words not in problems[n]] == []
    found = {p.challenge.identifier: p for p in planned.planned}
    for identifier, (owner, apex, links) in NAMES.items():
        assert (found[identifier].target.owner, found[identifier].target.zone.apex) == (name(owner), name(apex))
        assert links in {0, len(found[identifier].chain.aliases)}
    assert [p.target.zone.is_signed for p in planned.planned if p.target.zone.apex == name("signed.bind.test.")] == [
        True
    ]
    hosts = {server.name for server in found["shop.customer.test"].target.zone.servers}
    assert hosts == {"ns1.bind.test", "ns2.bind.test", "ns3.bind.test"}
    early = [q for q, _ in lab.resolver_queries() for title in TITLES if name(q).is_subdomain(name(title))]
    assert early == []
