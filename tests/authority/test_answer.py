"""What is answered, asked through sockets the way resolvers do and read by an independent parser."""

from collections.abc import Callable

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest
from dns.message import Message

from certbot_dns_delegate.authority.answer import TCP, UDP, answer
from certbot_dns_delegate.authority.listener import Listener
from certbot_dns_delegate.authority.zone import ServedZone, ServedZones
from tests.authority.names import VALUES, ZONES, name

Ask = Callable[..., Message]


@pytest.fixture(params=["udp", "tcp"])
def over(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["127.0.0.1", "::1"])
def ask(request: pytest.FixtureRequest, server: Listener, over: str) -> Ask:
    """Ask the server over one of two transports at one of two addresses."""
    port = dict(server.bound)[request.param]

    def asks(qname: str, qtype: str, **options: object) -> Message:
        query = dns.message.make_query(qname, qtype, flags=0, **options)  # type: ignore[arg-type]  # any option of make_query
        return getattr(dns.query, over)(query, request.param, port=port, timeout=5)  # type: ignore[no-any-return]  # udp or tcp

    return asks


def records(section: list[dns.rrset.RRset]) -> list[str]:
    return sorted(line for rrset in section for line in rrset.to_text().split("\n"))


def soa(apex: str, mname: str) -> list[str]:
    return [f"{apex} 1 IN SOA {mname} nobody.invalid. 1 3600 600 86400 1"]


SOA = soa("acme.example.net.", "ns.acme.example.net.")


def test_txt(ask: Ask) -> None:
    """Every value of an owner is answered with authority and a TTL of one second."""
    reply = ask("deep.down.acme.example.net", "TXT")
    assert reply.rcode() == dns.rcode.NOERROR
    assert reply.flags == dns.flags.QR | dns.flags.AA
    assert records(reply.answer) == [f'deep.down.acme.example.net. 1 IN TXT "{value}"' for value in VALUES[:2]]
    assert not reply.authority
    assert not reply.additional


def test_long_txt(ask: Ask) -> None:
    """A value longer than a character-string can be is cut into several whose concatenation it is."""
    [rrset] = ask("long.second.example.org", "TXT", use_edns=0).answer
    assert [len(string) for string in rrset[0].strings] == [255, 255, 90]
    assert b"".join(rrset[0].strings) == b"v" * 600


def test_soa_at_apex(ask: Ask) -> None:
    """The apex has an SOA whose TTL and MINIMUM keep negative answers for one second."""
    assert records(ask("acme.example.net", "SOA").answer) == SOA


def test_ns_with_glue(ask: Ask) -> None:
    """A server named inside the zone comes with its addresses."""
    reply = ask("acme.example.net", "NS")
    assert records(reply.answer) == ["acme.example.net. 60 IN NS ns.acme.example.net."]
    assert records(reply.additional) == [
        "ns.acme.example.net. 60 IN A 192.0.2.1",
        "ns.acme.example.net. 60 IN AAAA 2001:db8::1",
    ]
    assert records(ask("ns.acme.example.net", "A").answer) == ["ns.acme.example.net. 60 IN A 192.0.2.1"]
    assert records(ask("ns.acme.example.net", "AAAA").answer) == ["ns.acme.example.net. 60 IN AAAA 2001:db8::1"]


def test_ns_elsewhere(ask: Ask) -> None:
    """Servers named outside the zone come without addresses, which are not ours to know."""
    reply = ask("second.example.org", "NS")
    assert records(reply.answer) == [
        "second.example.org. 60 IN NS ns1.elsewhere.example.",
        "second.example.org. 60 IN NS ns2.elsewhere.example.",
    ]
    assert not reply.additional


@pytest.mark.parametrize(
    ("qname", "qtype"),
    [
        ("shop.acme.example.net", "A"),
        ("shop.acme.example.net", "CAA"),
        ("shop.acme.example.net", "CNAME"),
        ("shop.acme.example.net", "DS"),
        ("shop.acme.example.net", "RRSIG"),
        ("shop.acme.example.net", "TYPE65280"),
        ("shop.acme.example.net", "SOA"),
        ("shop.acme.example.net", "NS"),
        ("ns.acme.example.net", "TXT"),
        ("acme.example.net", "TXT"),
        ("acme.example.net", "CAA"),
        ("acme.example.net", "DS"),
        ("acme.example.net", "DNSKEY"),
        ("down.acme.example.net", "TXT"),
        ("down.acme.example.net", "A"),
        ("down.acme.example.net", "ANY"),
        ("gap.acme.example.net", "TXT"),
        ("child.gap.acme.example.net", "DS"),
    ],
)
def test_nodata(ask: Ask, qname: str, qtype: str) -> None:
    """A name that exists, be it only because of names below it, lacks a type with NOERROR and the SOA."""
    reply = ask(qname, qtype)
    assert reply.rcode() == dns.rcode.NOERROR
    assert reply.flags == dns.flags.QR | dns.flags.AA
    assert not reply.answer
    assert records(reply.authority) == SOA


@pytest.mark.parametrize("qname", ["no.acme.example.net", "no.shop.acme.example.net", "a.b.c.d.acme.example.net"])
@pytest.mark.parametrize("qtype", ["TXT", "CAA", "ANY", "DS"])
def test_nxdomain(ask: Ask, qname: str, qtype: str) -> None:
    """A name that does not exist is denied with NXDOMAIN and the SOA."""
    reply = ask(qname, qtype)
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert reply.flags & dns.flags.AA
    assert not reply.answer
    assert records(reply.authority) == SOA


def test_zone_below_a_zone(ask: Ask) -> None:
    """The innermost zone answers for its names, and its own SOA comes with what it denies."""
    assert len(ask("child.gap.acme.example.net", "TXT").answer[0]) == 3
    denied = ask("no.child.gap.acme.example.net", "TXT")
    assert records(denied.authority) == soa("child.gap.acme.example.net.", "ns.elsewhere.example.")


@pytest.mark.parametrize("qname", ["example.net", ".", "net", "xacme.example.net", "acme.example.net.evil"])
def test_refused_outside(ask: Ask, qname: str) -> None:
    """Names outside the zones are refused, without authority and without a word more."""
    reply = ask(qname, "TXT")
    assert reply.rcode() == dns.rcode.REFUSED
    assert reply.flags == dns.flags.QR | dns.rcode.REFUSED  # the rcode is part of that word
    assert not reply.answer + reply.authority + reply.additional


@pytest.mark.parametrize("qtype", ["AXFR", "IXFR"])
def test_no_transfer(ask: Ask, over: str, qtype: str) -> None:
    """Nobody gets the zone."""
    query = dns.message.make_query("acme.example.net", qtype)
    reply = answer(ZONES, query.to_wire(), UDP if over == "udp" else TCP)
    assert reply is not None
    assert dns.message.from_wire(reply).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("rdclass", [dns.rdataclass.CH, dns.rdataclass.ANY, dns.rdataclass.NONE])
def test_other_class(ask: Ask, rdclass: dns.rdataclass.RdataClass) -> None:
    """Classes other than IN are refused."""
    assert ask("shop.acme.example.net", "TXT", rdclass=rdclass).rcode() == dns.rcode.REFUSED


def test_any(ask: Ask) -> None:
    """Type ANY gets one short record whatever the name has."""
    for qname in "many.acme.example.net", "acme.example.net":
        assert records(ask(qname, "ANY").answer) == [f'{qname}. 1 IN HINFO "RFC8482" ""']


def test_query_case_comes_back(ask: Ask) -> None:
    """Question and answer have the letter case of the query, and is found whatever that is."""
    found = ask("sHoP.aCmE.eXaMpLe.NeT", "TXT")
    assert found.question[0].name.to_text() == "sHoP.aCmE.eXaMpLe.NeT."
    assert records(found.answer) == [f'sHoP.aCmE.eXaMpLe.NeT. 1 IN TXT "{VALUES[0]}"']
    denied = ask("nO.aCmE.eXaMpLe.NeT", "TXT")
    assert denied.question[0].name.to_text() == "nO.aCmE.eXaMpLe.NeT."
    assert denied.authority[0].name.to_text() == "aCmE.eXaMpLe.NeT."
    assert records(ask("SECOND.example.org", "SOA").answer) == soa("SECOND.example.org.", "ns1.elsewhere.example.")


@pytest.mark.parametrize("qname", ["shop.acme.example.net", "no.acme.example.net", "example.net"])
def test_edns(ask: Ask, qname: str) -> None:
    """EDNS is answered with EDNS, our own payload size and the query's DO bit; options are ignored."""
    option = dns.edns.GenericOption(65001, b"anything")
    reply = ask(qname, "TXT", use_edns=0, want_dnssec=True, payload=4096, options=[option])
    assert (reply.edns, reply.payload, reply.ednsflags) == (0, 1232, dns.flags.DO)
    assert not reply.options
    assert ask(qname, "TXT", use_edns=0).ednsflags == 0
    assert ask(qname, "TXT", use_edns=False).edns == -1


def test_edns_version(ask: Ask) -> None:
    """Another version of EDNS is told ours, and nothing else."""
    reply = ask("shop.acme.example.net", "TXT", use_edns=1)
    assert (reply.rcode(), reply.edns) == (dns.rcode.BADVERS, 0)
    assert not reply.answer + reply.authority


@pytest.mark.parametrize("opcode", range(1, 16))
def test_other_opcodes(server: Listener, over: str, opcode: int) -> None:
    """Everything but a query is not implemented."""
    query = dns.message.make_query("acme.example.net", "SOA").to_wire()
    query = query[:2] + bytes([opcode << 3]) + query[3:]
    reply = answer(ZONES, query, UDP if over == "udp" else TCP)
    assert reply == query[:2] + bytes([0x80 | opcode << 3, dns.rcode.NOTIMP]) + bytes(8)


def test_recursion(ask: Ask) -> None:
    """RD comes back, RA never does, and AD and CD are cleared."""
    flags = dns.flags.RD | dns.flags.AD | dns.flags.CD | dns.flags.RA | 0x40
    query = dns.message.make_query("shop.acme.example.net", "TXT")
    query.flags = dns.flags.Flag(flags)
    wire = answer(ZONES, query.to_wire(), UDP)
    assert wire is not None
    assert dns.message.from_wire(wire).flags == dns.flags.QR | dns.flags.AA | dns.flags.RD


@pytest.mark.parametrize(
    ("qname", "payload", "truncated"),
    [
        ("some.acme.example.net", 0, True),
        ("some.acme.example.net", 1, True),
        ("some.acme.example.net", 1232, False),
        ("many.acme.example.net", 1232, True),
        ("many.acme.example.net", 65535, True),
        ("deep.down.acme.example.net", 0, False),
    ],
)
def test_size(ask: Ask, over: str, qname: str, payload: int, truncated: bool) -> None:
    """What is larger than the client or 1232 octets allow comes empty over UDP and whole over TCP."""
    reply = ask(qname, "TXT", use_edns=0 if payload else False, payload=payload or 512)
    assert bool(reply.flags & dns.flags.TC) is (truncated and over == "udp")
    assert bool(reply.answer) is not (truncated and over == "udp")
    assert reply.flags & dns.flags.AA
    assert reply.rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize(
    ("edns", "room"), [(False, 512), ({"use_edns": 0, "payload": 512}, 512), ({"payload": 700}, 700), ({}, 1232)]
)
def test_exact_size(edns: dict[str, int] | bool, room: int) -> None:
    """A reply that fills the last octet is sent whole; with one more it is truncated."""
    options = {"use_edns": 0, "payload": 4096, **edns} if isinstance(edns, dict) else {"use_edns": edns}
    query = dns.message.make_query("a.b", "TXT", **options).to_wire()  # type: ignore[arg-type]  # options of make_query

    def reply(length: int, limit: int) -> bytes:
        zone = ServedZone(name("b"), {name("ns.elsewhere.example"): []}, {name("a.b"): ["v" * length]})
        wire = answer(ServedZones([zone]), query, limit)
        assert wire is not None
        return wire

    fitting = next(length for length in range(1, room) if len(reply(length, TCP)) == room)
    whole, longer = dns.message.from_wire(reply(fitting, UDP)), dns.message.from_wire(reply(fitting + 1, UDP))
    assert (bool(whole.flags & dns.flags.TC), len(whole.answer)) == (False, 1)
    assert (bool(longer.flags & dns.flags.TC), len(longer.answer)) == (True, 0)


def test_glue_is_left_out_before_truncating() -> None:
    """Addresses that do not fit are left out without a word (RFC 2181 section 9)."""
    qname = name("acme.example.net")
    query = dns.message.make_query(qname, "NS").to_wire()
    whole = answer(ZONES, query, UDP)
    assert whole is not None
    wire = answer(ZONES, query, len(whole) - 1)
    assert wire is not None
    reply = dns.message.from_wire(wire)
    assert reply.answer
    assert not reply.additional
    assert not reply.flags & dns.flags.TC


def test_no_room_at_all() -> None:
    """With no room the reply sends the client to TCP and is no longer than the query."""
    for query in (
        dns.message.make_query("shop.acme.example.net", "TXT"),
        dns.message.make_query("shop.acme.example.net", "TXT", use_edns=0),
        dns.message.make_query("no.acme.example.net", "TXT"),
    ):
        wire = answer(ZONES, query.to_wire(), 0)
        assert wire is not None
        assert len(wire) <= len(query.to_wire())
        reply = dns.message.from_wire(wire)
        assert reply.flags & dns.flags.TC
        assert query.is_response(reply)


HEADER = b"\x12\x34" + bytes(10)
ONE = b"\x12\x34\0\0\0\1" + bytes(6)
QUESTION = b"\4shop\4acme\7example\3net\0\0\x10\0\1"
OPT = b"\0\0\x29\4\xd0" + bytes(6)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (b"", "nothing"),
        (ONE[:11], "no header"),
        (b"\x12\x34\x80\0\0\1" + bytes(6) + QUESTION, "a response"),
        (ONE, "no question where one is announced"),
        (ONE + QUESTION[:-1], "a cut question"),
        (ONE + QUESTION[:9], "a cut name"),
        (ONE + b"\x3fab", "a cut label"),
        (ONE + b"\xc0\x0c\0\x10\0\1", "a name that points at itself"),
        (ONE + b"\4shop\xc0\0\0\x10\0\1", "a name that points into the header"),
        (ONE + b"\x40" + b"x" * 64 + b"\0\0\x10\0\1", "a reserved kind of label"),
        (ONE + b"\x3f" + b"x" * 63 + (b"\x3f" + b"x" * 63) * 3 + b"\0\0\x10\0\1", "a name of 257 octets"),
        (ONE + QUESTION + b"\0", "an octet too many"),
        (ONE[:11] + b"\1" + QUESTION, "a missing record"),
        (ONE[:11] + b"\1" + QUESTION + OPT[:-1], "a cut record"),
        (ONE[:11] + b"\1" + QUESTION + OPT[:-2] + b"\0\1", "record data that is not there"),
        (ONE[:11] + b"\1" + QUESTION + b"\x80" + OPT, "a record with a reserved kind of label"),
        (ONE[:11] + b"\1" + QUESTION + b"\xc0", "a cut pointer"),
        (ONE[:6] + b"\xff\xff" * 3 + QUESTION + OPT, "records by the thousand"),
    ],
)
def test_dropped(query: bytes, why: str) -> None:
    """What is no query, or cannot be read as one, gets no reply."""
    assert answer(ZONES, query, UDP) is None, why


@pytest.mark.parametrize("count", [0, 2, 65535])
def test_question_count(count: int) -> None:
    """A query without exactly one question is a format error."""
    query = HEADER[:4] + count.to_bytes(2, "big") + HEADER[6:] + QUESTION * 2
    assert answer(ZONES, query, UDP) == b"\x12\x34\x80\x01" + bytes(8)


@pytest.mark.parametrize(
    "records",
    [
        ONE[:10] + b"\0\2" + QUESTION + OPT + OPT,
        ONE[:10] + b"\0\2" + QUESTION + OPT[:6] + b"\1" + OPT[7:] + OPT,
        ONE[:10] + b"\0\1" + QUESTION + b"\1x" + OPT,
        ONE[:6] + b"\0\1\0\0\0\0" + QUESTION + OPT,
    ],
)
def test_misplaced_opt(records: bytes) -> None:
    """Two OPT records, one that is not the root's and one outside the additional section are errors."""
    reply = answer(ZONES, records, UDP)
    assert reply is not None
    message = dns.message.from_wire(reply)
    assert (message.rcode(), message.edns) == (dns.rcode.FORMERR, 0)
    assert not message.answer


def test_other_records_are_ignored() -> None:
    """A query may carry records that do not concern us, such as a signature by a key we do not have."""
    tsig = b"\3key\0\0\xfa\0\xff\0\0\0\0\0\2ab"
    pointing = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4abcd"
    reply = answer(ZONES, ONE[:6] + b"\0\1\0\0\0\2" + QUESTION + pointing + OPT + tsig, UDP)
    assert reply is not None
    message = dns.message.from_wire(reply)
    assert (message.rcode(), message.edns, len(message.answer)) == (dns.rcode.NOERROR, 0, 1)
