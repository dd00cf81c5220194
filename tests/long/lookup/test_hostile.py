"""Answers that come late, or say too little."""

from __future__ import annotations

import dns.rcode
import dns.rdata
import pytest
from dns.rdatatype import TXT

from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Question, Silence
from tests.servers import HeaderOnly, Server, Silent, SlowBy, When
from tests.unit.internet import name
from tests.unit.lookup.test_exchange import ZONE, ask, at, texts
from tests.unit.lookup.test_hostile import OWNER


@pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN", "YXDOMAIN", "NOTAUTH"])
def test_a_header_alone_is_no_answer(rcode: str) -> None:
    """It names no question, so it cannot deny a name."""
    with Server(ZONE, behaviour=HeaderOnly(dns.rcode.from_text(rcode))) as server:
        outcome = ask(server, 0.8)
    assert isinstance(outcome, Silence)
    assert outcome.reason == "malformed"


def test_late_answers_are_not_malformed() -> None:
    """A slow server answers the question and its repetitions; what comes after the first answer is no fault of its."""
    slow = When(lambda request: request.qname == OWNER, SlowBy(0.7))
    with Server(ZONE, behaviour=slow | When(lambda request: request.qname != OWNER, Silent())) as server:
        asks = [Ask(at(server), Question(each, TXT)) for each in (OWNER, name("other.acme.test."))]
        answered, silent = exchange(asks, 1.4)
    assert texts(answered) == ["one", "two"]
    assert isinstance(silent, Silence)
    assert silent.reason == "timeout"
