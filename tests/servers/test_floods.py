"""Behaviours that wear clients down: what is sent, octet by octet."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import pytest
from dns.rdataclass import IN
from dns.rdatatype import CNAME, A

from . import Adding, Before, HeaderOnly, Oversized
from .asking import WEB, behaving, query, tcp, texts, udp
from .floods import bomb, other_id, record, undecodable_error, with_records


@pytest.mark.parametrize("section", ["answer", "authority", "additional"])
def test_adding(section: str) -> None:
    """A record more in one section, beside the honest answer."""
    with behaving(Adding(record(IN, A, b"\1\2\3\4"), section=section)) as server:
        reply = udp(server, WEB)
    assert texts(reply) == ["one", "two"]
    found = {
        name: reply.section_from_number(number) for number, name in enumerate(["", "answer", "authority", "additional"])
    }
    assert [rr.to_text() for rr in found[section] if rr.rdtype == A] == ["web.acme.test. 60 IN A 1.2.3.4"]


def test_before() -> None:
    """So many messages, then the honest answer."""
    with behaving(Before(other_id, 3)) as server:
        assert texts(udp_ignoring(server)) == ["one", "two"]
        assert isinstance(server.behaviour, Before)
        assert server.behaviour.sent == 3


def udp_ignoring(server):  # type: ignore[no-untyped-def]  # a server; returns a message
    """Ask by UDP, past what answers something else."""
    return dns.query.udp(WEB, server.address, port=server.port, timeout=2, ignore_unexpected=True, ignore_errors=True)


@pytest.mark.parametrize("size", [512, 1232])
def test_bomb(size: int) -> None:
    """A well-formed reply of no more octets; all its CNAMEs lead through the same long name."""
    wire = bomb(size)(query("web.acme.test.").to_wire())
    assert size - 16 < len(wire) <= size
    made = dns.message.from_wire(wire, one_rr_per_rrset=True)
    assert {len(rr[0].target) for rr in made.answer if rr.rdtype == CNAME} == {127}


def test_with_records() -> None:
    """The counts are those of the records."""
    wire = with_records(query("web.acme.test.").to_wire(), "authority", *[record(IN, A, bytes(4))] * 3)
    assert [len(section) for section in dns.message.from_wire(wire, one_rr_per_rrset=True).sections] == [1, 0, 3, 0]


def test_undecodable_error() -> None:
    """dnspython cannot read it."""
    wire = undecodable_error(dns.message.make_response(WEB).to_wire())
    with pytest.raises(dns.exception.FormError):
        dns.message.from_wire(wire)


def test_header_only() -> None:
    """Twelve octets; dnspython takes no other rcodes than these for a reply."""
    with behaving(HeaderOnly(dns.rcode.REFUSED)) as server:
        reply = udp(server, WEB)
    assert (reply.rcode(), len(reply.to_wire())) == (dns.rcode.REFUSED, 12)


def test_oversized() -> None:
    """Too much by UDP, without TC; the honest answer by TCP."""
    with behaving(Oversized()) as server:
        reply = udp(server, WEB)
        assert len(reply.to_wire(max_size=65535)) > 2000
        assert not reply.flags & dns.flags.TC
        assert texts(tcp(server, WEB)) == ["one", "two"]
