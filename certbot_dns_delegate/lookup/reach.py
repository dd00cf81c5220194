"""How far an address reaches: what a stranger's record may make this host ask."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from certbot_dns_delegate.model import Server

MOST_OF_A_HOST = 4
"""Addresses of one name server that are asked on the way to a zone, two of each family where it has both."""


class Reach(IntEnum):
    """The network that an address belongs to."""

    HOST = 0
    """This host itself, or no single host: loopback, unspecified, multicast, broadcast."""
    SITE = 1
    """This site: RFC 1918, RFC 4193, RFC 6598 and link-local."""
    WORLD = 2


SITE = [
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7")
]


@lru_cache(maxsize=4096)
def reach(address: str) -> Reach:
    """How far ``address`` reaches."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback or ip.is_unspecified or ip.is_multicast or int(ip) == 2**32 - 1 or int(ip) >> 24 == 0:
        return Reach.HOST
    return Reach.SITE if ip.is_link_local or any(ip in network for network in SITE) else Reach.WORLD


def outward(servers: Iterable[Server]) -> list[Server]:
    """Those with the widest reach. Beside an address that the world can ask, an inner one is of no use to a CA."""
    found = list(servers)
    widest = max((reach(server.address) for server in found), default=Reach.WORLD)
    return [server for server in found if reach(server.address) is widest]


def few(servers: Sequence[Server]) -> list[Server]:
    """At most :data:`MOST_OF_A_HOST` addresses of each host, and of both families where there are."""
    if len(servers) <= MOST_OF_A_HOST:
        return list(servers)
    by_host: dict[str, list[Server]] = defaultdict(list)
    for server in servers:
        # A server that was configured by address counts by itself.
        by_host[server.name or server.address].append(server)
    chosen: set[Server] = set()
    for its in by_host.values():
        old = [server for server in its if not server.is_ipv6]
        new = [server for server in its if server.is_ipv6]
        kept = max(MOST_OF_A_HOST // 2, MOST_OF_A_HOST - len(new))
        chosen.update(old[:kept])
        chosen.update(new[: MOST_OF_A_HOST - len(old[:kept])])
    return [server for server in servers if server in chosen]
