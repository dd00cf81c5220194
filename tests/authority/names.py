"""The zones the tests serve: one whose server is inside it, one below that, one whose server is elsewhere."""

import dns.name

from certbot_dns_delegate.authority.zone import ServedZone, ServedZones

VALUES = [letter * 43 for letter in "abc"]


def name(text: str) -> dns.name.Name:
    return dns.name.from_text(text)


INSIDE = ServedZone(
    name("acme.example.net"),
    {name("ns.acme.example.net"): ["192.0.2.1", "2001:db8::1"]},
    {
        name("shop.acme.example.net"): VALUES[:1],
        name("deep.down.acme.example.net"): VALUES[:2],
        name("many.acme.example.net"): [f"{number:043}" for number in range(100)],
        name("some.acme.example.net"): [f"{number:043}" for number in range(12)],
    },
)
BELOW = ServedZone(
    name("child.gap.acme.example.net"),
    {name("ns.elsewhere.example"): []},
    {name("child.gap.acme.example.net"): VALUES},
)
OUTSIDE = ServedZone(
    name("Second.Example.ORG"),
    {name("ns1.elsewhere.example"): [], name("ns2.elsewhere.example"): []},
    {name("long.second.example.org"): ["v" * 600]},
)
ZONES = ServedZones([INSIDE, BELOW, OUTSIDE])
