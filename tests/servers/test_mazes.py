"""Behaviours of servers that lead followers of names astray."""

from __future__ import annotations

import dns.flags
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from . import (
    CnameChain,
    CnameLoop,
    FreshNames,
    HostileNames,
    MultipleCnames,
    ReferralFlood,
    ReferralLoop,
    Server,
)
from .asking import WEB, aliases, behaving, query, tcp, texts, udp


def follow(server: Server, steps: int, qname: str = "web.acme.test.") -> list[str]:
    """The names met when following one alias after another."""
    names = [qname]
    while len(names) <= steps and (targets := aliases(udp(server, query(names[-1], "CNAME")))):
        names.append(targets[0])
    return names


def test_cname_chain() -> None:
    """A chain has as many links as told, one per answer, and ends where told."""
    with behaving(CnameChain(3)) as server:
        links = [f"link-{n}.web.acme.test." for n in (1, 2, 3)]
        assert follow(server, 9) == ["web.acme.test.", *links]
        server.behaviour = CnameChain(2, "web.acme.test.")
        assert follow(server, 9, "a.test.") == ["a.test.", "link-1.a.test.", "web.acme.test."]
        assert texts(udp(server, WEB)) == ["one", "two"]


@pytest.mark.parametrize(("links", "names"), [(1, 1), (2, 2), (5, 5)])
def test_cname_loop(links: int, names: int) -> None:
    """A loop comes back to where it began after so many links."""
    with behaving(CnameLoop(links)) as server:
        met = follow(server, 2 * links)
    assert (len(set(met)), met[links], met[-1]) == (names, met[0], met[0])


def test_multiple_cnames() -> None:
    """Two CNAMEs at one name, in one answer; dnspython shows both only one record per RRset."""
    with behaving(MultipleCnames()) as server:
        reply = dns.query.udp(WEB, server.address, 2, server.port, one_rr_per_rrset=True)
        assert sorted(aliases(reply)) == ["one.web.acme.test.", "two.web.acme.test."]
        assert len(aliases(udp(server, WEB))) == 1


def test_fresh_names() -> None:
    """No two answers are alike, and a follower never arrives."""
    with behaving(FreshNames()) as server:
        assert follow(server, 3)[1:] == [f"fresh-{n}.acme.test." for n in (1, 2, 3)]


def test_referral_flood() -> None:
    """Fifty servers without glue, and asking for one of them brings fifty others."""
    with behaving(ReferralFlood()) as server:
        first = tcp(server, WEB)
        host = first.authority[0][0].target
        second = tcp(server, query(host.to_text(), "A"))
    for reply in (first, second):
        assert (reply.rcode(), reply.answer, reply.additional) == (dns.rcode.NOERROR, [], [])
        assert len(reply.authority[0]) == 50
        assert not reply.flags & dns.flags.AA
    assert not set(first.authority[0]) & set(second.authority[0])


def test_referral_loop() -> None:
    """The referral leads to the server that made it."""
    with behaving(ReferralLoop()) as server:
        reply = udp(server, WEB)
        assert (reply.answer, reply.authority[0].rdtype) == ([], dns.rdatatype.NS)
        assert [value.address for value in reply.additional[0]] == [server.address]


def test_hostile_names() -> None:
    """Names and values arrive octet by octet, whatever they hold."""
    with behaving(HostileNames()) as server:
        reply = udp(server, WEB)
    assert reply.answer[0][0].target == HostileNames.TARGET
    assert reply.answer[1][0].strings == (HostileNames.VALUE,)
