"""Zones whose parent is served by the same machines, knows them only in part, or not at all (rules 6 and 20)."""

from __future__ import annotations

import dns.flags
import dns.rcode
import pytest

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.model import About, Zone
from tests.servers import (
    Behaviour,
    Lagging,
    Lame,
    NodataWithoutSoa,
    NotImplementing,
    Refusing,
    Silent,
    SlowBy,
    When,
)
from tests.unit.internet import Internet, name

PARENT = "example.test."
CHILD = "acme.example.test."
WEB = f"web.{CHILD}"
A, B = "nsa.example.test.", "nsb.example.test."
LATE = SlowBy(0.4)
"""Longer than the stagger: the other server of the zone is heard first."""


def internet(hosts: dict[str, dict[str, str]], *, delegated: bool = True, **behaviours: Behaviour) -> Internet:
    """Hosts and their zones; ``example.test.`` delegates ``acme`` unless told otherwise."""
    net = Internet(hosts, **behaviours)
    if not delegated:
        net.zone(PARENT).delete("acme", "NS")
    return net


def zone_of(net: Internet, owner: str = WEB, title: str = CHILD) -> Zone:
    """The zone as the plan finds it."""
    zones = net.zones_of(title)
    return zones.zone_of(zones.find(name(owner), name(title)))


def hosts(zone: Zone) -> list[str]:
    """The host names of its servers."""
    return sorted(f"{server.name}." for server in zone.servers)


SLOW = [{}, {"nsa": LATE}, {"nsb": LATE}]


@pytest.mark.parametrize("slow", SLOW)
def test_forgotten_where_another_server_of_the_parent_denies(slow: dict[str, Behaviour]) -> None:
    """One machine has parent and child, the other the parent alone, and no NS record leads to the child.

    Whichever answers first, the zone is the child, a resolver's chance of seeing it is no better than even, and the
    records that are missing are named.
    """
    with internet({A: {PARENT: "", CHILD: ""}, B: {PARENT: ""}}, delegated=False, **slow) as net:
        net.zone(CHILD).delete("@", "NS")
        net.zone(CHILD).add("@", 60, "NS", A)
        zone = zone_of(net)
        net.assert_not_asked_inside(CHILD)
    assert (zone.apex, hosts(zone)) == (name(CHILD), [A, B])
    (doubt,) = zone.doubts
    assert doubt.about is About.DELEGATION
    assert f"{net.shown(B)} answers from {PARENT}" in doubt.problem
    assert doubt.hint == f"add to {PARENT} on all its servers:  {CHILD} 3600 IN NS {A}"


@pytest.mark.parametrize("slow", SLOW)
@pytest.mark.parametrize("record", ["*.acme TXT v=spf1", "*.acme CNAME elsewhere.test.", "web.acme TXT old", "* TXT x"])
def test_forgotten_where_the_parent_answers_with_records_of_its_own(record: str, slow: dict[str, Behaviour]) -> None:
    """A wildcard of the parent answers for the name, or records that were there before the zone was made."""
    owner, rdtype, value = record.split()
    with internet({A: {PARENT: "", CHILD: ""}, B: {PARENT: ""}}, delegated=False, **slow) as net:
        net.zone(PARENT).add(owner, 60, rdtype, value)
        zone = zone_of(net)
    assert (zone.apex, hosts(zone)) == (name(CHILD), [A, B])
    (doubt,) = zone.doubts
    assert f"{net.shown(B)} answers from {PARENT} instead" in doubt.problem


@pytest.mark.parametrize("without", [{"nsa"}, {"nsb"}, {"nsa", "nsb"}])
def test_forgotten_where_negative_answers_have_no_soa(without: set[str]) -> None:
    """Each server is asked until it has shown from which zone it answers."""
    behaviours = {host: NodataWithoutSoa() for host in without}
    with internet({A: {PARENT: "", CHILD: ""}, B: {PARENT: ""}}, delegated=False, **behaviours) as net:
        zone = zone_of(net)
    assert (zone.apex, [doubt.about for doubt in zone.doubts]) == (name(CHILD), [About.DELEGATION])


@pytest.mark.parametrize("slow", [{}, {"a": LATE}, {"b": LATE}])
def test_private_top_level_domain_whose_servers_differ(slow: dict[str, Behaviour]) -> None:
    """One of its two servers refers to the zone, the other denies it."""
    served = {"a.test.": {"lab.": ""}, "b.test.": {"lab.": ""}, "ns.nf.lab.": {"nf.lab.": ""}}
    with Internet(served, **slow) as net:
        delegation = net.zone("lab.").get("nf", "NS")
        net.zone("lab.").delete("nf", "NS")
        net["b.test."].behaviour = net["b.test."].behaviour | Lagging()
        net.zone("lab.").put(name("nf.lab."), delegation)
        zone = zone_of(net, "web.nf.lab.", "nf.lab.")
    (doubt,) = zone.doubts
    assert f"{net.shown('b.test.')} answers from lab. instead" in doubt.problem


@pytest.mark.parametrize("slow", SLOW)
def test_forgotten_at_the_owner_itself(slow: dict[str, Behaviour]) -> None:
    """The same for a zone below the title that one server alone has, also where it is not the first name's."""
    own = "_acme-challenge.example.test."
    with Internet({A: {PARENT: "", own: ""}, B: {PARENT: ""}}, **slow) as net:
        net.zone(PARENT).delete(own, "NS")
        zones = net.zones_of(PARENT)
        owners = [name(f"_acme-challenge.{label}.{PARENT}") for label in ("www", "mail")] + [name(own)]
        found = zones.find_all(dict.fromkeys(owners, name(PARENT)))
        determined = zones.zones_of(found.values())
    *others, last = (determined[owner] for owner in owners)
    assert [(zone.apex, zone.doubts) for zone in others] == [(name(PARENT), ())] * 2
    assert (last.apex, hosts(last)) == (name(own), [A, B])
    assert [doubt.about for doubt in last.doubts] == [About.DELEGATION]


def test_forgotten_where_every_server_has_both() -> None:
    """It works: a note names the records, and both servers are the zone's, whatever its own NS set says."""
    with internet({A: {PARENT: "", CHILD: ""}, B: {PARENT: "", CHILD: ""}}, delegated=False) as net:
        net.zone(CHILD).delete("@", "NS")
        net.zone(CHILD).add("@", 60, "NS", A)
        zone = zone_of(net)
    assert (zone.apex, hosts(zone), zone.doubts) == (name(CHILD), [A, B], ())
    (note,) = zone.notes
    assert note.startswith(f"{CHILD} has no NS records in {PARENT}")
    assert f"{CHILD} 3600 IN NS {A}" in note


def test_delegated_where_every_server_has_both() -> None:
    """No referral is seen either, but DS is answered from a parent that knows the name: nothing is out of order."""
    with internet({A: {PARENT: "", CHILD: ""}, B: {PARENT: "", CHILD: ""}}) as net:
        zone = zone_of(net)
    assert (zone.apex, hosts(zone), zone.doubts, zone.notes) == (name(CHILD), [A, B], (), ())


def test_forgotten_in_a_signed_parent() -> None:
    """The parent proves that there is no such zone: resolvers that validate see nothing."""
    with internet({A: {PARENT: "", CHILD: ""}, B: {PARENT: "", CHILD: ""}}, delegated=False) as net:
        net.zone("test.").add("example", 60, "DS", "1 13 2 " + "ab" * 32)
        (doubt,) = zone_of(net).doubts
    assert doubt.about is About.DNSSEC
    assert f"{CHILD} has no NS records in {PARENT}, which is signed" in doubt.problem
    assert f"{CHILD} 3600 IN NS {A}" in doubt.hint


@pytest.mark.parametrize("slow", SLOW)
def test_server_of_the_parent_that_holds_the_child_beside_its_ns_set(slow: dict[str, Behaviour]) -> None:
    """Resolvers are answered by it without a referral, so it belongs to the zone's servers."""
    with internet({A: {PARENT: "", CHILD: ""}, B: {PARENT: ""}, "other.test.": {CHILD: ""}}, **slow) as net:
        for zone in (PARENT, CHILD):
            net.zone(zone).delete(CHILD, "NS")
            net.zone(zone).add(CHILD, 60, "NS", "other.test.")
        zone = zone_of(net)
    assert (zone.apex, hosts(zone), zone.doubts) == (name(CHILD), [A, "other.test."], ())


@pytest.mark.parametrize("slow", SLOW)
def test_server_of_the_parent_that_does_not_know_the_delegation_yet(slow: dict[str, Behaviour]) -> None:
    """One refers, one denies: by luck the CA asks the one or the other."""
    with internet({A: {PARENT: ""}, B: {PARENT: ""}, "ns.acme.example.test.": {CHILD: ""}}, **slow) as net:
        delegation = net.zone(PARENT).get("acme", "NS")
        net.zone(PARENT).delete("acme", "NS")
        net[B].behaviour = net[B].behaviour | Lagging()
        net.zone(PARENT).put(name(CHILD), delegation)
        zone = zone_of(net)
    assert (zone.apex, hosts(zone)) == (name(CHILD), ["ns.acme.example.test."])
    (doubt,) = zone.doubts
    assert doubt.about is About.DELEGATION
    assert f"{net.shown(B)} answers from {PARENT}" in doubt.problem


def test_parent_above_whose_servers_differ() -> None:
    """A server two cuts above that denies what the others refer to is a doubt too."""
    deep = "b.example.test."
    with Internet(
        {A: {PARENT: ""}, B: {PARENT: ""}, f"ns.{deep}": {deep: ""}, f"ns.c.{deep}": {f"c.{deep}": ""}}
    ) as net:
        delegation = net.zone(PARENT).get("b", "NS")
        net.zone(PARENT).delete("b", "NS")
        net[B].behaviour = Lagging()
        net.zone(PARENT).put(name(deep), delegation)
        zone = zone_of(net, f"web.c.{deep}", f"c.{deep}")
    assert zone.apex == name(f"c.{deep}")
    assert [doubt.about for doubt in zone.doubts] == [About.DELEGATION]


def test_different_ns_sets_in_the_parents_servers() -> None:
    """The NS sets of all referrals count together."""
    served = {A: {PARENT: ""}, B: {PARENT: ""}, f"ns1.{CHILD}": {CHILD: ""}, f"ns2.{CHILD}": {CHILD: ""}}
    with internet(served) as net:
        both = net.zone(PARENT).get("acme", "NS")
        for zone in (PARENT, CHILD):
            net.zone(zone).delete(CHILD, "NS")
            net.zone(zone).add(CHILD, 60, "NS", f"ns1.{CHILD}")
        net[B].behaviour = Lagging()
        net.zone(PARENT).put(name(CHILD), both)
        zone = zone_of(net)
    assert hosts(zone) == [f"ns1.{CHILD}", f"ns2.{CHILD}"]


def of(rdtype: str, behaviour: Behaviour) -> Behaviour:
    """The behaviour for questions of one type alone."""
    return When(lambda request: request.qtype.name == rdtype, behaviour)


BROKEN = [Silent(), Refusing(), NotImplementing(), Lame()]


@pytest.mark.parametrize("behaviour", BROKEN)
@pytest.mark.parametrize("rdtype", ["NS", "SOA"])
def test_child_that_does_not_answer_one_type(rdtype: str, behaviour: Behaviour) -> None:
    """A small challenge server that knows TXT alone is good enough; the parent's NS set is the zone's."""
    with internet({A: {PARENT: ""}, f"ns.{CHILD}": {CHILD: 'web TXT "one"'}}, ns=of(rdtype, behaviour)) as net:
        net["ns.test."].behaviour = Behaviour()
        zone = zone_of(net)
    assert (zone.apex, hosts(zone), zone.doubts) == (name(CHILD), [f"ns.{CHILD}"], ())


@pytest.mark.parametrize("behaviour", BROKEN)
def test_parent_that_does_not_answer_ds(behaviour: Behaviour) -> None:
    """The zone counts as unsigned, and a note says so; another name is not condemned with it."""
    with internet({A: {PARENT: ""}, f"ns.{CHILD}": {CHILD: ""}}, nsa=of("DS", behaviour)) as net:
        zones = net.zones_of(CHILD)
        zone = zones.zone_of(zones.find(name(WEB), name(CHILD)))
        assert zones.find(name(f"second.{CHILD}"), name(CHILD)).cut.apex == name(CHILD)
    assert (zone.apex, zone.is_signed) == (name(CHILD), False)
    assert [note for note in zone.notes if note.endswith(f"{CHILD} is taken for unsigned")]


def test_server_of_both_that_drops_ds() -> None:
    """Silence to one type does not make a server silent: the second name is asked about."""
    with internet({A: {PARENT: "", CHILD: ""}}, nsa=of("DS", Silent())) as net:
        zones = net.zones_of(CHILD)
        found = zones.find(name(WEB), name(CHILD))
        assert zones.zone_of(found).apex == name(CHILD)
        assert zones.find(name(f"second.{CHILD}"), name(CHILD)).reply.is_authoritative


class OwnSoa(Behaviour):
    """A load balancer: denies every name with an SOA of that very name."""

    def answer(self, request, honest):  # type: ignore[no-untyped-def]  # as in tests.servers
        reply = honest(request)
        for rrset in reply.authority:
            rrset.name = request.qname
        return reply


def test_soa_of_the_name_itself() -> None:
    """An apex without NS records is none: the zone is what the parent delegates."""
    with internet({A: {PARENT: ""}, f"ns.{CHILD}": {CHILD: ""}}, ns=OwnSoa()) as net:
        net["ns.test."].behaviour = Behaviour()
        zone = zone_of(net)
    assert (zone.apex, hosts(zone)) == (name(CHILD), [f"ns.{CHILD}"])


def test_servers_without_addresses() -> None:
    """Nobody could look at what is written: a doubt, before the write."""
    with internet({A: {PARENT: "", CHILD: ""}}) as net:
        net.zone(PARENT).delete("nsa", "A")
        net.zone("test.").delete(A, "A")
        net.zone(PARENT).add("ns2", 60, "A", net.addresses[A])
        for zone in (PARENT, "test."):
            net.zone(zone).delete(PARENT, "NS")
            net.zone(zone).add(PARENT, 60, "NS", "ns2.example.test.")
        net.zone("test.").add("ns2.example.test.", 60, "A", net.addresses[A])
        assert zone_of(net).doubts == ()


def test_ancestor_that_is_an_alias() -> None:
    """The two-label ancestor of a title can be an alias where the zone is a private top-level domain."""
    title = "_acme-challenge.host.test."
    with Internet({"ns.test.": {"test.": "host CNAME other"}}) as net:
        assert zone_of(net, title, title).apex == name("test.")
        net.assert_not_asked_inside(title)


class Denying(Behaviour):
    """A resolver that says NXDOMAIN."""

    def answer(self, request, honest):  # type: ignore[no-untyped-def]  # as in tests.servers
        reply = request.reply(dns.rcode.NXDOMAIN)
        reply.flags |= dns.flags.RA
        return reply


def test_empty_non_terminal_that_is_denied() -> None:
    """Servers that do not know of empty non-terminals say NXDOMAIN there, and refer to what lies below."""
    title = "acme.host.test."
    denying = When(lambda request: request.qname == name("host.test."), Denying())
    with Internet({"ns.test.": {"test.": ""}, f"ns.{title}": {title: ""}}, resolver=denying) as net:
        assert zone_of(net, f"web.{title}", title).apex == name(title)


class Intercepting(Behaviour):
    """Something on the way that answers for port 53 as a recursive resolver."""

    def answer(self, request, honest):  # type: ignore[no-untyped-def]  # as in tests.servers
        reply = request.reply()
        reply.flags |= dns.flags.RA
        return reply


def test_intercepted_port() -> None:
    """It is named as what it is, with the setting that works."""
    with internet({A: {PARENT: "", CHILD: ""}}, nsa=Intercepting()) as net, pytest.raises(LookupFailed) as caught:
        zone_of(net)
    assert "something on the way answers for port 53" in str(caught.value)
    assert "watch = resolvers" in str(caught.value)
