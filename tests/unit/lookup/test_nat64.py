"""A host with IPv6 alone behind a NAT64 (RFC 7050, RFC 6052)."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from dns.rdatatype import TXT

from certbot_dns_delegate.lookup.answer import txt_in
from certbot_dns_delegate.lookup.nat64 import prefix_in
from certbot_dns_delegate.lookup.sockets import has_route
from certbot_dns_delegate.model import Server as ServerAddress
from tests.e2e.lab import namespace, network
from tests.servers import Server
from tests.unit.internet import PORT, Internet, name

# RFC 6052 section 2.4: 192.0.2.33 behind prefixes of each length.
EXAMPLES = [
    ("2001:db8::/32", "2001:db8:c000:aa::", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "2001:db8:1c0:0:aa::", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:0:aa00::", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:aa::", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:0:aa00::", "2001:db8:122:344:c0:2:2100::"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.0.170", "2001:db8:122:344::192.0.2.33"),
    ("64:ff9b::/96", "64:ff9b::192.0.0.171", "64:ff9b::192.0.2.33"),
]


@pytest.mark.parametrize(("prefix", "shown", "made"), EXAMPLES)
def test_addresses(prefix: str, shown: str, made: str) -> None:
    """The prefix is found in what the resolver shows, and an address is put behind it."""
    found = prefix_in(shown)
    assert found is not None, prefix
    assert found.bits == int(prefix.partition("/")[2])
    assert ServerAddress(found.address("192.0.2.33")) == ServerAddress(str(normal(made)))


def normal(address: str) -> str:
    """In its usual form."""
    return str(IPv6Address(address))


@pytest.mark.parametrize("address", ["2001:db8::1", "64:ff9b::192.0.2.1", "2001:db8:c000:aa:100::"])
def test_no_prefix(address: str) -> None:
    """What no NAT64 has made."""
    assert prefix_in(address) is None


UNROUTED, BEHIND = "203.0.113.5", "64:ff9b::203.0.113.5"


@pytest.mark.skipif(not namespace.inside(), reason="takes an address, which only the lab's own network lets it do")
def test_a_server_that_has_ipv4_alone() -> None:
    """It is asked by the address that the NAT64 has for it, wherever its own came from."""
    assert not has_route(ServerAddress(UNROUTED))
    network.add_ipv6(BEHIND)
    zones = {"customer.test.": "", "arpa.": "ipv4only AAAA 64:ff9b::192.0.0.170"}
    with Internet({"ns.customer.test.": zones, "ns.acme.test.": {"acme.test.": "shop TXT here"}}) as net:
        for zone in (net.zone("test."), net.zone("acme.test.")):
            zone.delete("ns.acme.test.", "A")
            zone.add("ns.acme.test.", 60, "A", UNROUTED)
        with Server([zone], address=BEHIND, port=PORT):
            found = net.zones_of("acme.test.").find(name("shop.acme.test."), name("acme.test."))
    assert found.reply.ask.server.address == normal(BEHIND)
    assert txt_in(found.reply.message, name("shop.acme.test.")).values == {"here"}
    assert found.reply.ask.question.rdtype == TXT
