"""The lab's DNS data: who serves which zone, and every record of the static zones, as tables."""

from collections.abc import Callable, Iterable, Mapping

from tests.e2e.lab import network

MINIMUM_S = 30  # SOA MINIMUM of every zone: what an early look at a resolver costs (RFC 2308 section 5)
TTL_S = 60

NAMESERVERS = {
    "ns.registry.test.": network.ROOT,
    "ns1.customer.test.": network.CUSTOMER,
    "ns1.links.test.": network.LINKS,
    "ns1.bind.test.": network.BIND,
    "ns2.bind.test.": network.LAGGING,  # the only one with an IPv6 address in DNS
    "ns3.bind.test.": network.NSD,
    "ns1.knot.test.": network.KNOT,
    "ns1.pdns.test.": network.POWERDNS,
    "ns2.pdns.test.": network.POWERDNS_LUA,
    "ns1.auth.acmedns.test.": network.ACME_DNS,
    "ns1.dead.test.": network.DEAD,
    "host.links.test.": network.STANDALONE,
}
BENCH = tuple(f"z{number}.bind.test." for number in range(10))
ALONE = tuple(f"s{number}.bind.test." for number in range(10))  # as many on one server

# Zone -> its NS set; the first is the primary.
ZONES: dict[str, tuple[str, ...]] = {
    ".": ("ns.registry.test.",),
    "test.": ("ns.registry.test.",),
    "customer.test.": ("ns1.customer.test.",),
    "links.test.": ("ns1.links.test.",),
    "bind.test.": ("ns1.bind.test.", "ns2.bind.test."),
    "acme.bind.test.": ("ns1.bind.test.", "ns2.bind.test.", "ns3.bind.test."),
    "fast.bind.test.": ("ns1.bind.test.", "ns2.bind.test."),
    "single.bind.test.": ("ns1.bind.test.",),
    "narrow.bind.test.": ("ns1.bind.test.",),
    "signed.bind.test.": ("ns1.bind.test.", "ns2.bind.test."),
    "plain.bind.test.": ("ns1.bind.test.",),
    **dict.fromkeys(BENCH, ("ns1.bind.test.", "ns2.bind.test.")),
    **dict.fromkeys(ALONE, ("ns1.bind.test.",)),
    "corp.test.": ("ns1.bind.test.",),
    "_acme-challenge.ns.customer.test.": ("ns1.bind.test.",),
    "knot.test.": ("ns1.knot.test.",),
    "acme.knot.test.": ("ns1.knot.test.",),
    "pdns.test.": ("ns1.pdns.test.",),
    "acme.pdns.test.": ("ns1.pdns.test.",),
    "lua.pdns.test.": ("ns2.pdns.test.",),
    "auth.acmedns.test.": ("ns1.auth.acmedns.test.",),
    "stand.test.": ("host.links.test.",),  # answered by whoever listens there for the time of a test
    "dead.test.": ("ns1.dead.test.",),  # delegated to an address where nothing listens
    "lame.test.": ("ns1.customer.test.",),  # delegated to a server that refuses it
}
# Zones that nobody can update.
STATIC = {
    ".",
    "test.",
    "customer.test.",
    "links.test.",
    "bind.test.",
    "knot.test.",
    "pdns.test.",
    "dead.test.",
}
STATIC |= {"lame.test.", "auth.acmedns.test.", "stand.test."}
DYNAMIC = tuple(zone for zone in ZONES if zone not in STATIC)

# Certificate name -> the target of its _acme-challenge CNAME.
ALIASES = {
    "shop.customer.test": "shop.links.test.",  # three links: here, links.test, knot.test
    "bind.customer.test": "bind.acme.bind.test.",
    "fast.customer.test": "fast.fast.bind.test.",
    "single.customer.test": "single.single.bind.test.",
    "narrow.customer.test": "web1.narrow.bind.test.",
    "quota.customer.test": "quota.narrow.bind.test.",
    "signed.customer.test": "signed.signed.bind.test.",
    "corp.customer.test": "corp.acme.corp.test.",
    "knot.customer.test": "knot.acme.knot.test.",
    "knot-web1.customer.test": "web1.acme.knot.test.",
    "stand.customer.test": "stand.stand.test.",
    "pdns.customer.test": "pdns.acme.pdns.test.",
    "lua.customer.test": "web1.lua.pdns.test.",
    "acmedns.customer.test": "8e5700ea-a4bf-41c7-8a77-e990661dcc6a.auth.acmedns.test.",
    "xn--bcher-kva.customer.test": "xn--bcher-kva.acme.bind.test.",
    "MiXed.customer.test": "MiXeD.AcMe.BiNd.TeSt.",
    "apex.customer.test": "acme.bind.test.",
    "twin-a.customer.test": "twin.acme.bind.test.",
    "twin-b.customer.test": "twin.acme.bind.test.",
    "loop.customer.test": "loop.links.test.",
    "self.customer.test": "_acme-challenge.self.customer.test.",
    "eight.customer.test": "eight-1.links.test.",
    "nine.customer.test": "nine-1.links.test.",
    "dead.customer.test": "dead.acme.dead.test.",  # the zone's servers do not answer
    "lame.customer.test": "lame.acme.lame.test.",  # the zone's server refuses
    "missing.customer.test": "missing.acme.nosuch.test.",  # the zone does not exist
    "outside.customer.test": "target.links.test.",  # exists, in nobody's delegate
    **{f"n{number:03}.customer.test": f"n{number:03}.acme.bind.test." for number in range(100)},
    **{f"m{number:03}.customer.test": f"m{number:03}.{BENCH[number % 10]}" for number in range(100)},
}


def customer_records() -> dict[str, str]:
    """The customer's zone, owner name -> rdata with its type; names without _acme-challenge exist too."""
    return {
        **{f"_acme-challenge.{name}.": f"CNAME {target}" for name, target in ALIASES.items()},
        "dname.customer.test.": "DNAME dname.acme.bind.test.",
        "*.wildin.customer.test.": "CNAME wildin.acme.bind.test.",
        "*.wildout.customer.test.": "CNAME target.links.test.",
        "_acme-challenge.txt.customer.test.": 'TXT "a value of the customer\'s own"',
        "none.customer.test.": f"A {network.CUSTOMER}",
    }


def chain(name: str, links: int, end: str) -> dict[str, str]:
    """LINKS CNAMEs in links.test, from NAME-1 on to END."""
    owners = [f"{name}-{number}.links.test." for number in range(1, links + 1)]
    return {owner: f"CNAME {target}" for owner, target in zip(owners, [*owners[1:], end], strict=True)}


# Records beside SOA, NS, addresses and delegations: zone -> {owner name: rdata with its type}.
CONTENT: dict[str, dict[str, str]] = {
    "links.test.": {
        "host.links.test.": f"A {network.STANDALONE}",
        "shop.links.test.": "CNAME shop.knot.test.",
        "loop.links.test.": "CNAME _acme-challenge.loop.customer.test.",
        "target.links.test.": 'TXT "somebody else\'s"',
        **chain("eight", 7, "eight.acme.bind.test."),  # with the customer's own: eight
        **chain("nine", 8, "nine.acme.bind.test."),
    },
    "knot.test.": {"shop.knot.test.": "CNAME shop.acme.bind.test."},
    # Names inside a delegate that are aliases themselves: one real, one synthesised from a wildcard.
    "single.bind.test.": {
        "_acme-challenge.out.single.bind.test.": "CNAME target.links.test.",
        "*.wild.single.bind.test.": "CNAME target.links.test.",
    },
}


class Internet:
    """The zones' text, with PUBLIC giving the address at which the world sees a server."""

    def __init__(self, public: Callable[[str], str], ipv6: bool) -> None:
        self.public = public
        self.ipv6 = ipv6
        self.ds: dict[str, str] = {}  # zone -> rdata of its DS

    def text(self, zone: str, records: Mapping[str, str] | None = None, serial: int = 1) -> str:
        """A zone file: SOA, NS, delegations with glue, and RECORDS (default: the table above)."""
        children = [child for child in ZONES if parent(child) == zone]
        names = sorted({name for served in (zone, *children) for name in ZONES[served]})
        lines = [
            f"$TTL {TTL_S}",
            f"{zone} SOA {ZONES[zone][0]} hostmaster.test. {serial} 3600 60 86400 {MINIMUM_S}",
            *(f"{served} NS {name}" for served in (zone, *children) for name in ZONES[served]),
            *(f"{child} DS {self.ds[child]}" for child in children if child in self.ds),
            *self.addresses(name for name in names if is_below(name, zone)),
            *(f"{owner} {rdata}" for owner, rdata in (CONTENT.get(zone, {}) if records is None else records).items()),
        ]
        return "\n".join(lines) + "\n"

    def addresses(self, names: Iterable[str]) -> Iterable[str]:
        """Address records of servers."""
        for name in names:
            yield f"{name} A {self.public(NAMESERVERS[name])}"
            if self.ipv6 and name == "ns2.bind.test.":
                yield f"{name} AAAA {network.IPV6[NAMESERVERS[name]]}"


def is_below(name: str, zone: str) -> bool:
    """Whether NAME is ZONE or below it."""
    return zone in (".", name) or name.endswith("." + zone)


def parent(zone: str) -> str | None:
    """The zone of this lab that delegates ZONE."""
    above = [other for other in ZONES if other != zone and is_below(zone, other)]
    return max(above, key=len, default=None)


def primary(zone: str) -> str:
    """The real address of a zone's primary."""
    return NAMESERVERS[ZONES[zone][0]]
