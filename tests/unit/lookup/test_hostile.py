"""Replies that are meant to do harm: what each of them costs is bounded, and none is taken for an answer."""

from __future__ import annotations

from collections.abc import Callable

import dns.rcode
import dns.rdata
import pytest
from dns.rdataclass import ANY, CH, HS, IN, NONE
from dns.rdatatype import AAAA, CNAME, NS, TXT, A

from certbot_dns_delegate.lookup.answer import addresses_in
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Question, Reply, Silence
from tests.fuzz.replies import QUESTION, flood
from tests.servers import Adding, Before, Behaviour, HeaderOnly, Oversized, Server, TcpDead, When
from tests.servers.floods import bomb, other_id, record, undecodable_error, with_records
from tests.unit.internet import name
from tests.unit.lookup.test_exchange import ZONE, ask, at, texts

OWNER = name("web.acme.test.")
FLOOD = 200_000
"""Messages: far more than anybody sends who answers a question."""


def tables() -> int:
    """Entries in the tables that dnspython fills for the whole process."""
    return len(dns.rdata._rdata_classes)


FOREIGN = [
    (rdclass, rdtype) for rdclass in (ANY, NONE, CH, HS, 2, 65280) for rdtype in (A, AAAA, TXT, CNAME, NS, 65400)
]


@pytest.mark.parametrize("section", ["answer", "authority", "additional"])
def test_records_of_other_classes(section: str) -> None:
    """They are not there: neither for this question, nor for whoever reads a record of their type later."""
    records = [record(rdclass, rdtype, b"\0\0\0\0") for rdclass, rdtype in FOREIGN]
    with Server(ZONE) as server:
        assert texts(ask(server)) == ["one", "two"]
        before = tables()
        server.behaviour = Adding(*records, section=section)
        assert texts(ask(server)) == ["one", "two"]
    assert tables() == before


def test_records_that_answer_no_question() -> None:
    """Nor does a datagram with another id, another question or none leave anything behind."""
    foreign = record(ANY, A, b"\0\0\0\0") + record(ANY, 65401, b"")

    def wrong_question(wire: bytes) -> bytes:
        return with_records(wire[:13] + b"x" + wire[14:], "answer", foreign)

    def wrong_id(wire: bytes) -> bytes:
        return other_id(with_records(wire, "answer", foreign))

    def no_question(wire: bytes) -> bytes:
        return wire[:4] + b"\0\0\0\1" + bytes(4) + foreign

    with Server(ZONE) as server:
        assert texts(ask(server)) == ["one", "two"]
        before = tables()
        for make in (wrong_question, wrong_id, no_question):
            server.behaviour = Before(make, 1)
            assert texts(ask(server)) == ["one", "two"]
    assert tables() == before


def test_flood_of_classes_and_types() -> None:
    """However many kinds of records a reply has, this process keeps none of them."""
    kinds = [record(1 + n % 250, 300 + n, b"") for n in range(1000)]
    with Server(ZONE) as server:
        ask(server)
        before = tables()
        server.behaviour = Adding(*kinds)
        outcome = ask(server)
    assert texts(outcome) == ["one", "two"]
    assert tables() == before


def test_addresses_of_another_class_or_owner() -> None:
    """They are none of this name's."""
    foreign = [record(ANY, A, b"\1\2\3\4"), record(IN, A, b"\5\6\7\x08", owner=b"\1x\xc0\x0c")]
    with Server({"acme.test.": "web A 192.0.2.1"}, behaviour=Adding(*foreign)) as server:
        [outcome] = exchange([Ask(at(server), Question(OWNER, A))], 2)
    assert isinstance(outcome, Reply)
    assert addresses_in(outcome.message.answer, OWNER) == ["192.0.2.1"]


FLOODS: dict[str, Callable[[bytes], bytes]] = {
    "another id": other_id,
    "no id": lambda _: b"",
    "a torn header": lambda wire: wire[:9],
    "two questions": lambda wire: wire[:4] + b"\0\2" + wire[6:],
    "a torn record": lambda wire: with_records(wire, "answer", record(IN, A, b"\1\2\3\4")[:-1]),
    "dear names": bomb(65_000),
    "a query": lambda wire: wire[:2] + bytes([wire[2] & 0x7F]) + wire[3:],
}


@pytest.mark.parametrize("how", FLOODS)
@pytest.mark.parametrize("tcp", [True, False])
def test_a_flood_is_not_read_to_its_end(how: str, tcp: bool) -> None:
    """A server that goes on sending what is no answer holds nobody: other servers are asked and answer meanwhile."""
    flood = Before(FLOODS[how], FLOOD)
    behaviour = When(lambda request: request.transport == "udp" or tcp, flood) | (Behaviour() if tcp else TcpDead())
    with Server(ZONE, behaviour=behaviour) as server, Server(ZONE) as other:
        asks = [Ask(at(each), Question(OWNER, TXT)) for each in (server, other)]
        outcomes = {outcome.ask.server: outcome for outcome in exchange(asks, 1.0)}
        sent = flood.sent
    assert sent < FLOOD
    assert texts(outcomes[at(other)]) == ["one", "two"]
    assert isinstance(outcomes[at(server)], Silence)


def test_other_servers_have_their_turn() -> None:
    """Of what one server has sent no more is read at once than some messages."""
    flood(QUESTION[:3] + b"\x05" + QUESTION[4:6] + b"\0\1" + QUESTION[8:])


@pytest.mark.parametrize("rcode", ["FORMERR", "SERVFAIL", "NOTIMP", "REFUSED"])
def test_a_header_alone_can_refuse(rcode: str) -> None:
    """As servers do that do not understand the question, or do not want to."""
    with Server(ZONE, behaviour=HeaderOnly(dns.rcode.from_text(rcode))) as server:
        outcome = ask(server)
    assert isinstance(outcome, Reply)
    assert outcome.rcode == rcode


def test_more_than_the_payload() -> None:
    """A datagram larger than we offered is not read; TCP has the whole answer."""
    with Server(ZONE, behaviour=Oversized()) as server:
        outcome = ask(server)
    assert texts(outcome) == ["one", "two"]
    assert isinstance(outcome, Reply)
    assert outcome.transport == "tcp"


def test_an_error_text_in_another_encoding() -> None:
    """It makes no reply malformed."""
    with Server(ZONE, behaviour=Before(undecodable_error, 1)) as server:
        outcome = ask(server)
    assert isinstance(outcome, Reply)
    assert outcome.complaint == r"SERVFAIL (EDE 3: \xff\xfe)"
