"""What the honest server answers, as an authoritative server and as a resolver."""

from __future__ import annotations

from collections.abc import Iterator

import dns.flags
import dns.rcode
import dns.rdatatype
import pytest

from . import Server
from .asking import aliases, query, tcp, udp

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
def test_authoritative_answer(server: Server, qname: str, qtype: str, rcode: str, answer: list[str], soa: bool) -> None:
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


def test_aliases_of_a_wildcard(server: Server) -> None:
    """A record from a wildcard has the name that was asked for."""
    reply = udp(server, query("any.wild.acme.test.", "CNAME"))
    assert reply.answer[0].name.to_text() == "any.wild.acme.test."
    assert aliases(reply) == ["web.acme.test."]


def test_signatures_on_demand(server: Server) -> None:
    """An RRSIG in the zone text goes with its RRset when DO asks for it."""
    assert len(udp(server, query("signed.acme.test.")).answer) == 1
    reply = udp(server, query("signed.acme.test.", want_dnssec=True))
    assert [rrset.rdtype for rrset in reply.answer] == [dns.rdatatype.TXT, dns.rdatatype.RRSIG]
    assert reply.ednsflags & dns.flags.DO


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
