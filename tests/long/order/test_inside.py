"""Where it is known what stands inside a delegate: from the file's own server, from servers that a section names."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

import pytest

from certbot_dns_delegate import providers
from certbot_dns_delegate.lookup.cut import Budget
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Askable, Challenge, Server, Zone
from certbot_dns_delegate.order.plan import Plan, Planner
from certbot_dns_delegate.order.router import Router
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.settings import reader
from tests.servers import Behaviour, Refusing, Silent, fresh_address
from tests.unit.internet import PORT, Internet, name, resolver

ZONE = "acme.example.test."
WWW = Challenge("www.acme.example.test", name(f"_acme-challenge.www.{ZONE}"), "v" * 43)
SHOP = Challenge("shop.customer.test", name("_acme-challenge.shop.customer.test."), "v" * 43)
KEY = "tsig_name = web1\ntsig_secret = c2VjcmV0\n"
FLAT = "dns-delegate-rfc2136"


def internet(acme: str = "", **behaviours: Behaviour) -> Internet:
    """A delegate's zone on a server of its own, the zone above it, and a customer's."""
    hosts = {
        "customer.customer.test.": {"customer.test.": f"_acme-challenge.shop CNAME shop.{ZONE}"},
        "above.example.test.": {"example.test.": ""},
        f"own.{ZONE}": {ZONE: acme},
    }
    return Internet(hosts, **behaviours)


def own(net: Internet) -> str:
    """The address of the delegate's server."""
    return net.addresses[f"own.{ZONE}"]


def place(net: Internet) -> str:
    """The same with its port, as the settings name it and the sentences show it."""
    return f"{own(net)}@{PORT}"


def planned(net: Internet, path: Path, text: str, *challenges: Challenge, authenticator: str = FLAT) -> Plan:
    """A plan with a settings file of this text, and the real provider."""
    path.touch(mode=0o600)
    path.write_text(text)
    settings = reader.load(path, authenticator, lambda _: None)

    def addresses(host: str, port: int) -> Sequence[Server]:
        return [Server(str(ip_address(host)), port)]

    made = {
        delegate.title: providers.make(
            delegate.provider, delegate.options, Context(delegate.title, addresses, path.parent, suffix=delegate.suffix)
        )
        for delegate in settings.delegates
    }
    router = Router(settings, lambda delegate: made[delegate.title])
    recursive = Recursive([resolver(net.resolver)], patience_s=(0.2, 0.2))
    zones = Zones(recursive, router.hidden_suffix, Budget(2000), PORT)
    planner = Planner(settings, lambda delegate: made[delegate.title], recursive, zones, router, addresses)
    with ThreadPoolExecutor(4) as pool:
        try:
            return planner.plan(challenges, pool)
        finally:
            for provider in made.values():
                provider.end()


def flat(net: Internet, more: str = "") -> str:
    """A file of one service."""
    keys = [f"server = {place(net)}", *KEY.splitlines(), *more.splitlines()]
    return "".join(f"dns_delegate_rfc2136_{line}\n" for line in keys)


def section(net: Internet, more: str = "", provider: str = "") -> str:
    """A file with a section."""
    return f"[{ZONE}]\n{provider or f'provider = rfc2136{chr(10)}server = {place(net)}{chr(10)}{KEY}'}{more}"


def only_zone(plan: Plan) -> Zone:
    """The zone of a plan that has no problem."""
    assert plan.problems == ()
    (publication,) = plan.publications
    return publication.zone


# The server of a flat file first


def test_a_resolver_that_fails_is_a_note(tmp_path: Path) -> None:
    """The file's server answers for the name, and says which servers the zone has (rule 6)."""
    with internet(resolver=Silent()) as net:
        zone = only_zone(planned(net, tmp_path / "flat.ini", flat(net), WWW))
        assert [server.address for server in zone.servers] == [own(net)]
    assert (zone.apex, zone.askable) == (name(ZONE), Askable.SERVERS)
    assert len(zone.notes) == 1
    assert "no resolver has an answer" in zone.notes[0]
    assert f"the NS records of {ZONE} count" in zone.notes[0]


def test_a_name_elsewhere_needs_a_resolver(tmp_path: Path) -> None:
    """Nobody else knows where its CNAME leads."""
    with internet(resolver=Silent()) as net:
        plan = planned(net, tmp_path / "flat.ini", flat(net), WWW, SHOP)
    assert [each.challenge for each in plan.planned] == [WWW]
    ((challenge, error),) = plan.problems
    assert challenge == SHOP
    assert "no resolver has an answer" in error.problem


def test_the_zone_is_watched_at_all_its_servers(tmp_path: Path) -> None:
    """Where the world can be asked, parent's and child's servers count."""
    with internet() as net:
        hidden = Server(own(net), PORT)
        zone = only_zone(planned(net, tmp_path / "flat.ini", flat(net), WWW, SHOP))
        net.assert_not_asked_inside(ZONE)
    assert zone.servers == (hidden,)
    assert zone.notes == ()


def test_published_servers_that_cannot_be_asked(tmp_path: Path) -> None:
    """None answers, so that nobody can be watched: the reason is kept."""
    with internet() as net:
        nowhere = fresh_address()
        for apex in (ZONE, "example.test."):
            net.zone(apex).delete(f"own.{ZONE}", "A")
            net.zone(apex).add(f"own.{ZONE}", 60, "A", nowhere)
        zone = only_zone(planned(net, tmp_path / "flat.ini", flat(net), WWW))
    assert (zone.servers, zone.askable) == ((), Askable.NOBODY)
    assert f"own.{ZONE.rstrip('.')} ({nowhere}@{PORT}) said " in zone.why


@pytest.mark.parametrize("watch", ["server", "none"])
def test_watch_says_that_no_published_server_matters(tmp_path: Path, watch: str) -> None:
    """Nobody but the file's server is asked."""
    with internet() as net:
        zone = only_zone(planned(net, tmp_path / "flat.ini", flat(net, f"watch = {watch}"), WWW))
        assert net["above.example.test."].questions == []
        assert net.resolver.questions == []
    assert (zone.apex, zone.servers, zone.askable) == (name(ZONE), (), Askable.SERVERS)


WRITTEN_AT = [
    ("_acme-challenge.www CNAME www.target", f"www.target.{ZONE}"),
    ("*.www CNAME somewhere.else.test.", f"_acme-challenge.www.{ZONE}"),
    ("* CNAME own", f"_acme-challenge.www.{ZONE}"),
    ("* TXT somebody", f"_acme-challenge.www.{ZONE}"),
]


@pytest.mark.parametrize(("records", "owner"), WRITTEN_AT)
def test_what_is_followed(tmp_path: Path, records: str, owner: str) -> None:
    """A CNAME at the name itself, as the file's server shows it; never a wildcard's (rule 3)."""
    with internet(records, resolver=Silent()) as net:
        plan = planned(net, tmp_path / "flat.ini", flat(net), WWW)
    assert plan.problems == ()
    assert [each.target.owner for each in plan.planned] == [name(owner)]
    assert [each.target.zone.apex for each in plan.planned] == [name(ZONE)]


def test_a_name_below_a_cut_of_the_servers_zone_is_not_its_own(tmp_path: Path) -> None:
    """The server refers to others, who are asked as for any name."""
    with internet("www NS ns.www\nns.www A 192.0.2.1") as net:
        plan = planned(net, tmp_path / "flat.ini", flat(net), WWW)
    ((_, error),) = plan.problems
    assert "is not inside one of your delegates" in error.problem or "no resolver" in error.problem


def test_a_server_that_does_not_say_which_zones_it_has(tmp_path: Path) -> None:
    """A missing CNAME may not be the reason: how the server can be asked is said too."""
    with internet(own=Refusing()) as net:
        other = Challenge("none.customer.test", name("_acme-challenge.none.customer.test."), "v" * 43)
        plan = planned(net, tmp_path / "flat.ini", flat(net), other)
    ((_, error),) = plan.problems
    assert error.hint.startswith("add a CNAME at _acme-challenge.none.customer.test. that leads to a name your service")
    assert error.hint.endswith(
        "; or, if its server has the zone and refuses to say so: dns_delegate_rfc2136_sign_query = true, or"
        " dns_delegate_rfc2136_zone = the zone's name"
    )


# Servers that a section names


@pytest.mark.parametrize("provider", ["", "provider = httpreq\nurl = http://127.0.0.1:1\n"])
def test_a_zone_and_its_watched_servers_are_enough(tmp_path: Path, provider: str) -> None:
    """No server of the world is asked, and the resolver for the chain alone."""
    with internet() as net:
        text = section(net, f"zone = {ZONE}\nwatch_servers = {place(net)}\n", provider)
        zone = only_zone(planned(net, tmp_path / "d.ini", text, SHOP, authenticator="dns-delegate"))
        assert net["above.example.test."].questions == []
        assert all(question.qname.is_subdomain(SHOP.owner) for question in net.resolver.questions)
    assert (zone.apex, [server.address for server in zone.servers]) == (name(ZONE), [own(net)])


def test_watched_servers_where_the_world_cannot_be_asked(tmp_path: Path) -> None:
    """The published servers are silent; those of the section say which zone it is."""
    with internet("", above=Silent()) as net:
        text = section(net, f"watch_servers = {place(net)}\n")
        zone = only_zone(planned(net, tmp_path / "d.ini", text, SHOP, authenticator="dns-delegate"))
    assert (zone.apex, [server.address for server in zone.servers]) == (name(ZONE), [own(net)])


@pytest.mark.parametrize("watch", ["server", "none"])
def test_a_zone_that_nobody_watches_is_taken_as_it_is_named(tmp_path: Path, watch: str) -> None:
    """Of a service without DNS nobody is asked; of dynamic updates, the server that takes them."""
    with internet() as net:
        web = "provider = httpreq\nurl = http://127.0.0.1:1\n"
        text = section(net, f"zone = {ZONE}\nwatch = {watch}\n", web)
        plan = planned(net, tmp_path / "d.ini", text, SHOP, authenticator="dns-delegate")
        assert only_zone(plan) == Zone(name(ZONE), ())
        assert net.questions() == 0
        text = section(net, f"zone = {ZONE}\nwatch = {watch}\n")
        plan = planned(net, tmp_path / "d.ini", text, SHOP, authenticator="dns-delegate")
        assert only_zone(plan).apex == name(ZONE)
        assert net[f"own.{ZONE}"].questions != []
        assert net["above.example.test."].questions == []


def test_watched_servers_that_refuse(tmp_path: Path) -> None:
    """It is said what each of them said."""
    with internet(own=Refusing()) as net:
        text = section(net, f"zone = {ZONE}\nwatch_servers = {place(net)}\n")
        plan = planned(net, tmp_path / "d.ini", text, SHOP, authenticator="dns-delegate")
    ((_, error),) = plan.problems
    assert f"{place(net)} said REFUSED" in error.problem
