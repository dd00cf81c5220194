"""One question to one server: UDP, then TCP, against servers that misbehave in every named way."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import dns.rcode
import pytest
from dns.rdatatype import TXT

from certbot_dns_delegate.lookup.answer import txt_in
from certbot_dns_delegate.lookup.exchange import WINDOW, exchange
from certbot_dns_delegate.lookup.message import UNREACHABLE, Ask, Outcome, Question, Reply, Silence, dig
from certbot_dns_delegate.model import Server as ServerAddress
from tests.servers import (
    Behaviour,
    First,
    Garbage,
    HangingUp,
    HugeTxt,
    Lowercasing,
    MixedCaseDropping,
    NodataWithoutSoa,
    NoEdns,
    RateLimited,
    Refusing,
    Server,
    Silent,
    SlowBy,
    TcpDead,
    Truncating,
    UdpDead,
    WrongId,
    WrongQuestion,
)
from tests.unit.internet import name

WEB = name("web.acme.test.")
ZONE = {"acme.test.": 'web TXT "one"\nweb TXT "two"'}


def at(server: Server) -> ServerAddress:
    """Where it listens."""
    return ServerAddress(server.address, server.port)


def ask(server: Server, patience_s: float = 2.0, **options: bool) -> Outcome:
    """The outcome of one question."""
    [outcome] = exchange([Ask(at(server), Question(WEB, TXT, **options))], patience_s)
    return outcome


def texts(outcome: Outcome) -> Sequence[str]:
    """The values in a reply."""
    assert isinstance(outcome, Reply), outcome
    return sorted(txt_in(outcome.message, outcome.ask.question.name).values)


ANSWERING = [
    (Behaviour(), "udp"),
    (UdpDead(), "tcp"),
    (TcpDead(), "udp"),
    (Truncating(), "tcp"),
    (Truncating(partial=True), "tcp"),
    (NoEdns(), "udp"),
    (NoEdns() | Truncating(), "tcp"),
    (Lowercasing(), "udp"),
    (First(1, Silent()), "udp"),
    (First(1, Garbage()), "udp"),
    (First(1, WrongId()), "udp"),
    (First(1, WrongQuestion()), "udp"),
    (RateLimited(0, truncating=True), "tcp"),
    (RateLimited(0), "tcp"),
    (SlowBy(0.2), "udp"),
    (NodataWithoutSoa(), "udp"),
]


@pytest.mark.parametrize(("behaviour", "transport"), ANSWERING)
def test_answers(behaviour: Behaviour, transport: str) -> None:
    """A fault that one transport or one more try gets around costs no answer."""
    with Server(ZONE, behaviour=behaviour) as server:
        outcome = ask(server)
    assert texts(outcome) == ["one", "two"]
    assert isinstance(outcome, Reply)
    assert transport == outcome.transport or isinstance(behaviour, First)


def test_truncated_reply_that_is_cut_inside_a_record() -> None:
    """TC counts even where the rest cannot be parsed."""

    class Cut(Behaviour):
        def answer(self, request, honest):  # type: ignore[no-untyped-def]  # as in tests.servers.Behaviour
            reply = honest(request)
            if request.transport == "tcp":
                return reply
            reply.flags |= 0x0200
            return reply.to_wire()[:-5]

    with Server(ZONE, behaviour=Cut()) as server:
        outcome = ask(server)
    assert (texts(outcome), isinstance(outcome, Reply) and outcome.transport) == (["one", "two"], "tcp")


def test_closed_port() -> None:
    """A port where nobody listens is seen at once, however long the patience."""
    with Server(ZONE) as server:
        pass
    outcome = ask(server, 3600)
    assert isinstance(outcome, Silence)
    assert outcome.reason == "connection refused"


def test_unreachable() -> None:
    """An address without a route is told at once, however long the patience."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        if probe.connect_ex(("2001:db8::53", 53)) == 0:
            pytest.skip("this host has a default route for IPv6")
    [outcome] = exchange([Ask(ServerAddress("2001:db8::53"), Question(WEB, TXT))], 3600)
    assert isinstance(outcome, Silence)
    assert outcome.reason == UNREACHABLE


def test_not_permitted() -> None:
    """What this host itself forbids is reported in words; here an address for broadcasts, as with a firewall's DROP."""
    [outcome] = exchange([Ask(ServerAddress("127.255.255.255"), Question(WEB, TXT))], 3600)
    assert isinstance(outcome, Silence)
    assert outcome.reason == "Permission denied: a firewall on this host?"


@pytest.mark.parametrize("rcode", ["REFUSED", "SERVFAIL", "FORMERR", "NOTIMP", "NXDOMAIN"])
def test_rcodes_are_replies(rcode: str) -> None:
    """Every rcode is an answer; what it means is decided elsewhere."""

    class Saying(Behaviour):
        def answer(self, request, honest):  # type: ignore[no-untyped-def]  # as in tests.servers.Behaviour
            return request.reply(dns.rcode.from_text(rcode))

    with Server(ZONE, behaviour=Saying()) as server:
        outcome = ask(server)
    assert isinstance(outcome, Reply)
    assert outcome.rcode == rcode
    assert bool(outcome.complaint) == (rcode != "NXDOMAIN")


def test_large_rrset() -> None:
    """An RRset too large for UDP arrives whole by TCP, beside ours."""
    with Server(ZONE, behaviour=HugeTxt(60)) as server:
        outcome = ask(server)
    assert {"one", "two"} < set(texts(outcome))
    assert len(texts(outcome)) == 62


def test_questions_under_way_are_bounded() -> None:
    """A server that is silent has no more than a window of questions to answer for."""
    with Server(ZONE, behaviour=Silent()) as server:
        asks = [Ask(at(server), Question(name(f"n{number}.acme.test."), TXT)) for number in range(WINDOW + 10)]
        next(exchange(asks, 0.3))
        assert len({question.qname for question in server.questions}) == WINDOW


def test_connection_that_serves_few_answers() -> None:
    """A server that closes after each answer by TCP is connected to again."""

    class Closing(Truncating):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def answer(self, request, honest):  # type: ignore[no-untyped-def]  # as in tests.servers.Behaviour
            if request.transport == "tcp":
                self.count += 1
                if self.count % 2 == 0:
                    return HangingUp().answer(request, honest)
            return super().answer(request, honest)

    with Server({"acme.test.": "* TXT any"}, behaviour=Closing()) as server:
        asks = [Ask(at(server), Question(name(f"n{number}.acme.test."), TXT)) for number in range(4)]
        outcomes = list(exchange(asks, 5))
    assert [texts(outcome) for outcome in outcomes] == [["any"]] * 4


def test_delays_end_when_nothing_is_under_way() -> None:
    """A second server that would be asked an hour later is asked as soon as the first has failed."""
    with Server(ZONE) as closed:
        pass
    with Server(ZONE) as server:
        asks = [Ask(at(closed), Question(WEB, TXT)), Ask(at(server), Question(WEB, TXT), 3600)]
        outcomes = list(exchange(asks, 3600))
    assert [type(outcome) for outcome in outcomes] == [Silence, Reply]


def test_delayed_ask_is_not_put_when_closed() -> None:
    """The first answer ends it: the second server hears nothing."""
    with Server(ZONE) as first, Server(ZONE) as second:
        asks = [Ask(at(first), Question(WEB, TXT)), Ask(at(second), Question(WEB, TXT), 30)]
        outcomes = exchange(asks, 2)
        assert texts(next(outcomes)) == ["one", "two"]
        outcomes.close()  # type: ignore[attr-defined]  # a generator
        assert second.questions == []


def test_flags() -> None:
    """RD, CD and DO are sent as the question says, with a UDP payload that no path fragments."""
    with Server(ZONE, behaviour=Refusing()) as server:
        ask(server)
        ask(server, recursion_desired=True, dnssec_ok=True, checking_disabled=True)
        plain, full = (question.message for question in server.questions)
    assert (plain.flags, plain.payload, plain.ednsflags) == (0, 1232, 0)
    assert (full.flags, full.ednsflags) == (0x0110, 0x8000)


def test_case_is_kept() -> None:
    """A name is asked in the case it came in; a server that drops capitals is silent then."""
    with Server(ZONE, behaviour=MixedCaseDropping()) as server:
        assert texts(ask(server)) == ["one", "two"]


COMMANDS = [
    ("web.acme.test.", None, "dig web.acme.test. TXT"),
    ("web.acme.test.", ServerAddress("192.0.2.1"), "dig @192.0.2.1 web.acme.test. TXT"),
    ("web.acme.test.", ServerAddress("2001:db8::1", 5353), "dig @2001:db8::1 -p 5353 web.acme.test. TXT"),
    ("+x.acme.test.", None, r"dig '\043x.acme.test.' TXT"),
    ("-x.acme.test.", None, r"dig '\045x.acme.test.' TXT"),
    (r"$(id)`id`.acme.test.", None, r"dig '\036\040id\041\096id\096.acme.test.' TXT"),
    (r"it's.acme.test.", None, r"dig 'it\039s.acme.test.' TXT"),
    (r"\010\000.acme.test.", None, r"dig '\010\000.acme.test.' TXT"),
]


@pytest.mark.parametrize(("owner", "server", "command"), COMMANDS)
def test_command(owner: str, server: ServerAddress | None, command: str) -> None:
    """The command in a hint asks the same question, whatever the name holds."""
    assert dig(Question(name(owner), TXT), server=server) == command
