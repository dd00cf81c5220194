"""The internet of the comparison: a zone for each tool at one BIND, a secondary that lags, a caching resolver, a CA."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import dns.name
import dns.query
import dns.rdatatype
import dns.update
import dns.zone

from tests.e2e.lab import network
from tests.e2e.lab.certificates import Authority
from tests.e2e.lab.keys import Key
from tests.e2e.lab.named import Named, Zone
from tests.e2e.lab.pebble import Pebble
from tests.e2e.lab.process import INTERVAL_S, PATIENCE_S, Server, ServerError, ask
from tests.e2e.lab.unbound import Unbound

ATTEMPTS, NAMES = 64, 100
"""Orders that a tool can have, and names in each: none is used twice, so no cache holds anything about it."""
NOTIFY_DELAY_S = 5
"""Seconds for which BIND puts off its next NOTIFY for a zone: its default (BIND's manual, notify-delay)."""
STATIC = (".", "test.", "customer.test.")
RESOLVERS = {"of-the-tools": network.RESOLVER, "of-the-ca": network.DROPIN["resolver"]}
HOSTS = {"ns1.peers.test.": network.BIND, "ns2.peers.test.": network.LAGGING}


def zone(tool: str) -> str:
    """Where a tool writes."""
    return f"{tool}.peers.test."


def name(tool: str, attempt: int, number: int, *, is_direct: bool) -> str:
    """A certificate name; a direct one is in the zone itself."""
    return f"n{number}-{attempt}.{tool}.{'peers' if is_direct else 'customer'}.test"


class World:
    """The servers; a context manager. Inside the lab's namespaces only."""

    def __init__(self, directory: Path, tools: Sequence[str]) -> None:
        self.directory = directory.resolve()
        self.keys = {tool: Key(tool) for tool in tools}
        authority = Authority(self.directory / "authority")
        options = f"notify explicit; also-notify {{ {network.LAGGING}; }}; notify-delay {NOTIFY_DELAY_S};"
        primary = [
            Zone(zone(tool), self._dynamic(tool), f"allow-update {{ key {tool}; }}; {options}") for tool in tools
        ]
        secondary = [Zone(each.name, each.text, "notify no;", network.BIND) for each in primary]
        self.root = Named("root", self.directory, network.ROOT, [Zone(each, self._static(each)) for each in STATIC])
        self.primary = Named("primary", self.directory, network.BIND, primary, self.keys.values())
        self.secondary = Named("secondary", self.directory, network.LAGGING, secondary)
        # The tools' resolver and the CA's remember nothing for one another, as on the Internet.
        self.resolvers = [_resolver(self.directory / each, at, authority) for each, at in RESOLVERS.items()]
        self.ca = Pebble(self.directory, network.CA, authority, f"{RESOLVERS['of-the-ca']}:53")
        self.servers: list[Server] = [self.root, self.primary, self.secondary, self.ca, *self.resolvers]

    def _dynamic(self, tool: str) -> str:
        return "\n".join(_apex(zone(tool), HOSTS)) + "\n"

    def _static(self, apex: str) -> str:
        lines = _apex(apex, {"ns.registry.test.": network.ROOT})
        if apex == ".":
            lines += ["test. NS ns.registry.test."]
        elif apex == "test.":
            lines += ["customer.test. NS ns.registry.test.", *(f"{host} A {at}" for host, at in HOSTS.items())]
            lines += [f"{zone(tool)} NS {host}" for tool in self.keys for host in HOSTS]
        else:
            for tool in self.keys:
                for attempt in range(ATTEMPTS):
                    for number in range(NAMES):
                        owner = name(tool, attempt, number, is_direct=False)
                        lines.append(f"_acme-challenge.{owner}. CNAME n{number}-{attempt}.{zone(tool)}")
        return "\n".join(lines) + "\n"

    def __enter__(self) -> Self:
        try:
            for server in self.servers:
                server.start()
            for server in self.servers:
                server.wait()
        except BaseException:
            self.stop()
            raise
        for resolver in self.resolvers:
            resolver.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop every server."""
        for server in self.servers:
            server.stop()

    def lag(self, tool: str) -> None:
        """Change the zone, and return when the secondary has heard of it: the next change waits for the next NOTIFY."""
        update = dns.update.UpdateMessage(zone(tool), keyring=self.keys[tool].dnspython())
        update.replace(f"beacon.{zone(tool)}", 60, "A", "192.0.2.1")
        update.replace(f"beacon.{zone(tool)}", 60, "TXT", str(time.time_ns()))
        dns.query.tcp(update, network.BIND, timeout=10)
        deadline = time.monotonic() + PATIENCE_S
        while _serial(tool, network.BIND) != _serial(tool, network.LAGGING):
            if time.monotonic() > deadline:
                raise ServerError(f"the secondary does not follow: {self.secondary.last_words()}")
            time.sleep(INTERVAL_S)

    def updates(self, tool: str) -> int:
        """How many UPDATEs BIND has let pass for the key of a tool since its start; one was the last beacon."""
        return self.primary.log.read_text(errors="replace").count(f'signer "{tool}" approved')

    def left(self, tool: str) -> int:
        """TXT records in the zone of a tool, without the beacon's."""
        axfr = dns.query.xfr(network.BIND, zone(tool), relativize=False, lifetime=30)
        content = dns.zone.from_xfr(axfr, relativize=False)
        found = content.iterate_rdatasets(dns.rdatatype.TXT)
        return sum(len(rdataset) for owner, rdataset in found if owner.labels[0] != b"beacon")


def _resolver(directory: Path, address: str, authority: Authority) -> Unbound:
    """A caching Unbound that validates nothing, with room for the three connections that the CA opens for each name."""
    made = Unbound(directory, address, network.ROOT, authority, ". DS 1 8 2 " + "0" * 64)
    configuration = made.directory / "unbound.conf"
    text = configuration.read_text().replace("server:\n", "server:\n  incoming-num-tcp: 300\n", 1)
    configuration.write_text("".join(line for line in text.splitlines(True) if "trust-anchor" not in line))
    return made


def _apex(apex: str, hosts: dict[str, str]) -> Iterable[str]:
    lines = ["$TTL 60", f"{apex} SOA {next(iter(hosts))} hostmaster.test. 1 3600 60 86400 30"]
    lines += [f"{apex} NS {host}" for host in hosts]
    return lines + [
        f"{host} A {address}" for host, address in hosts.items() if host.endswith(f".{apex}") or apex == "."
    ]


def _serial(tool: str, address: str) -> int:
    reply = ask(address, zone(tool))
    return int(reply.answer[0][0].serial) if reply is not None and reply.answer else 0
