"""The honest server: what it answers, what it records, how it listens."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from . import Behaviour, Handler, Reply, Request, Server, Zone
from .asking import SILENCE, aliases, query, tcp, texts, udp

IF_INET6 = Path("/proc/net/if_inet6")
LOOPBACK6 = "0" * 31 + "1"

ACME = """
web        TXT   "value"
a.b.c      TXT   "deep"
alias      CNAME web
away       CNAME web.other.test.
dangling   CNAME nothing
loop       CNAME pool
pool       CNAME loop
tree       DNAME other.test.
far        DNAME much.farther.than.other.test.
*.wild     CNAME web
has.wild   TXT   "blocks"
sub        NS    ns.sub
sub        DS    1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.sub     A     192.0.2.7
over       CNAME web.sub
signed     TXT   "s"
signed     RRSIG TXT 13 3 60 20300101000000 20200101000000 1 acme.test. AAAA
"""
CHAIN = "".join(f"link-{n} CNAME link-{n + 1}\n" for n in range(1, 13))


@pytest.fixture
def server() -> Iterator[Server]:
    """An authoritative server of three zones."""
    zones = {"acme.test.": ACME + CHAIN, "other.test.": 'web TXT "other"', "test.": "acme NS ns1.acme"}
    with Server(zones) as running:
        yield running


@pytest.mark.parametrize(
    ("qname", "qtype", "rcode", "answer", "soa"),
    [
        ("web.acme.test.", "TXT", "NOERROR", ["TXT"], False),
        ("web.acme.test.", "A", "NOERROR", [], True),
        ("none.acme.test.", "TXT", "NXDOMAIN", [], True),
        ("b.c.acme.test.", "TXT", "NOERROR", [], True),  # an empty non-terminal
        ("acme.test.", "SOA", "NOERROR", ["SOA"], False),
        ("acme.test.", "NS", "NOERROR", ["NS"], False),
        ("alias.acme.test.", "TXT", "NOERROR", ["CNAME", "TXT"], False),
        ("alias.acme.test.", "CNAME", "NOERROR", ["CNAME"], False),
        ("alias.acme.test.", "A", "NOERROR", ["CNAME"], True),
        ("away.acme.test.", "TXT", "NOERROR", ["CNAME"], False),  # not followed into the other zone
        ("dangling.acme.test.", "TXT", "NXDOMAIN", ["CNAME"], True),  # RFC 6604
        ("loop.acme.test.", "TXT", "SERVFAIL", ["CNAME", "CNAME"], False),
        ("x.tree.acme.test.", "TXT", "NOERROR", ["DNAME", "CNAME"], False),
        ("tree.acme.test.", "TXT", "NOERROR", [], True),
        (".".join(["x" * 63] * 3 + ["y" * 41]) + ".far.acme.test.", "TXT", "YXDOMAIN", ["DNAME"], False),
        ("any.wild.acme.test.", "TXT", "NOERROR", ["CNAME", "TXT"], False),
        ("x.y.wild.acme.test.", "CNAME", "NOERROR", ["CNAME"], False),
        ("x.has.wild.acme.test.", "TXT", "NXDOMAIN", [], True),  # blocked by its closest encloser
        ("sub.acme.test.", "DS", "NOERROR", ["DS"], False),
        ("acme.test.", "DS", "NOERROR", [], True),  # by the parent's zone
        ("link-2.acme.test.", "TXT", "NXDOMAIN", ["CNAME"] * 11, True),
        ("link-1.acme.test.", "TXT", "SERVFAIL", ["CNAME"] * 12, False),  # BIND's figure
        ("web.elsewhere.", "TXT", "REFUSED", [], False),
        ("acme.test.", "AXFR", "REFUSED", [], False),
    ],
)
def test_authoritative_answer(
    server: Server, qname: str, qtype: str, rcode: str, answer: list[str], soa: bool
) -> None:
    """Each situation of RFC 1034 4.3.2 has its rcode, its answer section and its SOA."""
    reply = tcp(server, query(qname, qtype))
    assert dns.rcode.to_text(reply.rcode()) == rcode
    assert [dns.rdatatype.to_text(rrset.rdtype) for rrset in reply.answer] == answer
    assert [rrset.rdtype for rrset in reply.authority] == [dns.rdatatype.SOA] * soa
    assert bool(reply.flags & dns.flags.AA) is (rcode != "REFUSED")
    assert not reply.flags & dns.flags.RA


def test_negative_answer_names_the_zone(server: Server) -> None:
    """The SOA of a negative answer is that of the zone the last name is in."""
    assert udp(server, query("acme.test.", "DS")).authority[0].name.to_text() == "test."
    assert udp(server, query("dangling.acme.test.")).authority[0].name.to_text() == "acme.test."


def test_referral_has_glue_and_no_aa(server: Server) -> None:
    """A name below a cut, and a name leading there by an alias, gets NS and glue; AA only for the alias."""
    for qname, aa in (("x.sub.acme.test.", False), ("over.acme.test.", True)):
        reply = udp(server, query(qname))
        assert [r.to_text() for r in reply.authority] == ["sub.acme.test. 60 IN NS ns.sub.acme.test."]
        assert [r.to_text() for r in reply.additional] == ["ns.sub.acme.test. 60 IN A 192.0.2.7"]
        assert bool(reply.flags & dns.flags.AA) is aa


def test_case_is_echoed(server: Server) -> None:
    """The question comes back letter by letter, as 0x20 readers demand."""
    reply = udp(server, query("WeB.aCMe.test."))
    assert reply.question[0].name.to_text() == "WeB.aCMe.test."
    assert texts(reply) == ["value"]


def test_edns_is_mirrored(server: Server) -> None:
    """EDNS answers EDNS and nothing else; a version nobody knows is BADVERS."""
    assert udp(server, query("web.acme.test.")).edns == 0
    assert udp(server, query("web.acme.test.", edns=False)).edns == -1
    future = query("web.acme.test.")
    future.use_edns(1)
    assert udp(server, future).rcode() == dns.rcode.BADVERS


def test_signatures_on_demand(server: Server) -> None:
    """An RRSIG in the zone text goes with its RRset when DO asks for it."""
    assert len(udp(server, query("signed.acme.test.")).answer) == 1
    reply = udp(server, query("signed.acme.test.", want_dnssec=True))
    assert [rrset.rdtype for rrset in reply.answer] == [dns.rdatatype.TXT, dns.rdatatype.RRSIG]
    assert reply.ednsflags & dns.flags.DO


def test_what_does_not_fit_is_truncated(server: Server) -> None:
    """Over 512 octets, or what EDNS grants, UDP says TC and TCP says all."""
    server.zone("acme.test.").add("big", 60, "TXT", *(f"{n}" + "x" * 250 for n in range(3)))
    assert udp(server, query("big.acme.test.", edns=False)).flags & dns.flags.TC
    assert len(texts(udp(server, query("big.acme.test.")))) == 3
    assert len(texts(tcp(server, query("big.acme.test.", edns=False)))) == 3


def test_questions_are_recorded(server: Server) -> None:
    """Every question is kept with its time, name, type, RD, transport and opcode, and can be counted."""
    udp(server, query("web.acme.test."))
    tcp(server, query("WEB.acme.test.", "CNAME", rd=True))
    first, second = server.questions
    assert first.time < second.time
    assert (first.rd, first.transport, second.rd, second.transport) == (False, "udp", True, "tcp")
    assert server.asked("web.acme.test.") == [first, second]
    assert server.asked("web.acme.test.", "CNAME", transport="tcp", opcode=dns.opcode.QUERY) == [second]
    assert server.asked(transport="udp", rd=True) == []


def test_malformed_messages(server: Server) -> None:
    """A header with nonsense behind it is FORMERR; less than a header, or a response, is met with silence."""
    with socket.create_connection((server.address, server.port), timeout=2) as connection:
        response = query("web.acme.test.")
        response.flags |= dns.flags.QR
        for wire in (b"short", response.to_wire(), b"\x12\x34" + bytes(3) + b"\x01" + bytes(6) + b"\xff"):
            connection.sendall(len(wire).to_bytes(2, "big") + wire)
        reply = dns.message.from_wire(connection.recv(512)[2:])
    assert (reply.id, reply.rcode()) == (0x1234, dns.rcode.FORMERR)


def test_other_opcodes(server: Server) -> None:
    """An opcode that is neither QUERY nor UPDATE is NOTIMP."""
    notify = query("acme.test.", "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    assert udp(server, notify).rcode() == dns.rcode.NOTIMP


def test_several_servers_share_zones_and_port(server: Server) -> None:
    """Instances get addresses of their own; one that shares zones sees every change at once."""
    with Server(server.zones.values(), port=server.port) as second:
        assert second.port == server.port
        assert second.address != server.address
        server.zone("acme.test.").add("web", 60, "TXT", "new; value")
        assert texts(udp(second, query("web.acme.test."))) == ["new; value", "value"]
        server.zone("acme.test.").delete("web", "TXT")
        assert udp(second, query("web.acme.test.")).rcode() == dns.rcode.NXDOMAIN
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((second.address, second.port), timeout=2)


@pytest.mark.skipif(
    LOOPBACK6 not in IF_INET6.read_text() if IF_INET6.exists() else True, reason="no ::1 here"
)
def test_ipv6() -> None:
    """A server listens on the address it is told, IPv6 too."""
    with Server({"acme.test.": 'web TXT "six"'}, address="::1") as server:
        assert texts(udp(server, query("web.acme.test."))) == ["six"]
        assert texts(tcp(server, query("web.acme.test."))) == ["six"]


def test_free_and_given_ports() -> None:
    """A port is free by default, and the one asked for otherwise; one that is taken is an error."""
    with Server() as first, Server(port=first.port) as second:
        assert first.port == second.port
        with pytest.raises(OSError, match="in use"):
            Server(address=first.address, port=first.port).__enter__()


@pytest.mark.parametrize(
    ("qname", "rcode", "answer", "soa"),
    [
        ("away.acme.test.", "NOERROR", ["CNAME", "TXT"], []),
        ("dangling.acme.test.", "NXDOMAIN", ["CNAME"], ["acme.test."]),
        ("x.tree.acme.test.", "NXDOMAIN", ["DNAME", "CNAME"], ["other.test."]),
        ("loop.acme.test.", "SERVFAIL", [], []),
        ("x.sub.acme.test.", "SERVFAIL", [], []),  # nobody serves that zone
        ("name.elsewhere.", "SERVFAIL", [], []),
    ],
)
def test_recursive_answer(server: Server, qname: str, rcode: str, answer: list[str], soa: list[str]) -> None:
    """A resolver follows aliases through all its zones, with RA and without AA."""
    with Server(server.zones.values(), recursive=True) as resolver:
        reply = udp(resolver, query(qname, rd=True))
        assert dns.rcode.to_text(reply.rcode()) == rcode
        assert [dns.rdatatype.to_text(rrset.rdtype) for rrset in reply.answer] == answer
        assert [rrset.name.to_text() for rrset in reply.authority] == soa
        assert reply.flags & dns.flags.RA
        assert not reply.flags & dns.flags.AA
        assert udp(resolver, query(qname)).rcode() == dns.rcode.REFUSED  # without RD


def test_zone_text_may_be_bare() -> None:
    """A zone without SOA and NS gets both; one with them keeps its own."""
    own = "@ 5 SOA ns.else. admin 7 1 1 1 9\n@ NS ns.else.\n"
    assert (Zone("acme.test.").serial, Zone("acme.test.", own).serial) == (1, 7)
    servers = [Zone("acme.test.", text).get("@", "NS") for text in ("", own)]
    assert [value.target.to_text() for found in servers for value in found or ()] == [
        "ns1.acme.test.",
        "ns.else.",
    ]


def test_faults_of_the_double_fail_the_test() -> None:
    """What goes wrong inside a server is raised where its context ends."""

    class Broken(Behaviour):
        def answer(self, request: Request, honest: Handler) -> Reply:
            raise LookupError("broken double")

    server = Server(behaviour=Broken()).__enter__()
    with pytest.raises(dns.exception.Timeout):
        udp(server, query("web.acme.test."), SILENCE)
    with pytest.raises(LookupError, match="broken double"):
        server.__exit__()


def test_aliases_of_a_wildcard(server: Server) -> None:
    """A record from a wildcard has the name that was asked for."""
    reply = udp(server, query("any.wild.acme.test.", "CNAME"))
    assert reply.answer[0].name.to_text() == "any.wild.acme.test."
    assert aliases(reply) == ["web.acme.test."]
