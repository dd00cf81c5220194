"""Servers that have IPv4 alone, on a host that has IPv6 alone: through a NAT64, by the prefix that a resolver shows.

A resolver beside a NAT64 makes AAAA records for names that have none, but servers are also known by glue and from
authoritative servers, which do not. RFC 7050 finds the prefix, RFC 6052 says how an address is put behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.answer import addresses_at_end
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.sockets import has_route
from certbot_dns_delegate.lookup.step import Step, resolve, share
from certbot_dns_delegate.model import Server

KNOWN = dns.name.from_text("ipv4only.arpa.")
"""A name that has these two A records and no AAAA (RFC 7050 section 2.2); where it has AAAA, a NAT64's resolver made
them."""
ADDRESSES = {IPv4Address("192.0.0.170").packed, IPv4Address("192.0.0.171").packed}
PLACES = {
    96: (12, 13, 14, 15),
    64: (9, 10, 11, 12),
    56: (7, 9, 10, 11),
    48: (6, 7, 9, 10),
    40: (5, 6, 7, 9),
    32: (4, 5, 6, 7),
}
"""The octets that the IPv4 address takes behind a prefix of so many bits; octet 8 is zero (RFC 6052 section 2.2)."""


@dataclass(frozen=True)
class Prefix:
    """What a NAT64 puts in front of IPv4 addresses."""

    octets: bytes
    """Sixteen, zero where the address goes."""
    bits: int

    def address(self, ipv4: str) -> str:
        """The IPv6 address by which an IPv4 address is reached."""
        octets = bytearray(self.octets)
        for place, octet in zip(PLACES[self.bits], IPv4Address(ipv4).packed, strict=True):
            octets[place] = octet
        return str(IPv6Address(bytes(octets)))


def prefix_in(address: str) -> Prefix | None:
    """The prefix of an address of :data:`KNOWN`; None where no NAT64 made it."""
    octets = IPv6Address(address).packed
    for bits, places in PLACES.items():
        if bytes(octets[place] for place in places) in ADDRESSES and (bits == 96 or octets[8] == 0):
            kept = bytearray(16)
            kept[: bits // 8] = octets[: bits // 8]
            return Prefix(bytes(kept), bits)
    return None


def through_nat64(servers: Mapping[Name, Sequence[Server]]) -> Step[dict[Name, list[Server]]]:
    """The same servers, each with an address that this host has a route to, if a NAT64 gives it one.

    Nothing is asked where every server has an address with a route.
    """
    found = {host: list(its) for host, its in servers.items()}
    lacking = [its for its in found.values() if its and not any(has_route(server) for server in its)]
    if any(not server.is_ipv6 for its in lacking for server in its):
        prefix = yield from share(("NAT64",), _prefix)
        if prefix is not None:
            for its in lacking:
                its[:] = [s if s.is_ipv6 else replace(s, address=prefix.address(s.address)) for s in its]
    return found


def _prefix() -> Step[Prefix | None]:
    key = (KNOWN, RdataType.AAAA)
    reply = (yield from resolve([], [key])).get(key)
    if not isinstance(reply, Reply):
        return None
    addresses = addresses_at_end(reply)
    return next((prefix for address in addresses if (prefix := prefix_in(address)) is not None), None)
