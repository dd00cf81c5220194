"""The watch over a zone's servers: who blocks, who is passed over, and the table when time runs out (rule 10)."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import dns.rcode
import pytest

from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question
from certbot_dns_delegate.model import RRset, Sighting, Values
from certbot_dns_delegate.model import Server as ServerAddress
from certbot_dns_delegate.order.memory import State
from certbot_dns_delegate.order.watch import WatchReport, watch
from certbot_dns_delegate.order.watcher import Watcher
from certbot_dns_delegate.timing import AT_ONCE
from tests.servers import (
    Alternating,
    Behaviour,
    Cookies,
    Every,
    First,
    FormErring,
    Garbage,
    Handler,
    HangingUp,
    HugeTxt,
    InTurns,
    Lagging,
    Lame,
    NodataWithoutSoa,
    NoEdns,
    NotImplementing,
    RateLimited,
    Refusing,
    Reply,
    Request,
    Server,
    ServFailing,
    Silent,
    TcpDead,
    Truncating,
    UdpDead,
    When,
    WrongId,
    WrongQuestion,
    first_tries,
)
from tests.unit.internet import name

APEX = "acme.test."
WEB = name(f"web.{APEX}")
VALUES = {WEB: frozenset({"ours"})}


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
    """Two complete looks at each server, the last of several questions at once, and it is over."""
    with served() as one, served() as two:
        report = run(pool, [watcher(one), watcher(two)])
        assert (report.complete, states(report)) == (True, [State.READY] * 2)
        assert [len(first_tries(server.questions)) for server in (one, two)] == [1 + AT_ONCE] * 2


@pytest.mark.parametrize("passes", [1, 3])
def test_passes(pool: ThreadPoolExecutor, passes: int) -> None:
    """As many looks as the profile says."""
    with served() as server:
        assert run(pool, [watcher(server, passes=passes)]).complete
        assert len(first_tries(server.questions)) == passes - 1 + AT_ONCE


def test_reading_back_counts(pool: ThreadPoolExecutor) -> None:
    """What the provider saw where it wrote is the first look there, when it was complete and is signed if it must."""
    with served() as server:
        seen = [Sighting(at(server), WEB, "NOERROR", RRset(frozenset({"ours"}), 1))]
        assert run(pool, [watcher(server, seen=seen)]).complete
        assert len(first_tries(server.questions)) == AT_ONCE
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


def test_servers_that_give_no_answer(pool: ThreadPoolExecutor) -> None:
    """A silent, lame or refusing server is reported and does not block, as resolvers pass it over."""
    with ExitStack() as stack:
        good = stack.enter_context(served())
        bad = [stack.enter_context(served(behaviour=behaviour)) for behaviour, _, _ in OUT]
        report = run(pool, [watcher(good), *map(watcher, bad)], 5)
    assert (report.complete, states(report)) == (True, [State.READY, *(state for _, state, _ in OUT)])
    assert [each.server for each in report.out] == list(map(at, bad))
    assert [each.sightings[WEB].rcode for each in report.out] == [rcode for _, _, rcode in OUT]


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


def has_ipv6() -> bool:
    """Whether a way leads to public addresses of IPv6."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        return asking.connect_ex(("2001:db8::1", 53)) == 0


def test_missing_ipv6(pool: ThreadPoolExecutor) -> None:
    """Addresses that this host cannot reach for want of IPv6 are reported apart, and once."""
    if has_ipv6():
        pytest.skip("this host has a route to IPv6 addresses; the lab's namespaces have none")
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
            assert len(first_tries(secondary.questions)) == 4 + 6
            assert len(first_tries(primary.questions)) == 1 + AT_ONCE


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


AWAY = [
    Refusing(),
    ServFailing(),
    NotImplementing(),
    FormErring(),
    Silent(),
    HangingUp(),
    Garbage(),
    WrongId(),
    WrongQuestion(),
    Lame(),
]


def test_one_that_lags_blocks_however_it_is_away_between(pool: ThreadPoolExecutor) -> None:
    """A resolver meets it again; one answer that says nothing does not make up for the one before."""
    with ExitStack() as stack:
        good = stack.enter_context(served())
        bad = [stack.enter_context(served("", Every(2, away))) for away in AWAY]
        watchers = [watcher(good), *map(watcher, bad)]
        report = run(pool, watchers, 2.5)
    assert not report.complete
    assert [each.server for each in report.missing] == list(map(at, bad))
    assert {each.lacked_at for each in report.missing} & {None} == set()


def test_one_that_lags_blocks_while_it_is_restarted(pool: ThreadPoolExecutor) -> None:
    """Connections are refused for a moment; then it answers as before."""
    with served() as good:
        bad = served("")
        with bad:
            address = bad.address, bad.port
            lagging = watcher(bad)
            lagging.look()
        assert not run(pool, [watcher(good), lagging], 1).complete
        assert lagging.sightings[WEB].rcode == "connection refused"
        with Server({APEX: ""}, address=address[0], port=address[1]):
            assert not run(pool, [watcher(good), lagging], 1).complete


def test_one_that_lagged_and_is_gone_for_long_is_passed_over(pool: ThreadPoolExecutor) -> None:
    """Ten seconds later no resolver waits for it any more; it is reported as any other."""
    with served() as good, served("", When(lambda _: len(bad.questions) > 1, Refusing())) as bad:
        report = run(pool, [watcher(good), watcher(bad)], 20)
    assert report.complete
    assert [each.server for each in report.out] == [at(bad)]
    assert report.waited_s >= 10


def test_one_that_refuses_while_it_starts_is_not_passed_over(pool: ThreadPoolExecutor) -> None:
    """It has as long as a silent one; then it answers without the values."""
    with served() as good, served("", First(4, Refusing())) as bad:
        report = run(pool, [watcher(good), watcher(bad)], 3)
    assert (report.complete, states(report)) == (False, [State.READY, State.LAGGING])


def test_one_that_answered_in_the_plan_counts_on_while_it_is_away(pool: ThreadPoolExecutor) -> None:
    """A server that is restarted for longer than its patience comes back without the values."""
    with served() as good, served("", First(12, Refusing())) as bad:
        report = run(pool, [watcher(good), watcher(bad, known=True)], 5)
        assert (report.complete, states(report)) == (False, [State.READY, State.LAGGING])


TURNS = ["nno", "nnno", "onno", "nonnnno", "onnnnno", "nonnnnnno", "nonnnnnnnnnnno"]


def test_two_machines_behind_one_address(pool: ThreadPoolExecutor) -> None:
    """Whichever of them chance shows, the one without the values is met in the end."""
    with ExitStack() as stack:
        servers = [stack.enter_context(served("", InTurns(turns))) for turns in TURNS]
        for server in servers:
            server.zone(APEX).add("web", 1, "TXT", "ours")
        report = run(pool, list(map(watcher, servers)), 4)
    assert states(report) == [State.LAGGING] * len(TURNS)


class Denying(Behaviour):
    """NXDOMAIN with authority, and no cookie."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        return request.reply(dns.rcode.NXDOMAIN, authoritative=True)


def test_two_machines_of_which_one_has_cookies(pool: ThreadPoolExecutor) -> None:
    """What lacks the cookie may be forged, or come from the other machine; a resolver takes it all the same."""
    count = itertools.count()
    other = When(lambda request: request.transport == "udp" and next(count) > 0, Denying())
    with served(behaviour=other | Cookies()) as server:
        report = run(pool, [watcher(server)], 2)
        assert (report.complete, states(report)) == (False, [State.LAGGING])


LONG = "\n".join(["web TXT ours", *(f"web TXT {n}{'x' * 50}" for n in range(8))])
"""Nine values: more than 512 octets, less than 1232."""


def test_a_long_answer_must_come_by_tcp_as_well(pool: ThreadPoolExecutor) -> None:
    """Some CAs' resolvers take 512 octets by UDP; TCP that does not answer then blocks, and is named."""
    with served(LONG) as good, served(LONG, TcpDead()) as bad:
        report = run(pool, [watcher(good), watcher(bad)], 1.5)
        assert (report.complete, states(report)) == (False, [State.READY, State.NO_TCP])
        assert report.servers[1].sightings[WEB].rcode == "truncated by UDP, connection refused by TCP"
        assert {question.transport for question in good.questions} == {"udp", "tcp"}


def test_a_short_answer_needs_no_tcp(pool: ThreadPoolExecutor) -> None:
    """No resolver asks for it that way."""
    with served() as server:
        assert run(pool, [watcher(server)]).complete
        assert {question.transport for question in server.questions} == {"udp"}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_udp_and_tcp_must_agree_on_a_long_answer(pool: ThreadPoolExecutor, transport: str) -> None:
    """A front end may send each to another machine."""
    with served(LONG, When(lambda request: request.transport == transport, Lagging())) as server:
        server.zone(APEX).add("web", 1, "TXT", "new")
        report = run(pool, [watcher(server, {WEB: frozenset({"new"})})], 1.5)
        assert not report.complete


def test_a_long_answer_that_tcp_never_brings_counts_as_one_without_the_values(pool: ThreadPoolExecutor) -> None:
    """Also where it does not even fit what we take."""
    with served() as good, served("web TXT ours", HugeTxt(60) | TcpDead()) as bad:
        report = run(pool, [watcher(good), watcher(bad)], 1.5)
        assert (report.complete, states(report)) == (False, [State.READY, State.NO_TCP])


def rrsig(inception: str, expiration: str, signer: str = "acme.test.") -> str:
    """One over the TXT, as zone text."""
    return f"web 60 RRSIG TXT 13 3 60 {expiration} {inception} 1 {signer} {'a' * 86}=="


VALID = rrsig("20200101000000", "20300101000000")


@pytest.mark.parametrize(
    ("signatures", "state"),
    [
        (rrsig("20200101000000", "20210101000000"), State.EXPIRED),
        (rrsig("20300101000000", "20310101000000"), State.EXPIRED),
        (rrsig("20200101000000", "20300101000000", "test."), State.UNSIGNED),
        (f"{rrsig('20200101000000', '20210101000000')}\n{VALID}", State.READY),
    ],
    ids=["expired", "not yet valid", "another zone's", "one of two"],
)
def test_validity_of_signatures(pool: ThreadPoolExecutor, signatures: str, state: State) -> None:
    """A signature counts inside its time, and made by the zone; of several one is enough."""
    with served(f"web TXT ours\n{signatures}") as server:
        report = run(pool, [watcher(server, signed=True)], 1)
        assert (report.complete, states(report)) == (state is State.READY, [state])


def test_signatures_by_a_clock_that_is_wrong(pool: ThreadPoolExecutor) -> None:
    """What the plan has found to be wrong says nothing of the signature's time."""
    with served(f"web TXT ours\n{rrsig('20200101000000', '20210101000000')}") as server:
        assert run(pool, [watcher(server, signed=True, in_time=False)], 2).complete


def test_signatures(pool: ThreadPoolExecutor) -> None:
    """Where the parent has a DS, a server that serves the values without RRSIG blocks."""
    with served(f"web TXT ours\n{VALID}") as signed, served() as unsigned:
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
    """Two looks, of which the last asks about one name several times."""
    owners = [name(f"n{number}.{APEX}") for number in range(100)]
    with served("* TXT v") as server:
        assert run(pool, [watcher(server, dict.fromkeys(owners, frozenset({"v"})))], 10).complete
        assert len(first_tries(server.questions)) == 199 + AT_ONCE


def test_progress(pool: ThreadPoolExecutor) -> None:
    """About once a second it is told who still blocks."""
    told: list[tuple[float, list[ServerAddress]]] = []
    with served("") as late, served() as good:
        watchers = [watcher(late), watcher(good)]
        watch(watchers, pool, 2.5, lambda waited, blocking: told.append((waited, [w.server for w in blocking])))
        assert [servers for _, servers in told] == [[at(late)]] * 2
