"""The rules of the design as one run of the engine keeps them; `make rules` shows that each test can fail."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import dns.flags
import dns.name
import dns.opcode
import dns.rcode
import pytest
from certbot import errors

from certbot_dns_delegate import authenticators
from certbot_dns_delegate.errors import (
    ChainEndsOutside,
    ChainLoop,
    ChainTooLong,
    DelegateError,
    Denied,
    LookupFailed,
    NoEffect,
    NotDelegated,
    NotServed,
    OutcomeUnknown,
    Refused,
    SeveralProblems,
    StateError,
    TargetNotAllowed,
)
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question
from certbot_dns_delegate.model import Server as Address
from certbot_dns_delegate.order.watch import watch
from certbot_dns_delegate.order.watcher import Watcher
from tests.e2e.lab import Lab, network
from tests.rules.conftest import Runs, challenge
from tests.servers import (
    AcceptsUpdatesWithoutEffect,
    Alternating,
    AppliesAndSays,
    Behaviour,
    BogusEde,
    DropsUpdateReply,
    Every,
    InTurns,
    Lagging,
    OnUpdates,
    Refusing,
    Server,
    ServFailing,
    TcpDead,
    UnsignedRefused,
)
from tests.servers.exchange import Handler, Reply, Request

ZONE = "single.bind.test"  # one server, BIND
OWNER = f"single.{ZONE}"  # where the CNAME of "single" leads
V = "v" * 43


def serials(lab: Lab, *zones: str) -> list[int]:
    """The serial of each zone's primary."""
    return [lab.serial(zone) for zone in zones]


@contextmanager
def primary(lab: Lab, behaviour: Behaviour | None = None) -> Iterator[tuple[Server, dict[str, str]]]:
    """A double of ZONE's primary that takes the delegate's key; the keys of the section that send updates to it."""
    with Server({f"{ZONE}.": ""}, behaviour=behaviour, keys=[lab.delegates[ZONE].key.dnspython()]) as server:
        yield server, {"server": f"{server.address}@{server.port}", "watch": "server"}


# 1. Plan all, then write


def test_nothing_is_written_when_one_name_cannot_be_planned(lab: Lab, runs: Runs) -> None:
    """Rule 1: every name is planned before the first write."""
    before = serials(lab, ZONE)
    with pytest.raises(NotDelegated):
        runs.new(ZONE).perform([challenge("single"), challenge("none")])
    assert serials(lab, ZONE) == before
    assert runs.journals() == []


def test_all_problems_are_told_together(runs: Runs) -> None:
    """Rule 1: one run is enough to see everything that is wrong."""
    with pytest.raises(SeveralProblems) as caught:
        runs.new(ZONE).perform([challenge("none"), challenge("outside"), challenge("loop")])
    assert [type(problem) for problem in caught.value.problems] == [NotDelegated, ChainEndsOutside, ChainLoop]


def test_a_subset_leaves_out_what_cannot_be_planned(lab: Lab, runs: Runs) -> None:
    """Rule 1: with --allow-subset-of-names the rest is written, and what is left out is told."""
    plan = runs.new(ZONE).perform([challenge("single"), challenge("none")], allow_subset=True)
    assert lab.values(f"{OWNER}.", network.BIND) == [V]
    assert [c.identifier for c, _ in plan.problems] == ["none.customer.test"]
    assert any(warning.startswith("none.customer.test is left out: ") for warning in runs.warnings)


# 2. Only NOERROR without CNAME and NXDOMAIN end a chain


class Failing(Behaviour):
    """A resolver that could, and does not."""

    def __init__(self, rcode: dns.rcode.Rcode) -> None:
        self.rcode = rcode

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = request.reply(self.rcode)
        reply.flags |= dns.flags.RA
        return reply


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_failing_resolver_is_never_no_cname(lab: Lab, runs: Runs, rcode: dns.rcode.Rcode) -> None:
    """Rule 2: the next resolver is asked; without a next one it is an error of the look-up."""
    with Server(behaviour=Failing(rcode)) as failing:
        address = f"{failing.address}@{failing.port}"
        runs.new(ZONE, resolvers=f"{address}, {lab.resolver}").perform([challenge("single")])
        with pytest.raises(LookupFailed, match="no resolver has an answer"):
            runs.new(ZONE, resolvers=address).perform([challenge("none")])


# 3. Write only inside a delegate, at a target it allows


def test_a_chain_that_ends_elsewhere_is_an_error(lab: Lab, runs: Runs) -> None:
    """Rule 3: nothing is written where no delegate is."""
    with pytest.raises(ChainEndsOutside, match=r"the chain ends at target\.links\.test\., which is not inside one of"):
        runs.new(ZONE).perform([challenge("outside")])


def test_a_real_cname_inside_a_delegate_is_followed_out(runs: Runs) -> None:
    """Rule 3: its owner name could be written, but the CA would not look there."""
    with pytest.raises(ChainEndsOutside, match=r"target\.links\.test"):
        runs.new(ZONE).perform([challenge(f"out.{ZONE}")])


def test_a_wildcard_never_wins_over_an_owner_inside_a_delegate(lab: Lab, runs: Runs) -> None:
    """Rule 3: the TXT written there stops the synthesis."""
    runs.new(ZONE).perform([challenge(f"x.wild.{ZONE}")])
    assert lab.values(f"_acme-challenge.x.wild.{ZONE}.", network.BIND) == [V]


def test_a_wildcard_that_leads_out_is_named_as_one(runs: Runs) -> None:
    """Rule 3: the operator set no CNAME for this name, and must learn where the answer came from."""
    with pytest.raises(ChainEndsOutside, match="has no CNAME of its own; the wildcard of its zone answers"):
        runs.new(ZONE).perform([challenge("x.wildout.customer.test")])


def test_a_wildcard_that_leads_in_is_followed_with_a_warning(runs: Runs) -> None:
    """Rule 3: it works, for every name beside it too."""
    runs.new("acme.bind.test", watch="none").perform([challenge("x.wildin.customer.test")])
    assert any("a wildcard answers for it" in warning for warning in runs.warnings)


def test_for_is_enforced(lab: Lab, runs: Runs) -> None:
    """Rule 3: the CNAME is the customer's text; which names may use a delegate is ours."""
    before = serials(lab, ZONE)
    with pytest.raises(TargetNotAllowed, match=r"single\.customer\.test may not use the delegate"):
        runs.new(ZONE, for_="*.other.test").perform([challenge("single")])
    assert serials(lab, ZONE) == before


def test_targets_is_enforced(lab: Lab, runs: Runs) -> None:
    """Rule 3: one customer's CNAME cannot write at another's target."""
    before = serials(lab, ZONE)
    with pytest.raises(TargetNotAllowed, match=rf"may only use single\.customer\.test\.{ZONE}\."):
        runs.new(ZONE, targets=f"{{name}}.{ZONE}").perform([challenge("single")])
    assert serials(lab, ZONE) == before


# 4. Loops, chains over the limit and dangling ends are told apart


def test_a_loop_is_told_with_its_chain(runs: Runs) -> None:
    """Rule 4: each link is shown."""
    first = "_acme-challenge.loop.customer.test."
    with pytest.raises(ChainLoop, match=f"in a circle: {first} -> loop.links.test. -> {first}"):
        runs.new(ZONE).perform([challenge("loop")])


def test_the_ninth_cname_is_one_too_many(runs: Runs) -> None:
    """Rule 4: eight are followed, nine are an error of their own."""
    runs.new("acme.bind.test", watch="none").perform([challenge("eight")])
    with pytest.raises(ChainTooLong, match=r"-> nine-8.links.test."):
        runs.new("acme.bind.test").perform([challenge("nine")])


def test_a_dangling_end_is_told_as_such(runs: Runs) -> None:
    """Rule 4: a name that does not exist is another mistake than one in the wrong zone."""
    with pytest.raises(ChainEndsOutside, match=r"missing\.acme\.nosuch\.test\., which does not exist and is"):
        runs.new(ZONE).perform([challenge("missing")])


# 5. No early look


def test_no_recursive_resolver_hears_of_a_delegates_inside(lab: Lab, runs: Runs) -> None:
    """Rule 5: from planning to withdrawing, every question about it goes to authoritative servers."""
    titles = (ZONE, "acme.corp.test", "ns.customer.test")
    engine = runs.new(*titles)
    engine.perform([challenge("single"), challenge("corp"), challenge("ns")])
    engine.cleanup()
    asked = {dns.name.from_text(owner) for owner, _ in lab.resolver_queries()}
    assert asked
    inside = [o.to_text() for o in asked for title in titles if o.is_subdomain(dns.name.from_text(title))]
    assert inside == []


# 6. The zone cut is found, not guessed


def test_every_kind_of_zone_cut(lab: Lab, runs: Runs) -> None:
    """Rule 6: an NS-delegated challenge name, a title that is no apex, a zone delegated below its parent's servers."""
    engine = runs.new("acme.corp.test", "ns.customer.test", ZONE)
    plan = engine.perform([challenge("corp"), challenge("ns"), challenge("single")])
    zones = {p.challenge.identifier.split(".")[0]: p.target.zone.apex.to_text() for p in plan.planned}
    assert zones == {"corp": "corp.test.", "ns": "_acme-challenge.ns.customer.test.", "single": f"{ZONE}."}
    above = {owner for owner, rdtype in lab.resolver_queries() if rdtype == "NS"}
    assert above <= {"corp.test.", "customer.test.", "bind.test.", "test."}


# 7. Touch only our own values


def test_foreign_values_and_their_ttl_stay(lab: Lab, runs: Runs) -> None:
    """Rule 7: one value is added and one taken away; the RRset keeps the TTL it had."""
    lab.update(ZONE, add=[(OWNER, 30, "theirs")])
    before = lab.snapshot()
    engine = runs.new(ZONE)
    engine.perform([challenge("single")], timeout=timedelta(0))
    beside = lab.snapshot()[f"{ZONE}."][f"{OWNER}. TXT"]
    engine.cleanup()
    after = lab.snapshot()
    lab.update(ZONE, delete=[(OWNER, None)])
    assert beside == (30, ('"theirs"', f'"{V}"'))
    assert after == before


def test_a_value_that_was_there_before_stays(lab: Lab, runs: Runs) -> None:
    """Rule 7: whoever put it there still needs it."""
    lab.update(ZONE, add=[(OWNER, 1, V)])
    engine = runs.new(ZONE)
    engine.perform([challenge("single"), challenge("single", "w")])
    engine.cleanup()
    left = lab.values(f"{OWNER}.", network.BIND)
    lab.update(ZONE, delete=[(OWNER, None)])
    assert left == [V]


def test_our_own_rrsets_have_ttl_1(lab: Lab, runs: Runs) -> None:
    """Rule 7: a CA's resolver must not still hold the last order's RRset."""
    runs.new(ZONE).perform([challenge("single")])
    assert lab.snapshot()[f"{ZONE}."][f"{OWNER}. TXT"] == (1, (f'"{V}"',))


# 8. One write per delegate and zone


def test_one_update_for_all_values_of_a_zone(lab: Lab, runs: Runs) -> None:
    """Rule 8: exactly one UPDATE out and one back."""
    (before,) = serials(lab, "acme.bind.test")
    engine = runs.new("acme.bind.test", watch="server")
    engine.perform([challenge(f"n{number:03}") for number in range(5)] + [challenge("n000", "w")])
    assert serials(lab, "acme.bind.test") == [before + 1]
    engine.cleanup()
    assert serials(lab, "acme.bind.test") == [before + 2]


class Until(Behaviour):
    """Answers an UPDATE when something has happened elsewhere, and refuses it when that never does."""

    def __init__(self, has_happened: Callable[[], bool]) -> None:
        self.has_happened = has_happened

    def answer(self, request: Request, honest: Handler) -> Reply:
        for _ in range(50):
            if self.has_happened():
                return honest(request)
            time.sleep(0.1)
        return Refusing().answer(request, honest)


def test_zones_go_in_parallel(lab: Lab, runs: Runs) -> None:
    """Rule 8: a zone whose server takes its time keeps no other waiting."""
    (before,) = serials(lab, "fast.bind.test")
    behaviour = OnUpdates(Until(lambda: serials(lab, "fast.bind.test") > [before]))
    with primary(lab, behaviour) as (_, keys):
        runs.new("fast.bind.test", ZONE, **keys).perform([challenge("single"), challenge("fast")])
        assert serials(lab, "fast.bind.test") == [before + 1]
        runs.made.pop().cleanup()


# 9. NOERROR is not proof


def test_a_server_that_says_noerror_and_does_nothing_is_found_out(lab: Lab, runs: Runs) -> None:
    """Rule 9: the values are read back where they were written."""
    with primary(lab, AcceptsUpdatesWithoutEffect()) as (_, keys), pytest.raises(NoEffect, match="does not serve"):
        runs.new(ZONE, **keys).perform([challenge("single")])


# 10. Ready means


BLOCKING = {
    "without": Lagging(),
    "now and then": Alternating(),
    "once": InTurns("nnno"),
    "four times": InTurns("onnnno"),
    "away between": Every(3, Refusing()) | Lagging(),
}


@pytest.mark.parametrize("behaviour", BLOCKING.values(), ids=BLOCKING)
def test_a_server_without_the_values_blocks(lab: Lab, runs: Runs, behaviour: Behaviour) -> None:
    """Rules 10 and 20: one that answers without them, or with them only in some looks; then the run fails."""
    with Server({f"{ZONE}.": ""}, behaviour=behaviour) as beside:
        beside.zone(f"{ZONE}.").add(f"{OWNER}.", 1, "TXT", V)
        watched = f"{network.BIND}, {beside.address}@{beside.port}"
        with pytest.raises(NotServed, match=r"answers without them|serves all values, not yet|refuses"):
            runs.new(ZONE, watch_servers=watched, timeout="2s").perform([challenge("single")])


def test_a_long_answer_must_be_served_by_tcp(runs: Runs) -> None:
    """Rule 10: some CAs' resolvers take 512 octets by UDP, and go on by TCP."""
    with Server({f"{ZONE}.": ""}, behaviour=TcpDead()) as beside:
        for value in [V, *(f"{number}{'x' * 50}" for number in range(8))]:
            beside.zone(f"{ZONE}.").add(f"{OWNER}.", 1, "TXT", value)
        watched = f"{network.BIND}, {beside.address}@{beside.port}"
        with pytest.raises(NotServed, match="truncates by UDP and does not answer by TCP"):
            runs.new(ZONE, watch_servers=watched, timeout="2s").perform([challenge("single")])


def test_a_silent_server_is_told_and_does_not_block(runs: Runs) -> None:
    """Rule 10: resolvers route around it."""
    runs.new(ZONE, watch_servers=f"{network.BIND}, {network.DEAD}", timeout="10s").perform([challenge("single")])
    assert any(warning.startswith(f"{network.DEAD}, a server of {ZONE}., ") for warning in runs.warnings)


def test_no_server_at_all_is_not_ready() -> None:
    """Rule 10: at least one authoritative server must have answered."""
    server = Address(network.DEAD)
    values = {dns.name.from_text(OWNER): frozenset({V})}

    def put(questions: Sequence[Question]) -> Iterator[Outcome]:
        return exchange([Ask(server, question) for question in questions], 1)

    watcher = Watcher(dns.name.from_text(ZONE), server, values, put)
    with ThreadPoolExecutor(1) as pool:
        report = watch([watcher], pool, 4.0)
    assert (report.complete, report.out) == (False, [watcher])


def test_no_server_at_all_is_a_problem_of_the_plan(lab: Lab, runs: Runs) -> None:
    """Rule 1: nobody could be asked whether the values are there, so nothing is written."""
    before = lab.serial(ZONE)
    with pytest.raises(LookupFailed, match=f"{network.DEAD} said connection refused"):
        runs.new(ZONE, watch_servers=network.DEAD).perform([challenge("single")])
    assert lab.serial(ZONE) == before


def test_a_signed_zone_must_serve_signatures(lab: Lab, runs: Runs) -> None:
    """Rule 10: where the parent has a DS, an answer without RRSIG, or with an expired one, fails validation."""
    with Server({"signed.bind.test.": ""}) as beside:
        beside.zone("signed.bind.test.").add("signed.signed.bind.test.", 1, "TXT", V)
        watched = f"{beside.address}@{beside.port}"
        with pytest.raises(NotServed, match="serves them without signature"):
            runs.new("signed.bind.test", watch_servers=watched, timeout="1s").perform([challenge("signed")])
        rrsig = f"TXT 13 4 1 20210101000000 20200101000000 1 signed.bind.test. {'a' * 86}=="
        beside.zone("signed.bind.test.").add("signed.signed.bind.test.", 1, "RRSIG", rrsig)
        with pytest.raises(NotServed, match="serves them with a signature that is not valid now"):
            runs.new("signed.bind.test", watch_servers=watched, timeout="1s").perform([challenge("signed")])


def test_what_a_cache_may_still_hold_is_waited_for(lab: Lab, runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 10: an RRset with a foreign value and a larger TTL was served before ours."""
    lab.update(ZONE, add=[(OWNER, 2, "theirs")])
    runs.new(ZONE).perform([challenge("single")])
    lab.update(ZONE, delete=[(OWNER, "theirs")])
    assert "s more: older values may still be cached" in caplog.text


def test_what_a_lagging_server_has_just_served_is_waited_for(
    lab: Lab, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule 10: a secondary has dropped a foreign value when it serves ours; until then a cache could get it there."""
    with Server({f"{ZONE}.": "single 3 TXT theirs"}, behaviour=Lagging(queries=2)) as beside:
        zone = beside.zone(f"{ZONE}.")
        zone.delete("single", "TXT")
        zone.add("single", 1, "TXT", V)
        watched = f"{network.BIND}, {beside.address}@{beside.port}"
        runs.new(ZONE, watch_servers=watched).perform([challenge("single")])
    assert "s more: older values may still be cached" in caplog.text


# 11. Written down before sent


class Watching(Behaviour):
    """Notes what the journals say when an UPDATE arrives, before it is carried out."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.seen: list[str] = []

    def answer(self, request: Request, honest: Handler) -> Reply:
        if request.is_update:
            self.seen.append("".join(self.runs.journals()))
        return honest(request)


def test_it_is_on_disk_before_the_request_leaves(lab: Lab, runs: Runs) -> None:
    """Rule 11: owner, delegate, credentials path and value, but no secret."""
    watching = Watching(runs)
    with primary(lab, watching) as (_, keys):
        engine = runs.new(ZONE, **keys)
        engine.perform([challenge("single")])
        assert all(text in watching.seen[0] for text in (V, f'"{OWNER}."', ZONE, str(engine.settings.path)))
        assert lab.delegates[ZONE].key.secret not in watching.seen[0]
        engine.cleanup()


def test_a_state_that_cannot_be_written_stops_the_run(lab: Lab, runs: Runs) -> None:
    """Rule 11: then nothing is sent."""
    before = serials(lab, ZONE)
    runs.state.parent.mkdir(exist_ok=True)
    runs.state.touch()
    with pytest.raises(StateError):
        runs.new(ZONE).perform([challenge("single")])
    assert serials(lab, ZONE) == before
    runs.state.unlink()


def test_withdrawing_resolves_nothing(lab: Lab, runs: Runs) -> None:
    """Rule 11: the record alone says where, though the CNAME has changed meanwhile."""
    before = lab.snapshot()
    engine = runs.new(ZONE)
    engine.perform([challenge("single")])
    lab.alias("single.customer.test", f"elsewhere.{ZONE}")
    assert engine.cleanup() == []
    assert lab.resolver_queries() == []
    lab.assert_unchanged(before)


def test_what_a_dead_run_left_goes_with_the_next(lab: Lab, runs: Runs) -> None:
    """Rule 11: by another process that knows nothing but the journal."""
    before = lab.snapshot()
    dead = runs.new(ZONE)
    dead.perform([challenge("single")])
    assert dead._publishing is not None
    assert dead._publishing.journal is not None
    dead._publishing.journal.close()  # what a kill does: the lock goes
    runs.made.clear()
    other = runs.new("fast.bind.test", watch="none")
    other.perform([challenge("fast")])
    assert other.cleanup() == []
    lab.assert_unchanged(before)
    assert runs.journals() == []


def test_a_write_refused_under_a_signature_is_struck_out(lab: Lab, runs: Runs) -> None:
    """Rule 11: nothing was written, so nothing is withdrawn: the value may be somebody else's."""
    with primary(lab, OnUpdates(Refusing())) as (server, keys):
        engine = runs.new(ZONE, **keys)
        with pytest.raises(Refused):
            engine.perform([challenge("single")])
        updates = len(server.asked(opcode=dns.opcode.UPDATE))
        assert engine.cleanup() == []
        assert len(server.asked(opcode=dns.opcode.UPDATE)) == updates
    assert runs.journals() == []


def test_a_write_of_unknown_outcome_is_withdrawn_and_stays_on_record(lab: Lab, runs: Runs) -> None:
    """Rule 11: it may still be carried out, so it is withdrawn now and again later."""
    with primary(lab, OnUpdates(DropsUpdateReply())) as (server, keys):
        engine = runs.new(ZONE, **keys)
        with pytest.raises(OutcomeUnknown):
            engine.perform([challenge("single")])
        server.behaviour = Behaviour()
        assert engine.cleanup() == []
        assert [q.opcode.name for q in server.questions].count("UPDATE") >= 2
        assert len(runs.journals()) == 1


# 20. No single answer is proof (a server seen without the values: rule 10)


@pytest.mark.parametrize("instead", [UnsignedRefused(), ServFailing()])
def test_an_unproven_refusal_leaves_the_write_in_doubt(lab: Lab, runs: Runs, instead: Behaviour) -> None:
    """Rule 20: somebody in front of the server passes the UPDATE on and says no; the value goes all the same."""
    with primary(lab, AppliesAndSays(instead)) as (server, keys):
        engine = runs.new(ZONE, **keys)
        with pytest.raises(Denied):
            engine.perform([challenge("single")])
        assert server.zone(f"{ZONE}.").texts(f"{OWNER}.") == ["v" * 43]
        server.behaviour = Behaviour()
        assert engine.cleanup() == []
        assert server.zone(f"{ZONE}.").texts(f"{OWNER}.") == []


# 12. Cleanup attempts everything


def test_one_delegate_that_fails_keeps_no_other(lab: Lab, runs: Runs) -> None:
    """Rule 12: each failure is survived, and what is left is said."""
    before = lab.snapshot()
    with primary(lab) as (server, keys):
        engine = runs.new("fast.bind.test", ZONE, **keys)
        engine.perform([challenge("fast"), challenge("single")])
        server.behaviour = OnUpdates(Refusing())
        (left,) = engine.cleanup()
        assert left.owners == f"{OWNER}."
        lab.assert_unchanged(before)
        server.behaviour = Behaviour()
        runs.made.append(runs.new("fast.bind.test"))
        assert runs.made[-1].cleanup() == []


class Broken:
    """An engine that has lost its mind."""

    report = None
    sweep = "certbot-dns-delegate sweep"

    def cleanup(self) -> None:
        raise RuntimeError("\x1b[31mlost")


def test_cleanup_of_the_authenticator_never_raises(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 12: Certbot must get on to its own exit; how to get rid of the rest is said."""
    authenticator: Any = authenticators.Delegate(None, "dns-delegate")
    authenticator._engine = Broken()
    authenticator.cleanup([])
    assert "\\x1b[31mlost\nhint: certbot-dns-delegate sweep" in caplog.text


# 14. No secret


def test_no_secret_in_any_text_of_a_failing_run(lab: Lab, runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 14: neither in what is logged nor in what is raised, stored or shown by repr."""
    engine = runs.new(ZONE, tsig_name="unknown")
    with pytest.raises(DelegateError) as caught:
        engine.perform([challenge("single")])
    texts = [caplog.text, repr(caught.value), str(caught.value), *runs.warnings, repr(engine.settings)]
    texts += [repr(dict(engine.settings.delegates[0].options)), *runs.journals()]
    assert not [text for text in texts if lab.delegates[ZONE].key.secret in text]


# 15. Loading costs nothing


def test_loading_the_entry_points_brings_nothing_in() -> None:
    """Rule 15: neither dnspython, asyncio nor a provider, more than Certbot itself brings."""
    program = (
        "import sys\nfrom certbot.plugins import common\nfrom certbot import achallenges, interfaces\n"
        "before = set(sys.modules)\nimport certbot_dns_delegate.authenticators\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["certbot_dns_delegate", "certbot_dns_delegate.authenticators"]


# 16. Text from the network is hostile


def test_what_a_server_says_is_shown_escaped(runs: Runs) -> None:
    """Rule 16: escape sequences of an extended error reach no terminal."""
    with Server(behaviour=BogusEde()) as resolver, pytest.raises(LookupFailed) as caught:
        runs.new(ZONE, resolvers=f"{resolver.address}@{resolver.port}").perform([challenge("single")])
    assert "\\x1b[31mbogus" in str(caught.value)
    assert all(character.isprintable() or character == "\n" for character in str(caught.value))


# 17. A signal ends the run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_watch_ends_the_run(lab: Lab, runs: Runs, number: signal.Signals) -> None:
    """Rule 17: it leads to withdrawal, never on to the CA."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise errors.SignalExit

    class Sends(Behaviour):
        """Sends the signal when it is watched, and never has the values."""

        def answer(self, request: Request, honest: Handler) -> Reply:
            signal.raise_signal(number)
            return honest(request)

    before = lab.snapshot()
    handler = signal.signal(number, leave)
    try:
        with Server({f"{ZONE}.": ""}, behaviour=Sends()) as beside:
            watched = f"{network.BIND}, {beside.address}@{beside.port}"
            engine = runs.new(ZONE, watch_servers=watched, timeout="3s")
            with pytest.raises(errors.SignalExit):
                engine.perform([challenge("single")])
            signal.signal(number, signal.SIG_IGN)
            assert engine.cleanup() == []
    finally:
        signal.signal(number, handler)
    lab.assert_unchanged(before)
