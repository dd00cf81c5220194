"""A resolver says that there is no CNAME: what the name's own servers have to say, and who is asked at all."""

from __future__ import annotations

import re
import time

import dns.flags
import dns.rcode
import dns.rrset
import pytest
from dns.rdataclass import IN
from dns.rdatatype import SOA

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.chain import Followed, Follower
from certbot_dns_delegate.model import Server as Address
from tests.servers import Behaviour, Lagging, Server, Silent
from tests.unit.internet import Internet, name, suffix_of

TITLE = "acme.example.test."
START = "_acme-challenge.shop.customer.test."
TARGET = f"shop.{TITLE}"
CNAME = f"_acme-challenge.shop CNAME {TARGET}"


class Remembering(Behaviour):
    """A resolver that denies one name out of its cache, or out of a zone of its own.

    :param ttl_s: the TTL of the SOA beside the denial, of which the seconds are taken that pass.
    """

    def __init__(self, ttl_s: int, *, grows_old: bool = True) -> None:
        self.ttl_s, self.grows_old, self.began = ttl_s, grows_old, time.monotonic()

    def answer(self, request, honest):  # type: ignore[no-untyped-def]  # as in tests.servers
        if request.qname != name(START):
            return honest(request)
        left = self.ttl_s - (int(time.monotonic() - self.began) if self.grows_old else 0)
        reply = request.reply(dns.rcode.NXDOMAIN)
        reply.flags |= dns.flags.RA
        soa = "ns hostmaster.customer.test. 1 3600 600 86400 60"
        reply.authority = [
            dns.rrset.from_text(name("customer.test."), left, IN, SOA, soa.replace("ns ", "ns.customer.test. "))
        ]
        return reply


def internet(text: str = CNAME, **behaviours: Behaviour) -> Internet:
    """A customer's zone on two servers, and a delegate."""
    hosts = {
        "ns1.customer.test.": {"customer.test.": text},
        "ns2.customer.test.": {"customer.test.": ""},
        "ns.example.test.": {"example.test.": "", TITLE: ""},
    }
    return Internet(hosts, **behaviours)


def at(server: Server) -> str:
    """A server as messages show it."""
    return str(Address(server.address, server.port))


def follow(net: Internet, **options: bool) -> Followed:
    """The chain as a plan follows it."""
    return Follower(net.recursive(), net.zones_of(TITLE, budget=1000), suffix_of(TITLE), **options).follow(name(START))


@pytest.mark.parametrize("ttl_s", [20, 60])
def test_remembered(ttl_s: int) -> None:
    """A "no" that grows older, or is younger than the zone's own, is a memory: the servers' CNAME counts."""
    with internet(resolver=Remembering(ttl_s)) as net:
        followed = follow(net)
    (alias,) = followed.chain.aliases
    assert (alias.target, followed.found is not None) == (name(TARGET), True)
    assert alias.remark.startswith(f"{at(net.resolver)} still remembers that {START} has no CNAME, for ")
    assert f"CNAME {TARGET}" in alias.remark


def test_two_views() -> None:
    """A "no" that does not grow older is another view of the DNS."""
    with internet(resolver=Remembering(60, grows_old=False)) as net, pytest.raises(LookupFailed) as caught:
        follow(net)
    assert caught.value.problem.startswith(f"{START} has two views: {at(net.resolver)} says that it has no CNAME; ")
    assert f"ns1.customer.test ({at(net['ns1.customer.test.'])})" in caught.value.problem
    assert caught.value.hint.startswith("name resolvers that see the public view")


def test_servers_that_do_not_agree() -> None:
    """Which answer the CA gets is chance: an error, with both, and the seconds that the resolver remembers."""
    with internet("", resolver=Remembering(20)) as net:
        net["ns2.customer.test."].behaviour = Lagging()
        net.zone("customer.test.").add("_acme-challenge.shop", 60, "CNAME", TARGET)
        with pytest.raises(LookupFailed) as caught:
            follow(net)
    told = {host: f"{host} ({at(net[f'{host}.'])})" for host in ("ns1.customer.test", "ns2.customer.test")}
    problem = re.sub(r" for (20|1\d) s more ", " for 20 s more ", caught.value.problem)  # a busy machine is slower
    assert problem == (
        f"the servers of customer.test. do not agree about {START}: {told['ns1.customer.test']}: CNAME {TARGET};"
        f" {told['ns2.customer.test']}: no CNAME; {at(net.resolver)} remembers for 20 s more that there is none"
    )


def test_no_cname_anywhere() -> None:
    """The servers confirm it: the end of the chain, as before."""
    with internet("") as net:
        followed = follow(net)
    assert (followed.chain.aliases, followed.exists, followed.denied_by) == ((), False, name("customer.test."))


def test_resolvers_view_alone() -> None:
    """Where no authoritative server can be asked, the resolver is believed."""
    with internet("") as net:
        assert follow(net, asks_origins=False).chain.aliases == ()
        assert not net["ns1.customer.test."].questions
    with internet("", ns1=Silent(), ns2=Silent()) as net:
        assert follow(net).chain.aliases == ()


def test_a_look_plants_nothing() -> None:
    """Asked only to look, no resolver hears of a name that has no CNAME yet, nor of one whose servers do not agree."""
    with internet("") as net:
        followed = follow(net, is_shy=True)
        assert (followed.chain.aliases, followed.exists) == ((), False)
        net["ns2.customer.test."].behaviour = Lagging()
        net.zone("customer.test.").add("_acme-challenge.shop", 60, "CNAME", TARGET)
        with pytest.raises(LookupFailed, match="do not agree about"):
            follow(net, is_shy=True)
        assert not [q for q in net.resolver.questions if q.qname.is_subdomain(name("shop.customer.test."))]
        net["ns2.customer.test."].behaviour = Behaviour()
        assert follow(net, is_shy=True).chain.target == name(TARGET)
        assert net.resolver.asked(START, "CNAME")


def test_a_look_where_port_53_is_blocked() -> None:
    """The resolver is asked where no server answers."""
    with internet(ns1=Silent(), ns2=Silent()) as net:
        assert follow(net, is_shy=True).chain.target == name(TARGET)
