"""Plans where a resolver does not answer, and how many answers a plan waits for."""

from __future__ import annotations

import itertools

import pytest

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.recursive import Recursive
from tests.servers import Silent, SlowBy, UdpDead
from tests.unit.internet import PORT, Internet, resolver
from tests.unit.order.test_plan import SHOP, START, TITLE, internet, only_problem, plan, shop


def test_dead_resolver() -> None:
    """No resolver at all is an error that names it, for each name."""
    with internet(shop(f"shop.{TITLE}"), resolver=Silent()) as net:
        error = only_problem(plan(net, SHOP, recursive=Recursive([resolver(net.resolver)], patience_s=(0.2, 0.2))))
        address = net.resolver.address
    assert isinstance(error, LookupFailed)
    assert error.problem == f"{START} CNAME: no resolver has an answer: {address}@{PORT} said timeout"
    assert error.hint == f"dig @{address} -p {PORT} {START} CNAME, or ask others with --resolvers"


def test_second_resolver() -> None:
    """The second resolver is asked where the first is silent."""
    with internet(shop(f"shop.{TITLE}"), resolver=Silent()) as net, Internet({}).resolver as second:
        second.zones.update(net.resolver.zones)
        recursive = Recursive([resolver(net.resolver), resolver(second)])
        assert plan(net, SHOP, recursive=recursive).problems == ()


ROUND_S = 0.2
TRIES = 5
"""A busy machine can only add to what is counted: it delays a question past the next answer."""


def rounds(net: Internet) -> int:
    """How many answers were waited for, one after the other; a question that is asked again counts once."""
    first: dict[object, float] = {}
    for server in (net.resolver, *net.servers.values()):
        for question in server.questions:
            asked = (server is net.resolver, question.qname, question.qtype)
            first[asked] = min(question.time, first.get(asked, question.time))
    return 1 + sum(after - before > ROUND_S / 2 for before, after in itertools.pairwise(sorted(first.values())))


def least_rounds(most: int, *, same_server: bool) -> int:
    """The fewest rounds of some plans for one name with one CNAME: every server answers ROUND_S late."""
    slow = SlowBy(ROUND_S)
    customer = {"ns.customer.test.": {"customer.test.": shop(f"shop.{TITLE}")}}
    hosts = {"ns.example.test.": {"example.test.": "", TITLE: ""}}
    if not same_server:
        hosts = {"ns.example.test.": {"example.test.": ""}, "ns.hosts.test.": {TITLE: "", "hosts.test.": ""}}
    counted = []
    while not counted or (min(counted) > most and len(counted) < TRIES):
        with Internet({**customer, **hosts}, ns=slow, resolver=slow) as net:
            assert plan(net, SHOP).problems == ()
            counted.append(rounds(net))
    return min(counted)


@pytest.mark.parametrize(("same_server", "most"), [(True, 3), (False, 5)])
def test_round_trips(same_server: bool, most: int) -> None:
    """One name, one CNAME: the plan waits at most five times, whether or not parent and child share a server."""
    assert least_rounds(most, same_server=same_server) <= most


def test_resolver_by_tcp_alone() -> None:
    """A resolver that answers only by TCP is used."""
    with internet(shop(f"shop.{TITLE}"), resolver=UdpDead()) as net:
        assert plan(net, SHOP).problems == ()
