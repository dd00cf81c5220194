"""Servers that never give a usable answer, and what they delay."""

from __future__ import annotations

import pytest
from dns.rdatatype import SOA, TXT

from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Question, Reply, Silence
from tests.servers import (
    Behaviour,
    Garbage,
    HangingUp,
    Server,
    Silent,
    TcpDead,
    Truncating,
    WrongId,
    WrongQuestion,
)
from tests.unit.internet import name
from tests.unit.lookup.test_exchange import WEB, ZONE, ask, at, texts

FAILING = [
    (Silent(), "timeout"),
    (HangingUp(), "timeout"),
    (Garbage(), "malformed"),
    (WrongId(), "malformed"),
    (WrongQuestion(), "malformed"),
    (Truncating() | TcpDead(), "truncated by UDP, connection refused by TCP"),
]


@pytest.mark.parametrize(("behaviour", "reason"), FAILING)
def test_silence(behaviour: Behaviour, reason: str) -> None:
    """Each way to give no answer has a reason of its own."""
    with Server(ZONE, behaviour=behaviour) as server:
        outcome = ask(server, 1.0)
    assert isinstance(outcome, Silence)
    assert outcome.reason == reason


def test_many_questions_to_one_server() -> None:
    """A hundred questions are all answered, in any order, by UDP and by one TCP connection."""
    zone = {"acme.test.": "\n".join(f"n{number} TXT v{number}" for number in range(100))}
    for behaviour in (Behaviour(), Truncating()):
        with Server(zone, behaviour=behaviour) as server:
            asks = [Ask(at(server), Question(name(f"n{number}.acme.test."), TXT)) for number in range(100)]
            outcomes = list(exchange(asks, 5))
        assert sorted(texts(outcome)[0] for outcome in outcomes) == sorted(f"v{number}" for number in range(100))


def test_dead_server_delays_no_other() -> None:
    """The answer of one server comes while another is still silent."""
    with Server(ZONE, behaviour=Silent()) as dead, Server(ZONE) as server:
        outcomes = list(exchange([Ask(at(s), Question(WEB, SOA)) for s in (dead, server)], 0.6))
    assert [type(outcome) for outcome in outcomes] == [Reply, Silence]
