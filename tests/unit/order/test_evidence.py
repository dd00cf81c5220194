"""What servers show around a publication decides what is ours and how long to wait."""

import time
from dataclasses import replace

import dns.name
import pytest

from certbot_dns_delegate.model import Chain, Challenge, Publication, RRset, Sighting, Target, Zone
from certbot_dns_delegate.model import Server as Address
from certbot_dns_delegate.order.evidence import Older, older, serials, there_before, wildcards_behind
from certbot_dns_delegate.order.plan import Plan, Planned
from certbot_dns_delegate.order.watch import WatchReport
from certbot_dns_delegate.order.watcher import Watcher
from tests.servers import Server

APEX = dns.name.from_text("acme.test.")
OWNER = dns.name.from_text("web.acme.test.")
VALUE = "v" * 43


def planned(present: RRset, *servers: Server) -> Plan:
    """A plan for one value, with what was seen at its target."""
    zone = Zone(APEX, tuple(Address(server.address, server.port) for server in servers))
    challenge = Challenge("web.example.test", dns.name.from_text("_acme-challenge.web.example.test."), VALUE)
    target = Target(OWNER, zone, "acme.test", present)
    publication = Publication("acme.test", zone, {OWNER: frozenset({VALUE})})
    return Plan((Planned(challenge, Chain(challenge.owner), target),), (), (publication,))


def test_what_every_server_has_was_there_before() -> None:
    """Our value, served by all servers before we wrote it, is somebody else's and stays."""
    with Server({"acme.test.": f"web TXT {VALUE}"}) as one, Server({"acme.test.": f"web TXT {VALUE}"}) as two:
        assert there_before(planned(RRset(frozenset({VALUE}), 1), one, two)) == {OWNER: {VALUE}}


def test_what_one_lagging_server_has_is_ours() -> None:
    """A secondary that still serves what an earlier run of ours has withdrawn does not make the value foreign."""
    with Server({"acme.test.": ""}) as primary, Server({"acme.test.": f"web TXT {VALUE}"}) as lagging:
        assert there_before(planned(RRset(frozenset({VALUE}), 1), primary, lagging)) == {OWNER: set()}


def test_nobody_is_asked_where_the_value_was_not_seen() -> None:
    """Nearly always nothing of ours stood there, and no question is needed to know it."""
    with Server({"acme.test.": "web TXT theirs"}) as server:
        assert there_before(planned(RRset(frozenset({"theirs"}), 60), server)) == {OWNER: {"theirs"}}
        assert server.questions == []


@pytest.mark.parametrize(
    ("before", "after", "is_waited"),
    [
        (7, 8, False),
        (7, 7, False),
        (7, 9, True),
        (4294967295, 1, True),
        (7, None, False),
        (None, 9, False),
        (9, 7, False),
    ],
)
def test_a_value_that_came_and_went_between_plan_and_write(before: int, after: int, *, is_waited: bool) -> None:
    """Another host ordered meanwhile: the serial has moved by more than our update, and a cache may have its RRset."""
    plan = planned(RRset())
    zone = replace(plan.publications[0].zone, serial=before)
    plan = replace(plan, publications=(replace(plan.publications[0], zone=zone),))
    read_back = [Sighting(Address("192.0.2.1", 53), OWNER, "NOERROR", RRset(frozenset({VALUE}), 1), after)]
    assert (older(plan, None, {}, {}, 0.5, [read_back]).left_s > 0) is is_waited


def left_s(*arguments: object) -> float:
    """How long the older RRset that lasts longest may be cached."""
    return older(*arguments).left_s  # type: ignore[arg-type]  # those of older


def test_older_values_are_waited_out() -> None:
    """What others' values beside ours show to have been served is waited for, at most a minute."""
    theirs = planned(RRset(frozenset({"theirs"}), 3600))
    assert left_s(theirs, None, {}, {}, 2.0) == 60
    assert left_s(planned(RRset(frozenset({"theirs"}), 10)), None, {}, {}, 2.0) == 9
    assert left_s(planned(RRset(frozenset({"theirs"}), 10)), None, {}, {}, 12.0) == 0
    assert left_s(planned(RRset(frozenset({VALUE}), 10)), None, {}, {}, 2.0) == 0
    assert left_s(planned(RRset()), None, {}, {OWNER: 1}, 0.5) == 1.5
    assert older(theirs, None, {}, {OWNER: 1}, 2.0) == Older(60, "web.acme.test.", 3600)


def test_what_we_have_just_withdrawn_is_waited_out() -> None:
    """Certbot orders again at once without the names that failed."""
    web = "web.acme.test."
    assert 1 < left_s(planned(RRset()), None, {web: (time.time(), 1)}, {}, 0.0) <= 2
    assert left_s(planned(RRset()), None, {web: (time.time() - 5, 1)}, {}, 0.0) == 0
    assert 26 < left_s(planned(RRset()), None, {web: (time.time(), 30)}, {}, 0.0) <= 31


@pytest.mark.parametrize("ahead_s", [30, 86400, 1e7])
def test_a_clock_that_was_ahead_costs_no_minute(ahead_s: float) -> None:
    """What was withdrawn in the future was withdrawn just now."""
    assert 1 < left_s(planned(RRset()), None, {"web.acme.test.": (time.time() + ahead_s, 1)}, {}, 0.0) <= 2


def seen(ttl: int, beside: frozenset[str] = frozenset()) -> WatchReport:
    """A report of one server that served an older RRset until just now, and what it serves beside ours in the end."""
    server = Address("192.0.2.1")
    watcher = Watcher(APEX, server, {OWNER: frozenset({VALUE})}, lambda _: ())
    watcher.older[OWNER] = (time.monotonic(), ttl)
    watcher.sightings[OWNER] = Sighting(server, OWNER, "NOERROR", RRset(frozenset({VALUE}) | beside, 1))
    return WatchReport(True, 5.0, (watcher,))


def test_what_a_lagging_server_served_is_waited_out() -> None:
    """From when it was last seen there, however long ago ours was published; not where only we can have been asked."""
    assert 25 < left_s(planned(RRset()), seen(30), {}, {}, 100.0) <= 31
    assert left_s(planned(RRset()), seen(3600), {}, {}, 100.0) == 60
    assert 1 < left_s(planned(RRset()), seen(1, frozenset({"theirs"})), {}, {}, 100.0) <= 2
    assert left_s(planned(RRset()), seen(1), {}, {}, 100.0) == 0


@pytest.mark.parametrize("wildcard", ["*", "*.deep"])
def test_a_wildcard_is_found_behind_its_rrset(wildcard: str) -> None:
    """At whatever depth; a TXT of the owner's own has none, and nobody is asked where nothing was seen."""
    with Server({"acme.test.": f'{wildcard} 3600 TXT "v=spf1 -all"'}) as server:
        zone = Zone(APEX, (Address(server.address, server.port),))

        def target(host: str, *values: str) -> Target:
            return Target(dns.name.from_text(f"{host}.acme.test."), zone, "", RRset(frozenset(values), 3600))

        assert wildcards_behind([target("none")]) == {}
        assert server.questions == []
        found = wildcards_behind([target("one.deep", "v=spf1 -all"), target("two.deep", "theirs"), target("none")])
        assert found == {dns.name.from_text("one.deep.acme.test."): dns.name.from_text(f"{wildcard}.acme.test.")}


def test_serials_of_nobody() -> None:
    """A report without servers has no serials."""
    assert serials(WatchReport(True, 0.0, ())) == {}
