"""The internet of the matrix: a zone for each cell, at real servers behind relays, a caching resolver and a CA."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.lab import named, network
from tests.e2e.lab.certificates import Authority
from tests.e2e.lab.keys import Key
from tests.e2e.lab.knot import Knot
from tests.e2e.lab.named import Named, Zone
from tests.e2e.lab.nsd import Nsd
from tests.e2e.lab.pebble import Pebble
from tests.e2e.lab.powerdns import PowerDns
from tests.e2e.lab.process import Server, ServerError
from tests.e2e.lab.unbound import Unbound
from tests.faults.matrix import Cell

NAMES = 5
"""Certificate names for each cell; they are used in turn, so that a cache may hold what an order before had there."""
FOREIGN_TTL = 2
"""Seconds; an order waits for the TTL of a foreign value."""
KNOT_ACL = "  - id: wide\n    key: wide\n    action: update\n"
REAL = {"bind": network.BIND, "nsd": network.BIND, "knot": network.KNOT, "powerdns": network.POWERDNS}
"""Where each takes updates, behind the relay."""


def subdomain(cell: Cell, number: int) -> str:
    """The label of an acme-dns account."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{number}.{cell.zone}"))


def target(cell: Cell, number: int) -> str:
    """Where the CNAME of a certificate name leads."""
    return f"{subdomain(cell, number) if cell.server == 'acme-dns' else f'n{number}'}.{cell.zone}"


def name(cell: Cell, number: int) -> str:
    """A certificate name of a cell."""
    return f"n{number}.{cell.label}.customer.test"


def foreign(cell: Cell, number: int) -> list[str]:
    """Somebody else's values at a target: at some one, and where the answer must be long nine."""
    if cell.server in {"acme-dns", "standalone"}:
        return []
    if cell.fault == "tcp-closed" and number % 2:
        return [f"theirs-{each}-{'x' * 50}" for each in range(9)]
    return ["theirs"] if number == NAMES - 1 else []


class World:
    """The servers; a context manager. Inside the lab's namespaces only."""

    def __init__(self, directory: Path, cells: Sequence[Cell]) -> None:
        self.directory = directory.resolve()
        (self.directory / "keys").mkdir(parents=True)
        self.cells = tuple(cells)
        self.key = Key("wide")
        self.authority = Authority(self.directory / "authority")
        self.ds = {cell.parent: self._ds(cell) for cell in cells if cell.is_signed}
        self.root = Named("root", self.directory, network.ROOT, [Zone(each, self._static(each)) for each in STATIC])
        self.servers: list[Server] = [self.root]
        self._add_real()
        anchors = [f"{zone} DS {ds}" for zone, ds in self.ds.items()] or [". DS 1 8 2 " + "0" * 64]
        self.unbound = Unbound(
            self.directory, network.RESOLVER, network.ROOT, self.authority, '"\n  trust-anchor: "'.join(anchors)
        )
        self._configure_resolver()
        self.ca = Pebble(self.directory, network.CA, self.authority, f"{network.RESOLVER}:53")
        self.servers += [self.ca, self.unbound]

    def _configure_resolver(self) -> None:
        """Many connections at once, since the CA opens three for each order; no anchor where nothing is signed."""
        configuration = self.unbound.directory / "unbound.conf"
        text = configuration.read_text().replace("server:\n", "server:\n  incoming-num-tcp: 300\n", 1)
        lines = [line for line in text.splitlines() if self.ds or "trust-anchor" not in line]
        configuration.write_text("\n".join(lines) + "\n")

    def _ds(self, cell: Cell) -> str:
        right = named.make_key(self.directory / "keys", cell.parent)
        wrong = named.make_key(self.directory / "other-keys", cell.parent)
        return (wrong if cell.fault == "bogus" else right).to_text()

    def _add_real(self) -> None:
        def zones(*servers: str) -> dict[str, str]:
            mine = [cell for cell in self.cells if cell.server in servers]
            return {zone: self.text(cell, zone) for cell in mine for zone in dict.fromkeys((cell.parent, cell.zone))}

        secondary = [cell.parent for cell in self.cells if cell.server == "nsd"]
        options = "allow-update { key wide; }; notify explicit; notify-delay 0;"
        made = []
        for zone, text in zones("bind", "nsd").items():
            signing = ' dnssec-policy "lab"; inline-signing no;' if zone in self.ds else ""
            notify = f" also-notify {{ {network.NSD}; }};" if zone in secondary else ""
            made.append(Zone(zone, text, f"{options}{signing}{notify}"))
        if made:
            self.servers.append(Named("bind", self.directory, network.BIND, made, [self.key]))
        if secondary:
            self.servers.append(Nsd("nsd", self.directory, network.NSD, {}, secondary, network.BIND))
        if at_knot := zones("knot"):
            grants = dict.fromkeys(at_knot, "wide")
            self.servers.append(Knot("knot", self.directory, network.KNOT, at_knot, [self.key], KNOT_ACL, grants))
        if at_powerdns := zones("powerdns"):
            grants = dict.fromkeys(at_powerdns, "wide")
            powerdns = PowerDns("powerdns", self.directory, network.POWERDNS, at_powerdns, [self.key], grants)
            # It has no secondary here; to find whom to notify it would ask the CA's resolver for names whose servers
            # are not up yet.
            configuration = powerdns.directory / "pdns.conf"
            configuration.write_text(configuration.read_text().replace("primary=yes", "primary=no"))
            self.servers.append(powerdns)

    def text(self, cell: Cell, zone: str) -> str:
        """A zone of a cell: its servers, and the foreign values at its targets."""
        lines = self._apex(zone, self._servers(cell))
        if zone == cell.zone:
            for number in range(NAMES):
                owner = target(cell, number)
                lines += [f'{owner} {FOREIGN_TTL} TXT "{value}"' for value in foreign(cell, number)]
        return "\n".join(lines) + "\n"

    def _servers(self, cell: Cell) -> dict[str, str]:
        return {f"ns{number}.{cell.parent}": address for number, address in enumerate(cell.addresses, 1)}

    def _apex(self, zone: str, servers: dict[str, str]) -> list[str]:
        return [
            "$TTL 60",
            f"{zone} SOA {next(iter(servers))} hostmaster.test. 1 3600 60 86400 30",
            *(f"{zone} NS {host}" for host in servers),
            *(f"{host} A {address}" for host, address in servers.items() if host.endswith(zone)),
        ]

    def _static(self, zone: str) -> str:
        lines = self._apex(zone, {"ns.registry.test.": network.ROOT})
        if zone == ".":
            lines += ["test. NS ns.registry.test."]
        elif zone == "test.":
            lines += ["customer.test. NS ns.registry.test."]
            for cell in self.cells:
                for host, address in self._servers(cell).items():
                    lines += [f"{cell.parent} NS {host}", f"{host} A {address}"]
            lines += [f"{parent} DS {ds}" for parent, ds in self.ds.items()]
        else:
            for cell in self.cells:
                for number in range(NAMES):
                    lines.append(f"_acme-challenge.{name(cell, number)}. CNAME {target(cell, number)}")
        return "\n".join(lines) + "\n"

    def __enter__(self) -> Self:
        try:
            for server in self.servers:
                if isinstance(server, Nsd):
                    next(each for each in self.servers if each.name == "bind").wait()
                if isinstance(server, Unbound):
                    self.root.wait()
                server.start()
            for server in self.servers:
                wait(server)
        except BaseException:
            self.stop()
            raise
        self.unbound.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop every server."""
        for server in self.servers:
            if server.process is not None:
                server.process.terminate()
        for server in self.servers:
            server.stop()


STATIC = (".", "test.", "customer.test.")
TRIES = 6


def wait(server: Server) -> None:
    """As ``server.wait``, for longer: a secondary of many zones takes its time for the first transfers."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(ServerError):
            return server.wait()
    return server.wait()
