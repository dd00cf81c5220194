"""What ``check`` finds of DNSSEC on the way to a name: faults now, faults soon, and anchors that are of no use."""

from __future__ import annotations

import time

import dns.name
import pytest
from dns.rdataclass import IN
from dns.rdatatype import A, RdataType
from dns.rdtypes.ANY.RRSIG import RRSIG

from certbot_dns_delegate.check import network
from certbot_dns_delegate.check.dnssec import Owners, _ageing, look
from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.lookup.anchor import Anchors
from certbot_dns_delegate.model import Server as At
from tests.servers.signing import DAY_S, cover, sign
from tests.unit.internet import Internet, name
from tests.unit.signed import BELOW, CHILD, HOSTS, TOP, ZONES, root_anchor, signed

SHOP = Owners("shop.example.test", (name(BELOW), name(f"_acme-challenge.{BELOW}")))
ALIASED = Owners("www.example.test", (name("www.example.test."), name(BELOW)), (name("www.example.test."),))


def found(net: Internet, anchors: Anchors, *ways: Owners, is_signed: bool = False) -> list[tuple[Verdict, str, str]]:
    """Verdict, subject and what was seen."""
    seen = look(net.zones_of(), anchors, ways or (SHOP,), is_signed=is_signed)
    return [(each.verdict, each.subject, each.seen) for each in seen.findings]


def test_zones_that_validate() -> None:
    """One finding for each below the top-level domain, and the names that depend on it."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        seen = look(net.zones_of(), root_anchor(), [SHOP], is_signed=False)
    assert [(each.subject, each.seen) for each in seen.findings] == [
        (apex, "validates from the trust anchor of .") for apex in (BELOW, CHILD)
    ]
    assert {zone: set(names) for zone, names in seen.dependent.items()} == {zone: {SHOP.name} for zone in ZONES}


def test_unsigned_zones_need_no_word() -> None:
    """Nor does the anchor that nothing needs."""
    with Internet(HOSTS) as net:
        assert found(net, Anchors("", problem="none is here")) == []
        assert found(net, root_anchor()) == []


def test_cost() -> None:
    """Each zone is looked at once; below one that is unsigned nothing is asked, however many names there are."""
    hosts = [f"{each}.{CHILD}" for each in "abcd"]
    many = [Owners(each, (name(each), name(f"_acme-challenge.{each}"))) for each in hosts]
    with Internet(HOSTS) as net:
        signed(net, ".", TOP)
        look(net.zones_of(), root_anchor(), many, is_signed=False)
        # DNSKEY and SOA of the root and of the top-level domain; NS and DS of this one, and of the zone below it.
        assert net.questions() == 8


def test_a_zone_above_the_alias_that_is_bogus() -> None:
    """The zone of the certified name counts as the target's does."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        sign(net.zone(CHILD), -9 * DAY_S, -DAY_S, number=2)
        ((verdict, subject, seen),) = found(net, root_anchor())
    assert (verdict, subject) == (Verdict.FAIL, CHILD)
    assert seen.startswith(f"{CHILD} does not validate, so a CA must refuse every name below: ")


@pytest.mark.parametrize(
    ("anchors", "verdict", "seen"),
    [
        (root_anchor(9), Verdict.WARN, "root.key has no key that signs what the servers of . show: it is outdated"),
        (Anchors("x", problem="x: No such file or directory"), Verdict.NOTE, "x: No such file or directory"),
    ],
)
def test_an_anchor_that_is_of_no_use(anchors: Anchors, verdict: Verdict, seen: str) -> None:
    """A finding of its own; the zones are validated all the same, from what the root shows."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        first, *others = found(net, anchors)
    assert first[:2] == (verdict, "this host")
    assert first[2].startswith(seen)
    assert [each[0] for each in others] == [Verdict.OK, Verdict.OK]


def test_a_root_that_is_not_signed() -> None:
    """Said where a zone is known to be signed: whatever follows it is not seen from here."""
    with Internet(HOSTS) as net:
        (finding,) = found(net, root_anchor(), is_signed=True)
    assert finding == (Verdict.NOTE, ".", "its servers show no DNSKEY, so nothing is validated from there")


def test_an_alias_without_a_signature() -> None:
    """The CNAME itself is part of the way."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        last = found(net, root_anchor(), ALIASED)[-1]
        cover(net.zone(CHILD), "www", "CNAME", number=2)
        assert {each[0] for each in found(net, root_anchor(), ALIASED)} == {Verdict.OK}
    assert last == (
        Verdict.FAIL,
        CHILD,
        "the CNAME record of www.example.test. does not validate, so a CA must refuse: no RRSIG over CNAME",
    )


def test_signatures_that_end_soon() -> None:
    """Of the zone that has made them; a warning in the last quarter of their life, an error in the last hour."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        sign(net.zone(BELOW), -9 * DAY_S, DAY_S, number=3)
        warned = [each for each in found(net, root_anchor()) if each[0] is not Verdict.OK]
        sign(net.zone(BELOW), -9 * DAY_S, 1800, number=3)
        failed = [each for each in found(net, root_anchor()) if each[0] is not Verdict.OK]
    assert [each[:2] for each in warned] == [(Verdict.WARN, BELOW)] * 2
    assert [each[:2] for each in failed] == [(Verdict.FAIL, BELOW)] * 2
    assert f"the RRSIG over DNSKEY at {BELOW} ends at 20" in warned[0][2]
    assert warned[0][2].endswith("is left of 10 days, 0:00:00")


@pytest.mark.parametrize(
    ("begins_s", "ends_s", "signer", "verdict"),
    [
        (-3 * DAY_S, DAY_S + 60, CHILD, None),
        (-4 * DAY_S, DAY_S, CHILD, Verdict.WARN),
        (-2 * 3600, 1800, CHILD, Verdict.FAIL),
        (-600, 1800, CHILD, None),
        (-4 * DAY_S, 600, TOP, None),
    ],
)
def test_the_last_quarter(begins_s: int, ends_s: int, signer: str, verdict: Verdict | None) -> None:
    """Short lives are no fault by themselves, and a top-level domain is not the operator's."""
    now = int(time.time())
    signature = RRSIG(IN, RdataType.RRSIG, A, 13, 2, 60, now + ends_s, now + begins_s, 1, name(signer), b"")
    assert [each.verdict for each in _ageing(signature, name(CHILD), now)] == ([verdict] if verdict else [])


def test_sha1_as_the_only_digest() -> None:
    """Resolvers on new systems refuse it."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES, digest="SHA1")
        warned = [each for each in found(net, root_anchor()) if each[0] is Verdict.WARN]
    assert warned == [
        (Verdict.WARN, BELOW, f"its DS records in {CHILD} have SHA-1 digests alone, which some resolvers refuse")
    ]


def test_sha1_in_an_algorithm() -> None:
    """Of one key is enough to be said."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        net.zone(BELOW).add("@", 60, "DNSKEY", "256 3 7 AwEAAcw5QLr0IjC0wKbGoBPQv4qmeqHy9mvL5qGQTuaG5TSrNqEA")
        sign(net.zone(BELOW), number=3, keep=True)
        warned = [each for each in found(net, root_anchor()) if each[0] is Verdict.WARN]
    assert [each[1] for each in warned] == [BELOW]
    assert warned[0][2].startswith("it has keys of the algorithm RSASHA1NSEC3SHA1, which uses SHA-1 (RFC 9905)")


def networks(*addresses: str) -> list[Finding]:
    """The findings about a zone with servers at these addresses."""
    apex = dns.name.from_text("acme.test.")
    return list(network.look({apex: [At(address) for address in addresses]}))


@pytest.mark.parametrize(
    ("addresses", "seen"),
    [
        (["8.8.8.8"], "all servers are at one address: 8.8.8.8"),
        (["8.8.8.8", "8.8.8.9"], "all servers are in 8.8.8.0/24: 8.8.8.8, 8.8.8.9"),
        (["2001:4860:4860::1", "2001:4860:4860:1::1"], "all servers are in 2001:4860:4860::/48: "),
    ],
)
def test_servers_in_one_network(addresses: list[str], seen: str) -> None:
    """Good to know, as a CA looks from six places."""
    (finding,) = networks(*addresses)
    assert finding.verdict is Verdict.NOTE
    assert finding.seen.startswith(seen)


@pytest.mark.parametrize(
    "addresses", [["8.8.8.8", "1.1.1.1"], ["8.8.8.8", "2001:4860:4860::1"], ["10.0.0.1", "10.0.0.2"], []]
)
def test_servers_in_several_networks(addresses: list[str]) -> None:
    """Or in a network of one's own, which no CA of the world looks into."""
    assert networks(*addresses) == []
