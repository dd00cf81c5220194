"""The zone cut and the servers of a zone: found from above, never asked of a resolver (rules 5 and 6)."""

from __future__ import annotations

import dns.rdatatype
import pytest

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import txt_in
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Zone
from tests.servers import (
    Behaviour,
    BogusEde,
    First,
    Lame,
    Minimal,
    NodataWithoutSoa,
    ReferralFlood,
    ReferralLoop,
    Refusing,
    ServFailing,
    Silent,
    TcpDead,
    Truncating,
    UdpDead,
    When,
    first_tries,
)
from tests.unit.internet import Internet, name

TITLE = "acme.example.test."
WEB = f"web.{TITLE}"


def separate(text: str = "", **behaviours) -> Internet:  # type: ignore[no-untyped-def]  # a behaviour of tests.servers
    """Parent and delegate on servers of their own; the delegate has two."""
    hosts = {
        "ns1.example.test.": {"example.test.": ""},
        "ns1.acme.example.test.": {TITLE: text},
        "ns2.other.test.": {TITLE: ""},
    }
    return Internet({**hosts, "ns.other.test.": {"other.test.": ""}}, **behaviours)


def zone_of(zones: Zones, owner: str, title: str = TITLE) -> Zone:
    """The zone as the plan finds it."""
    return zones.zone_of(zones.find(name(owner), name(title)))


def hosts(zone: Zone) -> list[str]:
    """The host names of its servers."""
    return sorted({server.name for server in zone.servers})


def addresses(zone: Zone) -> list[str]:
    """The addresses of its servers."""
    return sorted(server.address for server in zone.servers)


@pytest.mark.parametrize("owner", [WEB, f"a.b.c.{TITLE}", TITLE, f"WEB.{TITLE.upper()}"])
def test_delegated_zone(owner: str) -> None:
    """A referral leads to the zone; in-zone servers come by glue, others from the resolver, which hears no more."""
    with separate() as net:
        zone = zone_of(net.zones_of(TITLE), owner)
        assert (zone.apex, zone.is_signed) == (name(TITLE), False)
        assert hosts(zone) == ["ns1.acme.example.test", "ns2.other.test"]
        net.assert_not_asked_inside(TITLE)
        assert {question.qname for question in net.resolver.questions} == {
            name("example.test."),
            name("ns1.example.test."),
            name("ns2.other.test."),
        }


def test_authoritative_questions_do_not_desire_recursion() -> None:
    """RD is clear: a server that is also a resolver must answer from its own zones."""
    with separate() as net:
        zone_of(net.zones_of(TITLE), WEB)
        assert not [q for server in net.servers.values() for q in server.questions if q.rd]


def test_who_answered() -> None:
    """The watch knows of these that they are there, and have no values yet."""
    with separate() as net:
        zone = zone_of(net.zones_of(TITLE), WEB)
        assert zone.answering == set(zone.servers)
    with separate(ns2=Refusing()) as net:
        zone = zone_of(net.zones_of(TITLE), WEB)
        assert {server.name for server in zone.answering} == {"ns1.acme.example.test"}


def test_parent_on_the_same_server() -> None:
    """No referral shows the cut; the SOA of the answer does."""
    with Internet({"ns.example.test.": {"example.test.": "", TITLE: ""}}) as net:
        assert zone_of(net.zones_of(TITLE), WEB).apex == name(TITLE)


def test_title_that_is_no_apex() -> None:
    """The zone is the one that the title lies in."""
    with Internet({"ns1.example.test.": {"example.test.": ""}}) as net:
        zone = zone_of(net.zones_of(TITLE), WEB)
        assert (zone.apex, hosts(zone)) == (name("example.test."), ["ns1.example.test"])
        net.assert_not_asked_inside(TITLE)


def test_delegated_child_below_the_title() -> None:
    """A zone below the title is found by its referral."""
    child = f"child.{TITLE}"
    with Internet({"ns.example.test.": {"example.test.": "", TITLE: ""}, f"ns.{child}": {child: ""}}) as net:
        zones = net.zones_of(TITLE)
        assert zone_of(zones, f"web.{child}").apex == name(child)
        assert zone_of(zones, WEB).apex == name(TITLE)


def test_delegated_challenge_name() -> None:
    """The owner the CA asks for is a zone of its own."""
    title = "_acme-challenge.shop.example.test."
    with Internet({"ns.example.test.": {"example.test.": ""}, "ns.acme.test.": {title: "", "acme.test.": ""}}) as net:
        zone = zone_of(net.zones_of(title), title, title)
        assert (zone.apex, hosts(zone)) == (name(title), ["ns.acme.test"])
        net.assert_not_asked_inside(title)


@pytest.mark.parametrize("title", ["test.", "example.test."])
def test_short_titles(title: str) -> None:
    """A title of one or two labels is looked for from the root or the top-level domain."""
    with Internet({"ns.root-servers.": {".": ""}, "ns.example.test.": {"example.test.": ""}}) as net:
        assert zone_of(net.zones_of(title), "web.example.test.", title).apex == name("example.test.")
        net.assert_not_asked_inside(title)


def test_parent_and_child_servers_united() -> None:
    """A server that only the parent names, and one that only the child names, both belong to the zone."""
    with separate() as net:
        apex = net.zone(TITLE)
        apex.delete("@", "NS")
        apex.add("@", 60, "NS", "ns1", "ns3")
        apex.add("ns3", 60, "A", "127.0.0.3")
        apex.add("ns3", 60, "AAAA", "::3")
        zone = zone_of(net.zones_of(TITLE), WEB)
        assert hosts(zone) == ["ns1.acme.example.test", "ns2.other.test", "ns3.acme.example.test"]
        assert {"127.0.0.3", "::3"} <= set(addresses(zone))


def test_two_names_of_one_address() -> None:
    """A server under a second name is one server, and no note says that the name has no address."""
    with separate() as net:
        apex, address = net.zone(TITLE), net["ns1.acme.example.test."].address
        apex.add("@", 60, "NS", "ns3", "ns4")
        apex.add("ns3", 60, "A", address)
        zone = zone_of(net.zones_of(TITLE), WEB)
    assert address in addresses(zone)
    assert zone.notes == (f"ns4.{TITLE}, a server of {TITLE}, has no address",)


def test_host_that_a_resolver_fails_to_find_at_first() -> None:
    """A server is not left out, and so not watched, because one question about its address failed."""
    late = "ns3.other.test."
    failing = When(lambda request: request.qname == name(late), First(2, ServFailing()))
    hosts_of = {"ns2.other.test.": {TITLE: ""}, late: {TITLE: ""}, "ns.other.test.": {"other.test.": ""}}
    with Internet({"ns1.example.test.": {"example.test.": ""}, **hosts_of}, resolver=failing) as net:
        assert hosts(zone_of(net.zones_of(TITLE), WEB)) == ["ns2.other.test", "ns3.other.test"]


@pytest.mark.parametrize("behaviour", [Behaviour(), Minimal()])
def test_stale_glue(behaviour: Behaviour) -> None:
    """Where glue and child disagree about an address, both are asked, whether or not the child tells its unasked."""
    with separate(ns2=behaviour) as net:
        net.zone("example.test.").delete("ns1.acme", "A")
        net.zone("example.test.").add("ns1.acme", 60, "A", "127.0.0.9")
        assert {"127.0.0.9", net["ns1.acme.example.test."].address} <= set(addresses(zone_of(net.zones_of(TITLE), WEB)))


@pytest.mark.parametrize("where", [f"ns1.{TITLE}", "ns2.other.test."])
def test_server_with_many_addresses(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each address of a server is asked, six as at Cloudflare; where a flood of them is cut off, that is said."""

    def at_where() -> list[str]:
        return [s.address for s in zone_of(net.zones_of(TITLE), WEB).servers if f"{s.name}." == where]

    with separate() as net:
        zone = net.zone(where.partition(".")[2])
        zone.add(where, 60, "A", *(f"127.0.1.{n}" for n in range(2)))
        zone.add(where, 60, "AAAA", *(f"2001:db8::{n}" for n in range(3)))
        assert len(at_where()) == 6
        assert not caplog.records
        zone.add(where, 60, "AAAA", *(f"2001:db8::{n}" for n in range(3, 9)))
        assert len(at_where()) == 8
    assert {r.getMessage() for r in caplog.records} == {f"{where} has 12 addresses; only the first 8 are asked"}


def test_server_inside_another_delegate() -> None:
    """Its address is asked of that delegate's servers, since the resolver must not be."""
    other = "hosts.example.test."
    served = {"ns.example.test.": {"example.test.": ""}, f"ns.{other}": {other: "", "acme.other.test.": ""}}
    with Internet({**served, "ns.other.test.": {"other.test.": ""}}) as net:
        zone = zone_of(net.zones_of("acme.other.test.", other), "web.acme.other.test.", "acme.other.test.")
        assert addresses(zone) == [net[f"ns.{other}"].address]
        net.assert_not_asked_inside(other, "acme.other.test.")


def test_delegates_whose_servers_lie_in_one_another() -> None:
    """Two zones that nobody can resolve without the other are an error, not an endless search."""
    one, two = "one.example.test.", "two.other.test."
    net = Internet({"ns.example.test.": {"example.test.": ""}, "ns.other.test.": {"other.test.": ""}})
    with net:
        net.zone("example.test.").add("one", 60, "NS", f"ns.{two}")
        net.zone("other.test.").add("two", 60, "NS", f"ns.{one}")
        with pytest.raises(LookupFailed, match="none has an address"):
            zone_of(net.zones_of(one, two), f"web.{one}", one)
        assert net.questions() < 20


def test_signed_and_unsigned() -> None:
    """A DS at the parent makes a zone signed."""
    with separate() as net:
        assert not zone_of(net.zones_of(TITLE), WEB).is_signed
        net.zone("example.test.").add("acme", 60, "DS", "1 13 2 " + "ab" * 32)
        assert zone_of(net.zones_of(TITLE), WEB).is_signed


def test_signed_zone_above_the_title() -> None:
    """Of the zone that the resolver was asked for, the resolver tells the DS."""
    with Internet({"ns1.example.test.": {"example.test.": ""}}) as net:
        net.zone("test.").add("example", 60, "DS", "1 13 2 " + "ab" * 32)
        assert zone_of(net.zones_of(TITLE), WEB).is_signed


def test_present_values_and_negative_ttl() -> None:
    """What stands at the owner comes with the finding; the negative TTL is the smaller of TTL and MINIMUM."""
    soa = "@ 300 SOA ns1 hostmaster 1 3600 600 86400 30\n"
    with separate(soa + 'web 60 TXT "one"\nweb 60 TXT "two"') as net:
        zones = net.zones_of(TITLE)
        found = zones.find(name(WEB), name(TITLE))
        assert txt_in(found.reply.message, name(WEB)).values == {"one", "two"}
        assert zones.zone_of(found).negative_ttl == 30
        assert zone_of(net.zones_of(TITLE), f"none.{TITLE}").negative_ttl == 30


def test_wildcard_into_the_zone_above() -> None:
    """The SOA that comes with a synthesised CNAME is its target's, not the owner's."""
    text = "* CNAME nowhere.example.test."
    with Internet({"ns.example.test.": {"example.test.": "", TITLE: text}}) as net:
        assert zone_of(net.zones_of(TITLE), WEB).apex == name(TITLE)


def test_negative_answers_without_soa() -> None:
    """The apex is searched for upwards."""
    with Internet({"ns1.example.test.": {"example.test.": "", TITLE: ""}}, ns1=NodataWithoutSoa()) as net:
        assert zone_of(net.zones_of(TITLE), f"a.b.{TITLE}").apex == name(TITLE)


@pytest.mark.parametrize("behaviour", [Refusing(), ServFailing(), Lame(), Silent()])
def test_one_bad_server_of_two(behaviour) -> None:  # type: ignore[no-untyped-def]  # a behaviour of tests.servers
    """The other server answers; both stay in the zone's list, for the watch."""
    with separate(ns1=behaviour) as net:
        # "ns1" is the first label of the parent's server too, which must be honest.
        net["ns1.example.test."].behaviour = Truncating()
        assert len(zone_of(net.zones_of(TITLE), WEB).servers) == 2


def test_dead_first_server_costs_little() -> None:
    """A silent server is asked about the first name, and not waited for again."""
    with separate(ns2=Silent()) as net:
        zones = net.zones_of(TITLE)
        zone_of(zones, WEB)
        for number in range(5):
            zones.find(name(f"web{number}.{TITLE}"), name(TITLE))
        asked = {question.qname for question in net["ns2.other.test."].questions}
    # The question about the apex is asked beside the first name's.
    assert asked == {name(WEB), name(TITLE)}


@pytest.mark.parametrize("behaviour", [UdpDead(), Truncating(), Truncating(partial=True)])
def test_only_tcp_works(behaviour) -> None:  # type: ignore[no-untyped-def]  # a behaviour of tests.servers
    """TCP is used where UDP is silent or truncates."""
    with separate('web TXT "one"', ns1=behaviour, ns2=behaviour) as net:
        found = net.zones_of(TITLE).find(name(WEB), name(TITLE))
        assert (txt_in(found.reply.message, name(WEB)).values, found.reply.transport) == ({"one"}, "tcp")


def test_only_udp_works() -> None:
    """A closed TCP port does not matter where UDP answers."""
    with separate(ns1=TcpDead(), ns2=TcpDead()) as net:
        assert zone_of(net.zones_of(TITLE), WEB).apex == name(TITLE)


FAILURES = [
    (Refusing(), "REFUSED"),
    (Lame(), "nothing with authority (lame)"),
    (BogusEde(), r"SERVFAIL (EDE 6: \x1b[31mbogus\x1b[0m\r\n\x07`id` $(id) \u202e)"),
]


@pytest.mark.parametrize(("behaviour", "told"), FAILURES)
def test_no_server_of_the_zone_answers(behaviour, told: str) -> None:  # type: ignore[no-untyped-def]  # a behaviour of tests.servers
    """Who said what to which question, and the command that follows the delegation."""
    with separate(ns2=behaviour) as net:
        net["ns1.acme.example.test."].behaviour = behaviour
        with pytest.raises(LookupFailed) as caught:
            net.zones_of(TITLE).find(name(WEB), name(TITLE))
        first, second = net.shown("ns1.acme.example.test."), net.shown("ns2.other.test.")
    either = [f"{one} said {told}; {other} said {told}" for one, other in ((first, second), (second, first))]
    problem, _, seen = caught.value.problem.partition(" answers with authority: ")
    assert problem == f"{WEB} TXT: no server of {TITLE}"
    assert seen in either
    assert caught.value.hint == f"dig +trace {WEB} TXT"


def test_zone_that_does_not_exist() -> None:
    """A delegate below a name that does not exist is told at once."""
    with Internet({}) as net, pytest.raises(LookupFailed) as caught:
        net.zones_of("acme.nosuch.test.").find(name("web.acme.nosuch.test."), name("acme.nosuch.test."))
    assert (caught.value.problem, caught.value.hint) == (
        "nosuch.test. does not exist, so nothing below it does",
        "dig nosuch.test. NS",
    )


def test_referral_flood() -> None:
    """Endless referrals end within the bounds of an order."""
    with separate(ns1=ReferralFlood()) as net:
        net["ns1.acme.example.test."].behaviour = ReferralFlood()
        with pytest.raises(LookupFailed):
            net.zones_of(TITLE).find(name(WEB), name(TITLE))
        assert len(net.resolver.questions) + net.questions() < 100


def test_referral_loop() -> None:
    """A referral to the server that made it ends as lame."""
    with separate(ns1=ReferralLoop()) as net:
        net.zone("test.").add("ns.loop", 60, "A", net["ns1.example.test."].address)
        with pytest.raises(LookupFailed, match="lame"):
            net.zones_of(TITLE).find(name(WEB), name(TITLE))
        assert net.questions() < 20


def test_budget() -> None:
    """An order that has sent all the packets it may sends no more."""
    with separate() as net, pytest.raises(LookupFailed) as caught:
        zone_of(net.zones_of(TITLE, budget=4), WEB)
    assert caught.value.problem.endswith("TXT: gave up: this order has sent all the packets it may")


def test_many_names_share_the_way_down() -> None:
    """A hundred names at once cost one question each, and the way down once."""
    with separate() as net:
        zones = net.zones_of(TITLE, budget=500)
        found = zones.find_all({name(f"n{number}.{TITLE}"): name(TITLE) for number in range(100)})
        assert len({id(zone) for zone in zones.zones_of(found.values()).values()}) == 1
        counted = net.questions()
        assert len(first_tries(net["ns1.example.test."].asked(qtype="TXT"))) == 1
    assert counted <= 100 + 5


def test_many_names_at_a_dead_zone() -> None:
    """A server that was silent once is not waited for again: its questions do not grow with the names."""
    with separate(ns1=Silent(), ns2=Silent()) as net:
        net["ns1.example.test."].behaviour = Behaviour()
        zones = net.zones_of(TITLE)
        found = zones.find_all({name(f"n{number}.{TITLE}"): name(TITLE) for number in range(40)})
        assert all(isinstance(each, LookupFailed) for each in found.values())
        # One question and its companion, asked quickly and patiently, repeated by UDP and TCP, also without EDNS.
        assert len(net["ns2.other.test."].questions) <= 14


def test_address_questions_are_typed() -> None:
    """Hosts are asked for both families."""
    with separate() as net:
        zone_of(net.zones_of(TITLE), WEB)
        kinds = {q.qtype for q in net.resolver.questions if q.qname == name("ns2.other.test.")}
    assert kinds == {dns.rdatatype.A, dns.rdatatype.AAAA}
