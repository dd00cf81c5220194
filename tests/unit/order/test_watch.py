"""The watch over a zone's servers: who blocks, who is passed over, and the table when time runs out (rule 10)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question
from certbot_dns_delegate.model import RRset, Sighting, Values
from certbot_dns_delegate.model import Server as ServerAddress
from certbot_dns_delegate.order.report import not_served
from certbot_dns_delegate.order.watch import State, Watcher, WatchReport, watch
from tests.servers import (
    Alternating,
    Behaviour,
    HugeTxt,
    Lagging,
    Lame,
    NodataWithoutSoa,
    NoEdns,
    OnQueries,
    RateLimited,
    Refusing,
    Server,
    ServFailing,
    Silent,
    TcpDead,
    Truncating,
    UdpDead,
)
from tests.unit.internet import name

APEX = "acme.test."
WEB = name(f"web.{APEX}")
VALUES = {WEB: frozenset({"ours"})}
SIGNATURE = "web 60 RRSIG TXT 13 3 60 20300101000000 20200101000000 1 acme.test. " + "a" * 86 + "=="


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for the looks."""
    with ThreadPoolExecutor(16) as made:
        yield made


def at(server: Server, host: str = "") -> ServerAddress:
    """Where it listens."""
    return ServerAddress(server.address, server.port, host)


def put(server: ServerAddress, questions: Sequence[Question], patience_s: float = 0.7) -> Iterable[Outcome]:
    """As the engine, with less patience."""
    return exchange([Ask(server, question) for question in questions], patience_s)


def watcher(server: Server, values: Values = VALUES, **options: object) -> Watcher:
    """The watch over one server."""
    address = at(server)
    return Watcher(name(APEX), address, values, partial(put, address), **options)  # type: ignore[arg-type]  # any option of Watcher


def served(text: str = "web TXT ours", behaviour: Behaviour | None = None) -> Server:
    """A server that serves the values."""
    return Server({APEX: text}, behaviour=behaviour)


def run(pool: ThreadPoolExecutor, watchers: Sequence[Watcher], timeout_s: float = 2.0) -> WatchReport:
    """The report of a watch."""
    return watch(watchers, pool, timeout_s)


def states(report: WatchReport) -> list[State]:
    """What was seen last at each."""
    return [each.state for each in report.servers]


def test_all_serve_all(pool: ThreadPoolExecutor) -> None:
    """Two complete looks at each server, and it is over."""
    with served() as one, served() as two:
        report = run(pool, [watcher(one), watcher(two)])
        assert (report.complete, states(report)) == (True, [State.READY] * 2)
        assert [len(server.questions) for server in (one, two)] == [2, 2]


@pytest.mark.parametrize("passes", [1, 3])
def test_passes(pool: ThreadPoolExecutor, passes: int) -> None:
    """As many looks as the profile says."""
    with served() as server:
        assert run(pool, [watcher(server, passes=passes)]).complete
        assert len(server.questions) == passes


def test_reading_back_counts(pool: ThreadPoolExecutor) -> None:
    """What the provider saw where it wrote is the first look there, when it was complete and is signed if it must."""
    with served() as server:
        seen = [Sighting(at(server), WEB, "NOERROR", RRset(frozenset({"ours"}), 1))]
        assert run(pool, [watcher(server, seen=seen)]).complete
        assert len(server.questions) == 1
        assert watcher(server, seen=[Sighting(at(server), WEB, "NOERROR")]).looks == 0
        assert watcher(server, seen=seen, signed=True).looks == 0


def test_foreign_values_do_not_matter(pool: ThreadPoolExecutor) -> None:
    """Ours among others, even where only TCP shows them all."""
    with served(behaviour=HugeTxt(60)) as server:
        assert run(pool, [watcher(server)]).complete


HARMLESS = [UdpDead(), TcpDead(), Truncating(partial=True), NoEdns(), NodataWithoutSoa(), RateLimited(1)]


@pytest.mark.parametrize("behaviour", HARMLESS)
def test_ways_to_serve(pool: ThreadPoolExecutor, behaviour: Behaviour) -> None:
    """One transport, no EDNS, broken negative answers and rate limits are gone along with."""
    with served(behaviour=behaviour) as server:
        assert run(pool, [watcher(server)], 5).complete


OUT = [
    (Silent(), State.SILENT, "timeout"),
    (UdpDead() | Silent(), State.SILENT, "timeout"),
    (Lame(), State.LAME, "NOERROR"),
    (Refusing(), State.REFUSING, "REFUSED"),
    (ServFailing(), State.REFUSING, "SERVFAIL"),
]


@pytest.mark.parametrize(("behaviour", "state", "rcode"), OUT)
def test_server_that_gives_no_answer(pool: ThreadPoolExecutor, behaviour: Behaviour, state: State, rcode: str) -> None:
    """A silent, lame or refusing server is reported and does not block, as resolvers pass it over."""
    with served() as good, served(behaviour=behaviour) as bad:
        report = run(pool, [watcher(good), watcher(bad)], 5)
        assert (report.complete, states(report)) == (True, [State.READY, state])
        assert [each.server for each in report.out] == [at(bad)]
        assert report.servers[1].sightings[WEB].rcode == rcode


def test_dead_udp_or_tcp_of_a_lagging_server(pool: ThreadPoolExecutor) -> None:
    """A server seen by TCP alone blocks like any other while it answers without the values."""
    with served() as good, served("", UdpDead()) as bad:
        report = run(pool, [watcher(good), watcher(bad)])
        assert (report.complete, states(report)) == (False, [State.READY, State.LAGGING])


@pytest.mark.parametrize("behaviour", [Silent(), Lame(), Refusing()])
def test_no_server_answers(pool: ThreadPoolExecutor, behaviour: Behaviour) -> None:
    """Without any server that serves the values nothing is ready."""
    with served(behaviour=behaviour) as one, served(behaviour=behaviour) as two:
        assert not run(pool, [watcher(one), watcher(two)], 1.0).complete


def test_missing_ipv6(pool: ThreadPoolExecutor) -> None:
    """Addresses that this host cannot reach for want of IPv6 are told apart, to be said once."""
    with served() as good:
        six = [ServerAddress(f"2001:db8::{number}", name=f"ns{number}.test") for number in (1, 2)]
        watchers = [Watcher(name(APEX), server, VALUES, partial(put, server)) for server in six]
        report = run(pool, [watcher(good), *watchers], 5)
    assert report.complete
    assert [each.server for each in report.without_ipv6] == six
    assert {each.state for each in report.without_ipv6} == {State.UNREACHABLE}


def test_lagging_server_blocks_until_it_serves(pool: ThreadPoolExecutor) -> None:
    """One that answers without the values is asked again, one question at a time, until it has them."""
    with served("") as primary:
        lagging = Lagging(queries=4)
        with Server(primary.zones.values(), behaviour=lagging) as secondary:
            primary.zone(APEX).add("web", 1, "TXT", "ours")
            report = run(pool, [watcher(primary), watcher(secondary)], 10)
            assert (report.complete, states(report)) == (True, [State.READY, State.READY])
            assert len(secondary.questions) == 4 + 2
            assert len(primary.questions) == 2


def test_older_values_are_remembered(pool: ThreadPoolExecutor) -> None:
    """What a server served before it had ours, with its TTL; "no such name" is no RRset."""
    with served("web 7 TXT old", Lagging(queries=2)) as old, served("", Lagging(queries=2)) as none:
        for server in (old, none):
            server.zone(APEX).delete("web", "TXT")
            server.zone(APEX).add("web", 1, "TXT", "ours")
        report = run(pool, [watcher(old), watcher(none)], 10)
    assert report.complete
    assert [{owner: ttl for owner, (_, ttl) in each.older.items()} for each in report.servers] == [{WEB: 7}, {}]


def test_alternating_server_is_never_ready(pool: ThreadPoolExecutor) -> None:
    """Old and new answers in turn, two servers behind one address, are never two complete looks in a row."""
    with served("", Alternating()) as server:
        server.zone(APEX).add("web", 1, "TXT", "ours")
        report = run(pool, [watcher(server)], 3)
        assert not report.complete
        assert len(server.questions) > 4


def test_answers_that_count_for_one_owner_only(pool: ThreadPoolExecutor) -> None:
    """All owners must be served in the same look; while one is missing only that one is asked for."""
    owners = [name(f"n{number}.{APEX}") for number in range(3)]
    with served("n0 TXT v\nn1 TXT v") as server:
        report = run(pool, [watcher(server, dict.fromkeys(owners, frozenset({"v"})))], 1.5)
        assert not report.complete
        assert report.missing[0].missing() == [owners[2]]
        asked = [question.qname for question in server.questions]
    assert sorted(asked[:3]) == owners
    assert set(asked[3:]) == {owners[2]}


def test_two_values_at_one_owner(pool: ThreadPoolExecutor) -> None:
    """A name and its wildcard: both values or none."""
    both = {WEB: frozenset({"ours", "wildcard's"})}
    with served() as server:
        assert not run(pool, [watcher(server, both)], 0.5).complete
        server.zone(APEX).add("web", 1, "TXT", "wildcard's")
        assert run(pool, [watcher(server, both)]).complete


def test_signatures(pool: ThreadPoolExecutor) -> None:
    """Where the parent has a DS, a server that serves the values without RRSIG blocks."""
    with served(f"web TXT ours\n{SIGNATURE}") as signed, served() as unsigned:
        report = run(pool, [watcher(each, signed=True) for each in (signed, unsigned)], 1)
        assert (report.complete, states(report)) == (False, [State.READY, State.UNSIGNED])
        assert signed.questions[0].message.ednsflags == 0x8000


def test_resolvers(pool: ThreadPoolExecutor) -> None:
    """With ``watch = resolvers`` recursion is desired and authority not needed."""
    with Server({APEX: "web TXT ours"}, recursive=True) as server:
        assert run(pool, [watcher(server, recursive=True)]).complete
        assert server.questions[0].rd


def test_alias_at_the_target(pool: ThreadPoolExecutor) -> None:
    """The value behind a CNAME is not the value at the owner."""
    with served("web CNAME other\nother TXT ours") as server:
        assert not run(pool, [watcher(server)], 0.5).complete


def test_zones_have_their_own_time(pool: ThreadPoolExecutor) -> None:
    """A zone whose time has run out does not end the watch over another."""
    with served("") as late, served() as good:
        other = watcher(good)
        other.zone = name("other.test.")
        begin = time.monotonic()
        limits: Mapping = {name(APEX): 0.3, name("other.test."): 30.0}  # type: ignore[type-arg]  # of names
        report = watch([watcher(late), other], pool, limits)
    assert (report.complete, states(report)) == (False, [State.LAGGING, State.READY])
    assert time.monotonic() - begin < 30


def test_gentle_while_a_server_lags(pool: ThreadPoolExecutor) -> None:
    """A hundred owners at a lagging server that limits its rate cost it one question at a time, none unanswered."""
    owners = [name(f"n{number}.{APEX}") for number in range(100)]
    with served("", RateLimited(5)) as server:
        report = run(pool, [watcher(server, dict.fromkeys(owners, frozenset({"v"})))], 2)
        assert not report.complete
        assert {question.qname for question in server.questions} == {owners[0]}
        assert {question.transport for question in server.questions} == {"udp"}


def test_many_owners_cost_two_questions_each(pool: ThreadPoolExecutor) -> None:
    """Two looks, no more."""
    owners = [name(f"n{number}.{APEX}") for number in range(100)]
    with served("* TXT v") as server:
        assert run(pool, [watcher(server, dict.fromkeys(owners, frozenset({"v"})))], 10).complete
        assert len(server.questions) == 200


def test_progress(pool: ThreadPoolExecutor) -> None:
    """About once a second it is told who still blocks."""
    told: list[tuple[float, list[ServerAddress]]] = []
    with served("") as late, served() as good:
        watchers = [watcher(late), watcher(good)]
        watch(watchers, pool, 2.5, lambda waited, blocking: told.append((waited, [w.server for w in blocking])))
        assert [servers for _, servers in told] == [[at(late)]] * 2


# The words


def sighted(host: str, state: State, sighting: Sighting | None) -> Watcher:
    """A watcher that has seen this."""
    server = ServerAddress("192.0.2.1", name=host)
    made = Watcher(name(APEX), server, VALUES, partial(put, server))
    made.state = state
    if sighting is not None:
        made.sightings[WEB] = sighting
    return made


def test_table_of_a_secondary_that_never_serves() -> None:
    """Server, zone, state, serial, answer and values, and how to compare the serials."""
    seen = Sighting(ServerAddress("192.0.2.1"), WEB, "NOERROR", RRset(frozenset({"ours"}), 1), 7)
    old = Sighting(ServerAddress("192.0.2.2"), WEB, "NOERROR", RRset(frozenset({*"abc", "\x1b"}), 1), 6)
    watchers = (
        sighted("ns1.test", State.READY, seen),
        sighted("ns2.test", State.LAGGING, old),
        sighted("ns3.test", State.SILENT, Sighting(ServerAddress("192.0.2.3"), WEB, "timeout")),
        sighted("ns4.test", State.UNSEEN, None),
    )
    error = not_served(WatchReport(False, 180.4, watchers), {})
    assert error.problem.splitlines() == [
        "after 180 s not every authoritative server serves web.acme.test.",
        "  server                zone        state                 answer       serial  values seen",
        '  ns1.test (192.0.2.1)  acme.test.  serves all values     NOERROR           7  "ours"',
        '  ns2.test (192.0.2.1)  acme.test.  answers without them  NOERROR           6  "\\x1b", "a", "b" (and 1 more)',
        "  ns3.test (192.0.2.1)  acme.test.  is silent             timeout           -  none",
        "  ns4.test (192.0.2.1)  acme.test.  not asked yet         -                 -  none",
    ]
    assert error.hint == (
        "compare the serials: dig +norec @192.0.2.1 acme.test. SOA; a secondary that lags needs NOTIFY from its"
        " primary (BIND: notify-delay 0, also-notify), or a longer timeout"
    )


def test_words_where_no_server_answers() -> None:
    """Nobody blocks, but nobody serves either."""
    error = not_served(WatchReport(False, 60, (sighted("ns1.test", State.SILENT, None),)), {})
    assert error.problem.splitlines()[0] == "no authoritative server answers"
    assert error.hint == (
        "from here port 53 may be blocked: dig +norec @192.0.2.1 acme.test. SOA; if it is, set watch = resolvers in the"
        " delegate's section"
    )


def test_words_for_missing_signatures() -> None:
    """The hint asks for the signatures."""
    seen = Sighting(ServerAddress("192.0.2.1"), WEB, "NOERROR", RRset(frozenset({"ours"}), 1), 7)
    error = not_served(WatchReport(False, 60, (sighted("ns1.test", State.UNSIGNED, seen),)), {})
    assert error.hint == "the parent has a DS, so signatures are needed: dig +dnssec @192.0.2.1 acme.test. SOA"


def test_real_table(pool: ThreadPoolExecutor) -> None:
    """The table of a real watch shows what each server said last."""
    with served() as good, served("web TXT old", OnQueries(Behaviour())) as late:
        report = run(pool, [watcher(good), watcher(late)], 0.5)
        lines = not_served(report, {at(good): 2, at(late): 1}).problem.splitlines()
    assert lines[2].split()[:1] == [str(at(good))]
    assert lines[3].split() == [str(at(late)), APEX, "answers", "without", "them", "NOERROR", "1", '"old"']
