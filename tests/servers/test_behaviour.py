"""How behaviours are put together."""

from __future__ import annotations

import dns.rcode
import dns.rdatatype
import pytest

from . import Every, First, Lagging, OnQueries, OnUpdates, Refusing, ServFailing, TcpDead, UdpDead, When
from .asking import KEY, WEB, adding, behaving, query, silent, tcp, texts


def test_behaviours_compose() -> None:
    """`|` joins, `When` and its kin narrow, `First` passes."""
    caa = When(lambda request: request.qtype == dns.rdatatype.CAA, ServFailing())
    with behaving(UdpDead() | OnUpdates(Refusing()) | caa) as server:
        assert silent(server)
        assert tcp(server, query("web.acme.test.", "CAA")).rcode() == dns.rcode.SERVFAIL
        assert tcp(server, adding("three", KEY)).rcode() == dns.rcode.REFUSED
        assert texts(tcp(server, WEB)) == ["one", "two"]
        server.behaviour = OnQueries(First(2, ServFailing()))
        assert tcp(server, adding("three", KEY)).rcode() == dns.rcode.NOERROR
        assert [len(texts(tcp(server, WEB))) for _ in range(3)] == [0, 0, 3]
        server.behaviour = Every(3, ServFailing())
        assert [len(texts(tcp(server, WEB))) for _ in range(6)] == [3, 3, 0, 3, 3, 0]


def test_tcp_dead_in_a_composition() -> None:
    """What an inner behaviour says of listening holds for the whole."""
    with behaving(Lagging() | TcpDead()) as server, pytest.raises(ConnectionRefusedError):
        tcp(server, WEB)
