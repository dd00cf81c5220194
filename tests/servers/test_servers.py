"""The honest server: what it records, how it listens, how its messages are made."""

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
from .asking import SILENCE, query, tcp, texts, udp

IF_INET6 = Path("/proc/net/if_inet6")
LOOPBACK6 = "0" * 31 + "1"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of one small zone."""
    with Server({"acme.test.": 'web TXT "value"'}) as running:
        yield running


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


@pytest.mark.skipif(LOOPBACK6 not in IF_INET6.read_text() if IF_INET6.exists() else True, reason="no ::1 here")
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
