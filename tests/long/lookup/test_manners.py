"""How servers are asked: ports and letters that nobody can guess, cookies, and what old servers do not know."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator

import dns.rcode
import pytest
from dns.rdatatype import CNAME, NS, TXT

from certbot_dns_delegate.lookup.answer import alias_in
from certbot_dns_delegate.lookup.exchange import WINDOW, exchange
from certbot_dns_delegate.lookup.message import Ask, Question, Reply, Silence
from tests.servers import (
    Behaviour,
    CookieErring,
    Cookies,
    EdnsDropping,
    EdnsErring,
    First,
    ForgingCookie,
    FormErring,
    Garbage,
    HangingUp,
    HeaderOnly,
    Lowercasing,
    MixedCaseDropping,
    Refusing,
    Server,
    ServFailing,
    Silent,
    TcpDead,
    Truncating,
    UdpDead,
    When,
)
from tests.servers.edns import cookie_of
from tests.unit.internet import name
from tests.unit.lookup.test_exchange import ZONE, ask, at, texts

MANY = [Question(name(f"n{number}.acme.test."), TXT) for number in range(100)]
EVERY = {"acme.test.": "* TXT any"}


# Ports


def test_each_question_has_a_port_of_its_own() -> None:
    """So that a forger has to guess it too, for each of them (RFC 5452 section 9.2)."""
    with Server(EVERY) as server:
        outcomes = list(exchange([Ask(at(server), question) for question in MANY], 5))
        assert {type(outcome) for outcome in outcomes} == {Reply}
        # The kernel draws each of some 28,000 ports by chance, so that a few of a hundred may be drawn twice.
        assert len({question.port for question in server.asked(transport="udp")}) >= len(MANY) - 10


@pytest.fixture
def few_files() -> Iterator[int]:
    """How many files this process may have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    yield 200
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_sockets_are_fewer_than_half_of_the_files(few_files: int) -> None:
    """However many servers are silent; all questions are put all the same."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Server(EVERY, behaviour=Silent())) for _ in range(10)]
        asks = [Ask(at(server), question) for server in servers for question in MANY[:WINDOW]]
        outcomes = exchange(asks, 0.4)
        ended = [next(outcomes)]
        ports = {question.port for server in servers for question in server.questions}
        ended += outcomes
        asked = [question for server in servers for question in server.questions]
    assert few_files // 4 < len(ports) <= few_files // 2
    assert len(asked) == len(ended) == len(asks)


# Letters


def is_mixed(server: Server) -> list[bool]:
    """Whether the questions so far came in mixed letters."""
    names = [question.qname.to_text() for question in server.questions]
    return [each != each.lower() for each in names]


def test_letters_are_mixed() -> None:
    """By chance, and differently each time; the answer has the letters in which we asked."""
    zone = {"customer.test.": "_acme-challenge.shop CNAME _acme-challenge.shop.acme.customer.test."}
    owner = name("_acme-challenge.shop.customer.test.")
    with Server(zone) as server:
        for _ in range(3):
            [outcome] = exchange([Ask(at(server), Question(owner, CNAME))], 2)
            assert isinstance(outcome, Reply)
            link = alias_in(outcome.message, owner)
            assert link is not None
            assert link[0].to_text() == "_acme-challenge.shop.acme.customer.test."
            assert outcome.message.question[0].name.to_text() == owner.to_text()
        assert is_mixed(server) == [True, True, True]
        assert len({question.qname.to_text() for question in server.questions}) == 3


def test_letters_made_by_a_dname() -> None:
    """The target of a CNAME that a DNAME has made repeats those of the question; we have it as we asked."""
    zone = {"customer.test.": "old DNAME new.customer.test."}
    owner = name("_acme-challenge.shop.old.customer.test.")
    with Server(zone) as server:
        [outcome] = exchange([Ask(at(server), Question(owner, CNAME))], 2)
    assert isinstance(outcome, Reply)
    link = alias_in(outcome.message, owner)
    assert link is not None
    assert (link[0].to_text(), link[1]) == ("_acme-challenge.shop.new.customer.test.", True)


def test_letters_that_a_server_does_not_keep() -> None:
    """Nothing is lost: it is asked in plain letters from then on."""
    with Server(ZONE, behaviour=Lowercasing()) as server:
        assert [texts(ask(server)) for _ in range(2)] == [["one", "two"]] * 2
        assert is_mixed(server) == [True, False]
        assert {question.transport for question in server.questions} == {"udp"}


def test_other_letters_from_a_server_that_keeps_them() -> None:
    """They may be a forger's, so TCP decides."""
    with Server(ZONE) as server:
        assert texts(ask(server)) == ["one", "two"]
        server.behaviour = When(lambda request: request.transport == "udp", Lowercasing())
        outcome = ask(server)
    assert texts(outcome) == ["one", "two"]
    assert isinstance(outcome, Reply)
    assert outcome.transport == "tcp"


def test_other_letters_where_tcp_is_not_served() -> None:
    """Then the server is not what it seemed to be, and its answer is taken."""
    with Server(ZONE, behaviour=First(1, Behaviour()) | TcpDead()) as server:
        assert texts(ask(server)) == ["one", "two"]
        server.behaviour = Lowercasing()
        assert [texts(ask(server)) for _ in range(2)] == [["one", "two"]] * 2


def test_a_bare_refusal_from_a_server_that_keeps_letters() -> None:
    """It repeats no question, so whoever guesses id and port can send it: TCP decides."""
    with Server(ZONE) as server:
        assert texts(ask(server)) == ["one", "two"]
        server.behaviour = When(lambda request: request.transport == "udp", HeaderOnly(dns.rcode.REFUSED))
        outcome = ask(server)
    assert texts(outcome) == ["one", "two"]
    assert isinstance(outcome, Reply)
    assert outcome.transport == "tcp"


def test_a_name_without_letters_tells_nothing() -> None:
    """A server that repeats it as it came may change the letters of others."""
    with Server({".": "@ NS ns.", **ZONE}, behaviour=Lowercasing() | TcpDead()) as server:
        [outcome] = exchange([Ask(at(server), Question(name("."), NS))], 2)
        assert isinstance(outcome, Reply)
        outcome = ask(server)
    assert texts(outcome) == ["one", "two"]
    assert isinstance(outcome, Reply)
    assert outcome.doubtful is None


def test_a_server_that_drops_capitals() -> None:
    """It is asked again in the letters as they came, and from then on at once."""
    with Server(ZONE, behaviour=MixedCaseDropping() | TcpDead()) as server:
        assert [texts(ask(server)) for _ in range(2)] == [["one", "two"]] * 2
        assert is_mixed(server) == [True, False, False]


# Cookies


def cookies(server: Server) -> list[int]:
    """How many octets each question's cookie had."""
    return [len(cookie_of(question.message) or b"") for question in server.questions]


def test_cookies() -> None:
    """A server that gives one sees it again; the client's part is the same for one server, and another for another."""
    with Server(ZONE, behaviour=Cookies()) as server, Server(ZONE, behaviour=Cookies()) as other:
        for each in (server, server, other):
            assert texts(ask(each)) == ["one", "two"]
        assert (cookies(server), cookies(other)) == ([8, 24], [8])
        parts = [(cookie_of(q.message) or b"")[:8] for each in (server, other) for q in each.questions]
    assert parts[0] == parts[1] != parts[2]


def test_a_cookie_that_is_demanded() -> None:
    """BADCOOKIE brings a new cookie, with which the question is asked again."""
    with Server(ZONE, behaviour=Cookies(demanding=True)) as server:
        assert texts(ask(server)) == ["one", "two"]
        assert cookies(server) == [8, 24]
        assert len({question.port for question in server.questions}) == 2


def test_machines_behind_one_address() -> None:
    """Where none knows the cookies of the other, each question is answered all the same."""
    for behaviour in (Cookies("one", "two"), Cookies("one", "two", demanding=True)):
        with Server(EVERY, behaviour=behaviour) as server:
            outcomes = list(exchange([Ask(at(server), question) for question in MANY], 5))
        assert [texts(outcome) for outcome in outcomes] == [["any"]] * len(MANY)


def test_a_cookie_that_is_not_ours() -> None:
    """Its reply is forged, and not read."""
    with Server(ZONE, behaviour=First(1, ForgingCookie())) as server:
        assert texts(ask(server)) == ["one", "two"]
    with Server(ZONE, behaviour=ForgingCookie()) as server:
        outcome = ask(server, 0.4)
    assert isinstance(outcome, Silence)
    assert outcome.reason == "malformed"


def test_a_missing_cookie_from_a_server_that_gives_them() -> None:
    """It may be a forger's answer, so TCP decides."""
    with Server(ZONE, behaviour=Cookies()) as server:
        assert texts(ask(server)) == ["one", "two"]
        server.behaviour = Behaviour()
        outcome = ask(server)
    assert texts(outcome) == ["one", "two"]
    assert isinstance(outcome, Reply)
    assert outcome.transport == "tcp"


@pytest.mark.parametrize("behaviour", [FormErring(), Silent(), ServFailing(), Garbage()])
def test_servers_that_stumble_over_cookies(behaviour: Behaviour) -> None:
    """An error or silence: they are asked without."""
    with Server(ZONE, behaviour=CookieErring(behaviour)) as server:
        assert [texts(ask(server)) for _ in range(2)] == [["one", "two"]] * 2


# EDNS

OLD = [
    EdnsErring(),
    EdnsErring(echo=False),
    EdnsErring(dns.rcode.NOTIMP),
    EdnsErring(dns.rcode.NOTIMP, echo=False),
    EdnsErring(dns.rcode.BADVERS),
    EdnsErring(dns.rcode.SERVFAIL),
    EdnsErring(dns.rcode.SERVFAIL, echo=False),
    EdnsDropping(),
]


@pytest.mark.parametrize("behaviour", OLD)
@pytest.mark.parametrize("way", [Behaviour(), TcpDead(), UdpDead(), Truncating()])
def test_servers_without_edns(behaviour: Behaviour, way: Behaviour) -> None:
    """They are asked without it, by whatever transport they serve, and remembered."""
    with Server(ZONE, behaviour=way | behaviour) as server:
        assert texts(ask(server)) == ["one", "two"]
        asked = len(server.questions)
        assert texts(ask(server)) == ["one", "two"]
        assert [question.message.edns for question in server.questions[asked:]][:1] == [-1]


@pytest.mark.parametrize("behaviour", OLD)
def test_dnssec_is_not_asked_for_without_edns(behaviour: Behaviour) -> None:
    """There would be no signature in the answer."""
    with Server(ZONE, behaviour=behaviour) as server:
        outcome = ask(server, 1.2, dnssec_ok=True)
        assert {question.message.edns for question in server.questions} == {0}
    assert isinstance(outcome, Silence) or outcome.complaint


def test_a_server_that_knows_edns_means_its_errors() -> None:
    """Once it has answered with EDNS, it is not asked in other forms."""
    with Server(ZONE) as server:
        assert texts(ask(server)) == ["one", "two"]
        for behaviour in (ServFailing(), Refusing()):
            server.behaviour = behaviour
            asked = len(server.questions)
            outcome = ask(server)
            assert isinstance(outcome, Reply)
            assert outcome.complaint
            assert len(server.questions) == asked + 1


# Connections


@pytest.mark.parametrize("answers", [1, 3, WINDOW])
def test_connections_that_end_after_some_answers(answers: int) -> None:
    """As long as each connection brings something, there is another one for the rest."""

    class Ending(Behaviour):
        def __init__(self) -> None:
            self.count = 0

        def answer(self, request, honest):  # type: ignore[no-untyped-def]  # as in tests.servers.Behaviour
            if request.transport == "udp":
                return honest(request)
            self.count += 1
            return honest(request) if self.count % (answers + 1) else HangingUp().answer(request, honest)

    with Server(EVERY, behaviour=Truncating() | Ending()) as server:
        outcomes = list(exchange([Ask(at(server), question) for question in MANY], 5))
    assert [texts(outcome) for outcome in outcomes] == [["any"]] * len(MANY)
