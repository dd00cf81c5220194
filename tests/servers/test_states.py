"""Behaviours of servers whose zones are not what somebody else was told."""

from __future__ import annotations

import dns.flags
import dns.rcode
import pytest

from . import (
    AcceptsUpdatesWithoutEffect,
    Alternating,
    Behaviour,
    ByChance,
    DropsUpdate,
    DropsUpdateReply,
    HugeTxt,
    InTurns,
    Lagging,
    NodataWithoutSoa,
    Server,
)
from .asking import KEY, WEB, adding, behaving, query, tcp, texts, udp


def test_lagging_until_told() -> None:
    """An applied update is not seen before the server catches up."""
    lag = Lagging()
    with behaving(lag) as server:
        tcp(server, adding("three", KEY))
        assert texts(udp(server, WEB)) == ["one", "two"]
        lag.catch_up()
        assert texts(udp(server, WEB)) == ["one", "three", "two"]


def test_lagging_for_some_queries() -> None:
    """Each change stays unseen for that many queries after it; those before it do not count."""
    with behaving(Lagging(queries=2)) as server:
        udp(server, WEB)
        for expected in (["one", "three", "two"], ["four", "one", "three", "two"]):
            tcp(server, adding((set(expected) - set(server.zone("acme.test.").texts("web"))).pop(), KEY))
            assert texts(udp(server, WEB)) == texts(udp(server, WEB)) != expected
            assert texts(udp(server, WEB)) == expected


def test_lagging_secondary() -> None:
    """A second server with the same zones lags behind a primary that does not, until it is healed."""
    with behaving(Behaviour()) as primary, Server(primary.zones.values(), behaviour=Lagging()) as secondary:
        tcp(primary, adding("three", KEY))
        assert texts(udp(primary, WEB)) == ["one", "three", "two"]
        assert texts(udp(secondary, WEB)) == ["one", "two"]
        secondary.behaviour = Behaviour()
        assert texts(udp(secondary, WEB)) == ["one", "three", "two"]


def test_alternating() -> None:
    """Old and new answers in turn."""
    with behaving(Alternating()) as server:
        tcp(server, adding("three", KEY))
        assert [len(texts(udp(server, WEB))) for _ in range(4)] == [2, 3, 2, 3]


def test_two_machines_in_turns() -> None:
    """As the text says, then the last one for ever."""
    with behaving(InTurns("onoon")) as server:
        tcp(server, adding("three", KEY))
        assert [len(texts(udp(server, WEB))) for _ in range(8)] == [2, 3, 2, 2, 3, 3, 3, 3]


def test_two_machines_by_chance() -> None:
    """The same seed gives the same answers, of both kinds."""
    seen = []
    for _ in range(2):
        with behaving(ByChance(0.5, seed=1)) as server:
            tcp(server, adding("three", KEY))
            seen.append([len(texts(udp(server, WEB))) for _ in range(20)])
    assert seen[0] == seen[1]
    assert set(seen[0]) == {2, 3}


def test_accepts_updates_without_effect() -> None:
    """NOERROR, signed, and nothing has changed; a wrong signature is still told."""
    with behaving(AcceptsUpdatesWithoutEffect()) as server:
        reply = tcp(server, adding("three", KEY))
        assert (reply.rcode(), reply.had_tsig) == (dns.rcode.NOERROR, True)
        assert tcp(server, adding("three")).rcode() == dns.rcode.REFUSED
        assert texts(udp(server, WEB)) == ["one", "two"]


@pytest.mark.parametrize(
    ("behaviour", "after"), [(DropsUpdate(), ["one", "two"]), (DropsUpdateReply(), ["one", "three", "two"])]
)
def test_dropped_updates(behaviour: Behaviour, after: list[str]) -> None:
    """The connection ends without a reply, before or after the update was applied; questions are answered."""
    with behaving(behaviour) as server:
        with pytest.raises(EOFError):
            tcp(server, adding("three", KEY))
        assert texts(udp(server, WEB)) == after


def test_nodata_without_soa() -> None:
    """Negative answers have no SOA; others are as they should be."""
    with behaving(NodataWithoutSoa()) as server:
        reply = udp(server, query("web.acme.test.", "A"))
        assert (reply.rcode(), reply.answer, reply.authority) == (dns.rcode.NOERROR, [], [])
        assert texts(udp(server, WEB)) == ["one", "two"]


def test_huge_txt() -> None:
    """Our values are among foreign ones that do not fit UDP."""
    with behaving(HugeTxt()) as server:
        assert udp(server, WEB).flags & dns.flags.TC
        values = texts(tcp(server, WEB))
        assert (len(values), {"one", "two"} <= set(values)) == (22, True)
        assert len(texts(tcp(server, query("none.acme.test.")))) == 20
