"""What names may cost: healthy ones however many servers they have, mazes and slow servers no more than their part."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator

import dns.name
import dns.rrset
import pytest
from dns.rdataclass import IN
from dns.rdatatype import NS, A

from certbot_dns_delegate.errors import DelegateError, LookupFailed
from certbot_dns_delegate.lookup.chain import Followed, Follower
from certbot_dns_delegate.lookup.cut import MOST_PACKETS, Budget
from certbot_dns_delegate.lookup.reach import Reach, few, outward, reach
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Server as Address
from certbot_dns_delegate.order.planning import PACKETS
from tests.servers import Behaviour, Server, Zone, fresh_address
from tests.unit.internet import PORT, Internet, name, suffix_of

TITLE = "acme.example.test."


@contextlib.contextmanager
def delegated_names(count: int, servers: int) -> Iterator[Internet]:
    """So many names below a delegate, each a zone of its own at the same operator's servers, found by a resolver."""
    hosts = [f"h{number}.other.test." for number in range(servers)]
    net = Internet({"ns.example.test.": {"example.test.": "", TITLE: ""}, "ns.other.test.": {"other.test.": ""}})
    zones = [Zone(f"n{number}.{TITLE}", "".join(f"@ NS {host}\n" for host in hosts)) for number in range(count)]
    for zone in zones:
        net.zone(TITLE).put(zone.origin, zone.get(zone.origin, "NS"))
    with contextlib.ExitStack() as stack:
        for host in hosts:
            address = fresh_address()
            net.zone("other.test.").add(host, 60, "A", address)
            stack.enter_context(Server(zones, address=address, port=PORT))
        yield stack.enter_context(net)


def test_many_names_with_many_servers_each() -> None:
    """A hundred names, each delegated to thirteen servers that a resolver has to find, are all found."""
    with delegated_names(100, 13) as net:
        zones = Zones(net.recursive(), suffix_of(TITLE), Budget(101 * PACKETS), PORT)
        owners = {name(f"n{number}.{TITLE}"): name(TITLE) for number in range(100)}
        found = zones.find_all(owners)
        assert [each for each in found.values() if isinstance(each, DelegateError)] == []
        determined = zones.zones_of(found.values())
    assert {len(zone.servers) for zone in determined.values()} == {13}
    assert {zone.apex for zone in determined.values()} == set(owners)


class Maze(Behaviour):
    """Each level refers to the next with 16 hosts of 8 addresses, of which one, this server's own, is alive."""

    def __init__(self) -> None:
        self.levels: Counter[int] = Counter()

    def answer(self, request, honest):  # type: ignore[no-untyped-def]  # as in tests.servers
        below = request.qname.relativize(name("maze.test."))
        seen = getattr(self, "depth", 0)
        depth = min(seen + 1, len(below.labels))
        self.depth = depth
        cut = dns.name.Name((*below.labels[-depth:], *name("maze.test.").labels))
        reply = request.reply()
        hosts = [f"h{number}.{cut}" for number in range(16)]
        reply.authority = [dns.rrset.from_text_list(cut, 60, IN, NS, hosts)]
        for number, host in enumerate(hosts):
            dead = [f"127.99.{number}.{n}" for n in range(1, 8)]
            last = [request.address] if number == 15 else [f"127.99.{number}.8"]
            reply.additional.append(dns.rrset.from_text_list(host, 60, IN, A, [*dead, *last]))
        return reply


def test_maze() -> None:
    """A way that never ends costs its packets and its seconds, and no more."""
    with Internet({"ns.maze.test.": {"maze.test.": ""}}) as net:
        net["ns.maze.test."].behaviour = Maze()
        zones = net.zones_of(budget=10_000)
        owner = name(f"{'a.' * 30}maze.test.")
        begin = time.monotonic()
        with pytest.raises(LookupFailed, match=r"gave up|no server of"):
            zones.find(owner, owner)
        assert time.monotonic() - begin < 60  # a bound of the product, not of this host
        left = zones.descent.budget.left
    assert 10_000 - left <= MOST_PACKETS + 50


def test_a_maze_does_not_use_up_what_others_need() -> None:
    """The healthy name of the same order is found although the other one wanders on."""
    with Internet({"ns.maze.test.": {"maze.test.": ""}, "ns.example.test.": {"example.test.": "", TITLE: ""}}) as net:
        net["ns.maze.test."].behaviour = Maze()
        zones = Zones(net.recursive(), suffix_of(TITLE), Budget(3 * PACKETS), PORT)
        lost = name(f"{'a.' * 30}maze.test.")
        found = zones.find_all({lost: lost, name(f"web.{TITLE}"): name(TITLE)})
    assert isinstance(found[lost], DelegateError)
    assert not isinstance(found[name(f"web.{TITLE}")], DelegateError)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", Reach.HOST),
        ("0.0.0.0", Reach.HOST),
        ("::1", Reach.HOST),
        ("::ffff:127.0.0.1", Reach.HOST),
        ("224.0.0.1", Reach.HOST),
        ("10.1.2.3", Reach.SITE),
        ("100.64.0.1", Reach.SITE),
        ("169.254.169.254", Reach.SITE),
        ("fd00::1", Reach.SITE),
        ("fe80::1%eth0", Reach.SITE),
        ("192.0.2.1", Reach.WORLD),
        ("2001:db8::1", Reach.WORLD),
    ],
)
def test_reach(address: str, expected: Reach) -> None:
    """How far an address reaches."""
    assert reach(address) is expected


def test_inner_addresses_beside_outer_ones() -> None:
    """Where a stranger's servers have addresses that the world can ask, the inner ones are left alone."""
    servers = [Address(address) for address in ("10.0.0.1", "192.0.2.1", "127.0.0.1", "2001:db8::1")]
    assert [server.address for server in outward(servers)] == ["192.0.2.1", "2001:db8::1"]
    assert outward(servers[:1]) == servers[:1]


def test_few_addresses_of_a_host() -> None:
    """Four of each host on the way, of both families."""
    old = [Address(f"192.0.2.{n}", name="a") for n in range(8)]
    new = [Address(f"2001:db8::{n}", name="a") for n in range(8)]
    other = [Address(f"198.51.100.{n}", name="b") for n in range(3)]
    assert few([*old, *new, *other]) == [*old[:2], *new[:2], *other]
    assert few([*old, *other]) == [*old[:4], *other]
    assert few([*new, *other]) == [*new[:4], *other]


@pytest.mark.parametrize(("inner", "is_asked"), [("10.99.0.1", False), ("127.0.0.9", False), ("192.0.2.9", True)])
def test_glue_of_a_stranger(inner: str, is_asked: bool) -> None:
    """A referral from a server that the world can ask does not lead a question to this site or this host."""
    from certbot_dns_delegate.lookup.hosts import Named, _allowed

    named = Named(name("evil.test."), [], [], is_ours=False, source=Address("192.0.2.1"))
    assert _allowed([inner], named) == ([inner] if is_asked else [])
    ours = Named(name("evil.test."), [], [], is_ours=True, source=Address("192.0.2.1"))
    assert _allowed([inner], ours) == [inner]


class SlowLinks(Behaviour):
    """A resolver to which some names answer late, each link of their chain."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def answer(self, request, honest):  # type: ignore[no-untyped-def]  # as in tests.servers
        if b"slow" in request.qname.canonicalize().labels:
            request.closing.wait(self.seconds)
        return honest(request)


def test_slow_names_hold_up_nobody() -> None:
    """Five hundred names are followed while a hostile name is slow at each of its eight links."""
    quick = [f"_acme-challenge.n{n} CNAME n{n}.{TITLE}" for n in range(500)]
    links = [f"l{n}.slow CNAME l{n + 1}.slow" for n in range(7)]
    slow = ["_acme-challenge.slow CNAME l0.slow", *links]
    with Internet({"ns.customer.test.": {"customer.test.": "\n".join([*quick, *slow])}}) as net:
        net.resolver.behaviour = SlowLinks(0.6)
        follower = Follower(net.recursive(), None, suffix_of(TITLE))
        starts = [name(f"_acme-challenge.n{n}.customer.test.") for n in range(500)]
        late = name("_acme-challenge.slow.customer.test.")
        ended = list(follower.each([late, *starts]))
    assert [start for start, _ in ended][-1] == late
    assert all(isinstance(each, Followed) for _, each in ended[:-1])


def test_chain_that_takes_too_long() -> None:
    """A name whose servers take their time at every link is given up, with the chain so far."""
    links = "\n".join(["_acme-challenge.slow CNAME l0.slow", *(f"l{n}.slow CNAME l{n + 1}.slow" for n in range(7))])
    with Internet({"ns.customer.test.": {"customer.test.": links}}) as net:
        net.resolver.behaviour = SlowLinks(0.2)
        follower = Follower(net.recursive(), None, suffix_of(TITLE), most_s=0.3)
        with pytest.raises(LookupFailed, match=r"^gave up: the CNAMEs took more than 0 s so far: .*l0\.slow"):
            follower.follow(name("_acme-challenge.slow.customer.test."))
