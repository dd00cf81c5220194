"""Which questions are new ones."""

from __future__ import annotations

from dns.rdatatype import TXT

from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Question
from certbot_dns_delegate.model import Server as Address
from tests.unit.internet import name

from . import First, Server, SlowBy, first_tries


def test_repetitions_are_told_from_new_questions() -> None:
    """Of a question that was put twice to a server that takes its time, two are new."""
    ask = Question(name("web.acme.test."), TXT)
    with Server({"acme.test.": "web TXT value"}, behaviour=First(2, SlowBy(0.7))) as server:
        for _ in range(2):
            (reply,) = exchange([Ask(Address(server.address, server.port), ask)], 5)
            assert reply.message.answer
        assert len(server.questions) > 2
        assert len(first_tries(server.questions)) == 2
