"""A little internet for one test: a resolver, and name servers that hold the zones they are told."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Self

import dns.name
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import pytest

from certbot_dns_delegate.lookup.cut import Budget
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Server as ServerAddress
from tests.servers import Behaviour, Server, Zone, fresh_address


def name(text: str) -> dns.name.Name:
    """An absolute name."""
    return dns.name.from_text(text)


def free_port() -> int:
    """One that nobody has on any address, above those that need privileges, below those that clients get."""
    while True:
        port = random.randrange(10_000, 32_768)
        with contextlib.suppress(OSError), socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("", port))
            udp.bind(("", port))
            return port


PORT = free_port()
"""Where every name server listens: 53 needs privileges."""


class Internet:
    """The zones of each name server by its host name; a zone on several servers is one zone.

    NS, glue and delegations follow from who serves what; a test that wants them otherwise changes `zone(apex)`.
    `test.` is served by `ns.test.` unless told otherwise. Every server has an address of its own.
    The resolver knows all zones without asking anybody.

    :param port: of all name servers.
    :param behaviours: by host name, or `resolver`.
    """

    def __init__(self, hosts: Mapping[str, Mapping[str, str]], port: int = PORT, **behaviours: Behaviour) -> None:
        hosts = {"ns.test.": {"test.": ""}, **hosts}
        self.zones: dict[dns.name.Name, Zone] = {}
        for served in hosts.values():
            for apex, text in served.items():
                if name(apex) not in self.zones or text:
                    servers = "".join(f"@ NS {host}\n" for host, its in hosts.items() if apex in its)
                    self.zones[name(apex)] = Zone(apex, servers + text)
        self.addresses = {host: fresh_address() for host in hosts}
        self.servers: dict[str, Server] = {}
        for host, served in hosts.items():
            zones = [self.zones[name(apex)] for apex in served]
            behaviour = behaviours.get(host.split(".")[0])
            self.servers[host] = Server(zones, address=self.addresses[host], port=port, behaviour=behaviour)
        self.resolver = Server(self.zones.values(), recursive=True, port=port, behaviour=behaviours.get("resolver"))
        for apex, zone in self.zones.items():
            if (parent := self._parent(apex)) is not None:
                parent.put(apex, zone.get(apex, "NS"))
        for host, address in self.addresses.items():
            for zone in self.zones.values():
                if name(host).is_subdomain(zone.origin):
                    zone.add(host, 60, "A", address)
        self._stack = contextlib.ExitStack()

    def _parent(self, apex: dns.name.Name) -> Zone | None:
        above = [z for origin, z in self.zones.items() if apex != origin and apex.is_subdomain(origin)]
        return max(above, key=lambda zone: len(zone.origin), default=None)

    def zone(self, apex: str) -> Zone:
        """The zone with that apex."""
        return self.zones[name(apex)]

    def __getitem__(self, host: str) -> Server:
        return self.servers[host]

    def __enter__(self) -> Self:
        for server in (self.resolver, *self.servers.values()):
            self._stack.enter_context(server)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def shown(self, host: str) -> str:
        """A name server as the sentences show it."""
        return str(ServerAddress(self.addresses[host], PORT, host.removesuffix(".")))

    def recursive(self) -> Recursive:
        """Ours, asking the resolver."""
        return Recursive([resolver(self.resolver)])

    def zones_of(self, *suffixes: str, budget: int = 200) -> Zones:
        """Ours, for delegates with these titles."""
        return Zones(self.recursive(), suffix_of(*suffixes), Budget(budget), PORT)

    def assert_not_asked_inside(self, *suffixes: str) -> None:
        """No question at the resolver was about a name at or below these suffixes (rule 5)."""
        inside = [q for q in self.resolver.questions for s in suffixes if q.qname.is_subdomain(name(s))]
        assert not inside, inside

    def questions(self) -> int:
        """How many names and types all authoritative servers were asked for.

        A question without a reply in half a second goes to another server too, and a busy machine takes that long.
        """
        return len({(q.qname, q.qtype) for server in self.servers.values() for q in server.questions})


def suffix_of(*suffixes: str):  # type: ignore[no-untyped-def]  # a function of the names
    """The function that finds the delegate of a name."""
    names = [name(suffix) for suffix in suffixes]
    return lambda owner: max((s for s in names if owner.is_subdomain(s)), key=len, default=None)


def link_local() -> str:
    """A link-local address of this host, with its interface; the lab has one."""
    for line in Path("/proc/net/if_inet6").read_text().splitlines():
        octets, *_, device = line.split()
        if octets.startswith("fe80"):
            return f"{IPv6Address(bytes.fromhex(octets))}%{device}"
    pytest.skip("no interface has a link-local address")


def resolver(server: Server) -> Resolver:
    """A test server as a resolver of ours."""
    return Resolver(ServerAddress(server.address, server.port))
