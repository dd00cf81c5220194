"""Whether a signed zone validates, from the parent's DS on: what resolvers accept, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from dns.dnssectypes import DSDigest

from certbot_dns_delegate.lookup.signatures import EARLIEST
from certbot_dns_delegate.model import About, Zone
from tests.servers import Behaviour, Refusing, When
from tests.servers import Zone as Served
from tests.servers.signing import DAY_S, ds, sign
from tests.unit.internet import Internet, name

PARENT, CHILD = "example.test.", "acme.example.test."
NS1, NS2 = f"ns1.{CHILD}", f"ns2.{CHILD}"
OTHER_KEY = "60485 13 2 " + "ab" * 32


def signed(
    *records: Callable[[Served], str] | str, behaviours: dict[str, Behaviour] | None = None, **times: float
) -> Zone:
    """The zone as the plan finds it, signed for a time, with these DS records at its parent."""
    served = {"ns.example.test.": {PARENT: ""}, NS1: {CHILD: ""}, NS2: {CHILD: ""}}
    with Internet(served, **behaviours or {}) as net:
        zone = net.zone(CHILD)
        sign(zone, **times)
        net.zone(PARENT).add("acme", 60, "DS", *(each if isinstance(each, str) else each(zone) for each in records))
        zones = net.zones_of(CHILD)
        found = zones.zone_of(zones.find(name(f"web.{CHILD}"), name(CHILD)))
        net.assert_not_asked_inside(CHILD)
    return found


def sha1(zone: Served) -> str:
    """The digest that is not to be used where there is a better one."""
    return ds(zone, DSDigest.SHA1)


VALID: dict[str, list[Callable[[Served], str] | str]] = {
    "SHA-256": [ds],
    "SHA-1 alone": [sha1],
    "SHA-384": [lambda zone: ds(zone, DSDigest.SHA384)],
    "SHA-1 beside it": [ds, sha1],
    "a wrong SHA-1 beside it": [ds, lambda zone: f"{' '.join(ds(zone).split()[:2])} 1 {'ab' * 20}"],
    "GOST beside it": [ds, lambda zone: f"{' '.join(ds(zone).split()[:2])} 3 {'ab' * 32}"],
    "an unknown digest beside it": [ds, lambda zone: f"{' '.join(ds(zone).split()[:2])} 99 abab"],
    "a key that is not there yet beside it": [ds, OTHER_KEY],
    "an unknown algorithm beside it": [ds, f"60485 200 2 {'ab' * 32}"],
}


@pytest.mark.parametrize("records", VALID.values(), ids=VALID)
def test_valid(records: list[Callable[[Served], str] | str]) -> None:
    """One chain that is valid is enough; what a resolver does not know or must not use is passed over."""
    zone = signed(*records)
    assert (zone.is_signed, zone.doubts, zone.notes) == (True, (), ())


@pytest.mark.parametrize("record", [f"60485 13 3 {'ab' * 32}", "60485 13 99 abab", f"60485 200 2 {'ab' * 32}"])
def test_insecure(record: str) -> None:
    """Algorithms and digests alone that nobody knows: the zone counts as unsigned (RFC 4035 section 5.2)."""
    zone = signed(record)
    assert (zone.is_signed, zone.doubts) == (False, ())
    (note,) = zone.notes
    assert note.startswith(f"{CHILD} has DS records with algorithms or digests alone that resolvers do not know")


BOGUS: dict[str, tuple[list[Callable[[Served], str] | str], dict[str, float], str]] = {
    "another key": ([OTHER_KEY], {}, "no DNSKEY has the digest that its DS at the parent names"),
    "a wrong SHA-256 beside a right SHA-1": (
        [sha1, lambda zone: f"{' '.join(ds(zone).split()[:2])} 2 {'ab' * 32}"],
        {},
        "no DNSKEY has the digest that its DS at the parent names",
    ),
    "expired": ([ds], {"begins_s": -9 * DAY_S, "ends_s": -DAY_S}, "the RRSIG over DNSKEY has expired"),
    "early": ([ds], {"begins_s": DAY_S, "ends_s": 9 * DAY_S}, "the RRSIG over DNSKEY is not valid yet"),
}


@pytest.mark.parametrize(("records", "times", "why"), BOGUS.values(), ids=BOGUS)
def test_bogus(records: list[Callable[[Served], str] | str], times: dict[str, float], why: str) -> None:
    """What every server proves bogus is a doubt, with each server's fault and the command that shows it."""
    zone = signed(*records, **times)
    assert zone.is_signed
    (doubt,) = zone.doubts
    assert doubt.about is About.DNSSEC
    assert doubt.problem.startswith(f"{CHILD} does not validate, so resolvers refuse what it serves: ")
    assert doubt.problem.endswith(why)
    assert doubt.hint.startswith(f"delv {CHILD} SOA; ")


def test_unsigned_behind_a_ds() -> None:
    """A zone that is no longer signed while its parent still says so."""
    with Internet({"ns.example.test.": {PARENT: ""}, NS1: {CHILD: ""}}) as net:
        net.zone(PARENT).add("acme", 60, "DS", OTHER_KEY)
        zones = net.zones_of(CHILD)
        zone = zones.zone_of(zones.find(name(f"web.{CHILD}"), name(CHILD)))
    assert [doubt.problem.rpartition(": ")[2] for doubt in zone.doubts] == ["it shows no DNSKEY"]


def test_changed_after_signing() -> None:
    """A signature over other data is none."""
    with Internet({"ns.example.test.": {PARENT: ""}, NS1: {CHILD: ""}}) as net:
        sign(net.zone(CHILD))
        net.zone(PARENT).add("acme", 60, "DS", ds(net.zone(CHILD)))
        net.zone(CHILD).add("new", 60, "A", "192.0.2.1")  # raises the serial
        zones = net.zones_of(CHILD)
        zone = zones.zone_of(zones.find(name(f"web.{CHILD}"), name(CHILD)))
    assert [doubt.about for doubt in zone.doubts] == [About.DNSSEC]


def test_one_server_of_two() -> None:
    """Resolvers ask the other one: a note."""
    with Internet({"ns.example.test.": {PARENT: ""}, NS1: {CHILD: ""}, NS2: {CHILD: ""}}) as net:
        stale = Served(CHILD)
        sign(stale, -9 * DAY_S, -DAY_S)
        sign(net.zone(CHILD))
        net.zone(PARENT).add("acme", 60, "DS", ds(net.zone(CHILD)))
        net[NS2].zones = {stale.origin: stale}
        zones = net.zones_of(CHILD)
        zone = zones.zone_of(zones.find(name(f"web.{CHILD}"), name(CHILD)))
        shown = net.shown(NS2)
    assert (zone.is_signed, zone.doubts) == (True, ())
    assert zone.notes == (
        f"{CHILD} does not validate at every server, others are asked: {shown}: the RRSIG over DNSKEY has expired",
    )


def test_servers_that_refuse_dnskey() -> None:
    """Nothing is proven: a note."""
    refusing = When(lambda request: request.qtype.name == "DNSKEY", Refusing())
    zone = signed(ds, behaviours={"ns1": refusing, "ns2": refusing})
    assert (zone.is_signed, zone.doubts) == (True, ())
    assert zone.notes[0].startswith(f"whether {CHILD} validates cannot be seen from here: {CHILD} DNSKEY: no server")


def test_clock_that_is_wrong() -> None:
    """Where the parent's signatures are out of time too, the clock of this host is, and nothing is proven."""
    with Internet({"ns.example.test.": {PARENT: ""}, NS1: {CHILD: ""}}) as net:
        for apex in (PARENT, CHILD):
            sign(net.zone(apex), DAY_S, 9 * DAY_S)
        net.zone(PARENT).add("acme", 60, "DS", ds(net.zone(CHILD)))
        sign(net.zone(PARENT), DAY_S, 9 * DAY_S)
        zones = net.zones_of(CHILD)
        zone = zones.zone_of(zones.find(name(f"web.{CHILD}"), name(CHILD)))
    assert zone.doubts == ()
    assert zone.notes[0].endswith("but the clock of this host seems to be wrong")
    assert EARLIEST > 0


def test_cost() -> None:
    """A signed zone costs DNSKEY and SOA at each server, an unsigned one nothing."""
    with Internet({"ns.example.test.": {PARENT: ""}, NS1: {CHILD: ""}}) as net:
        zones = net.zones_of(CHILD)
        zones.zone_of(zones.find(name(f"web.{CHILD}"), name(CHILD)))
        assert {question.qtype.name for question in net[NS1].questions} == {"TXT", "NS"}
        net[NS1].questions.clear()
        sign(net.zone(CHILD))
        net.zone(PARENT).add("acme", 60, "DS", ds(net.zone(CHILD)))
        zones = net.zones_of(CHILD)
        zones.zone_of(zones.find(name(f"web.{CHILD}"), name(CHILD)))
        assert sorted(question.qtype.name for question in net[NS1].questions) == ["DNSKEY", "NS", "SOA", "TXT"]
