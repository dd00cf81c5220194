"""Behaviours of the way to the server: silence, delay, truncation, messages that are wrong."""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.query
import dns.rcode
import pytest

from . import (
    Behaviour,
    Garbage,
    HangingUp,
    Lowercasing,
    MixedCaseDropping,
    NoEdns,
    RateLimited,
    Silent,
    SlowBy,
    TcpDead,
    Truncating,
    UdpDead,
    WrongId,
    WrongQuestion,
)
from .asking import SILENCE, WEB, behaving, query, silent, tcp, texts, udp


def test_silent() -> None:
    """Neither UDP nor TCP is answered, yet both questions are recorded."""
    with behaving(Silent()) as server:
        assert silent(server)
        with pytest.raises(dns.exception.Timeout):
            tcp(server, WEB, SILENCE)
        assert [question.transport for question in server.questions] == ["udp", "tcp"]


def test_hanging_up() -> None:
    """The TCP connection ends without an answer."""
    with behaving(HangingUp()) as server, pytest.raises(EOFError):
        tcp(server, WEB)


def test_udp_dead() -> None:
    """Only TCP answers."""
    with behaving(UdpDead()) as server:
        assert silent(server)
        assert texts(tcp(server, WEB)) == ["one", "two"]


def test_tcp_dead() -> None:
    """Only UDP answers; the TCP port refuses."""
    with behaving(TcpDead()) as server:
        assert texts(udp(server, WEB)) == ["one", "two"]
        with pytest.raises(ConnectionRefusedError):
            tcp(server, WEB)


def test_slow_by() -> None:
    """The answer comes late but right; the server's end does not wait for it."""
    with behaving(SlowBy(0.2)) as server:
        assert silent(server)
        assert texts(udp(server, WEB)) == ["one", "two"]
        server.behaviour = SlowBy(600)
        assert silent(server)


@pytest.mark.parametrize("truncating", [False, True])
def test_rate_limited(truncating: bool) -> None:
    """The third identical UDP question of a second is dropped or gets TC; others and TCP are answered."""
    with behaving(RateLimited(2, truncating=truncating)) as server:
        assert texts(udp(server, WEB)) == texts(udp(server, WEB)) == ["one", "two"]
        assert udp(server, WEB).flags & dns.flags.TC if truncating else silent(server)
        assert texts(tcp(server, WEB)) == ["one", "two"]
        assert udp(server, query("none.acme.test.")).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(("partial", "shown"), [(False, []), (True, ["one"])])
def test_truncating(partial: bool, shown: list[str]) -> None:
    """UDP always says TC, with nothing or with the first record; TCP has everything."""
    with behaving(Truncating(partial=partial)) as server:
        reply = udp(server, WEB)
        assert (bool(reply.flags & dns.flags.TC), texts(reply)) == (True, shown)
        assert texts(tcp(server, WEB)) == ["one", "two"]


def test_garbage() -> None:
    """What comes back cannot be parsed."""
    with behaving(Garbage()) as server:
        for ask in (udp, tcp):
            with pytest.raises(dns.exception.FormError):
                ask(server, WEB)


@pytest.mark.parametrize("behaviour", [WrongId(), WrongQuestion()])
def test_answers_to_something_else(behaviour: Behaviour) -> None:
    """dnspython takes neither another ID nor another question for the response."""
    with behaving(behaviour) as server, pytest.raises(dns.query.BadResponse):
        udp(server, WEB)


def test_mixed_case() -> None:
    """Capital letters are dropped by one, not repeated by the other."""
    mixed = query("wEb.acme.test.")
    with behaving(MixedCaseDropping()) as server:
        assert silent(server, mixed)
        assert texts(udp(server, WEB)) == ["one", "two"]
    with behaving(Lowercasing()) as server:
        assert udp(server, mixed).question[0].name.to_text() == "web.acme.test."


def test_no_edns() -> None:
    """FORMERR to EDNS, an answer without it."""
    with behaving(NoEdns()) as server:
        reply = udp(server, WEB)
        assert (reply.rcode(), reply.edns) == (dns.rcode.FORMERR, -1)
        assert texts(udp(server, query("web.acme.test.", edns=False))) == ["one", "two"]
