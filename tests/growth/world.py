"""The internet in which an order grows: a hundred zones, a zone for each number of servers, a thousand lineages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from tests.e2e.lab import network
from tests.e2e.lab.certificates import Authority
from tests.e2e.lab.keys import Key
from tests.e2e.lab.knot import Knot
from tests.e2e.lab.named import Named, Zone
from tests.e2e.lab.pebble import Pebble
from tests.e2e.lab.process import Server
from tests.e2e.lab.unbound import Unbound

NAMES, ZONES, LINEAGES = 1600, 100, 1000
SERVERS = (1, 2, 4, 8, 16, 32, 64)
STATIC = (".", "test.", "customer.test.")
ACL = "  - id: wide\n    key: wide\n    action: update\n"


def zone(number: int) -> str:
    """One of a hundred, each at one server."""
    return f"z{number}.growth.test."


def served_by(count: int) -> str:
    """The zone that has so many servers."""
    return f"s{count}.growth.test."


def addresses(count: int) -> list[str]:
    """Of these servers: one Knot answers at all of them, so none lags behind another."""
    return [f"127.0.61.{number}" for number in range(1, count + 1)]


def targets() -> dict[str, str]:
    """Every certificate name, and where its CNAME leads."""
    return {
        **{f"n{number}.customer.test": f"n{number}.{zone(0)}" for number in range(NAMES)},
        **{f"z{number}.customer.test": f"z.{zone(number)}" for number in range(ZONES)},
        **{f"s{count}.customer.test": f"s.{served_by(count)}" for count in SERVERS},
        **{f"l{number}.customer.test": f"l{number}.{zone(0)}" for number in range(LINEAGES)},
    }


class World:
    """The servers; a context manager. Inside the lab's namespaces only."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.key = Key("wide")
        authority = Authority(self.directory / "authority")
        alone = [Zone(zone(n), _text(zone(n), {"ns.growth.test.": network.BIND}), OPTIONS) for n in range(ZONES)]
        many = {served_by(count): _text(served_by(count), _hosts(count)) for count in SERVERS}
        self.root = Named("root", self.directory, network.ROOT, [Zone(each, _static(each)) for each in STATIC])
        self.bind = Named("bind", self.directory, network.BIND, alone, [self.key])
        self.knot = Knot("knot", self.directory, network.KNOT, many, [self.key], ACL, dict.fromkeys(many, "wide"))
        listening = ", ".join(f"{each}@53" for each in (network.KNOT, *addresses(SERVERS[-1])))
        lines = self.knot.configuration.read_text().splitlines()
        at = next(number for number, line in enumerate(lines) if line.lstrip().startswith("listen:"))
        lines[at] = f"    listen: [{listening}]"
        self.knot.configuration.write_text("\n".join(lines) + "\n")
        self.unbound = Unbound(self.directory, network.RESOLVER, network.ROOT, authority, ". DS 1 8 2 " + "0" * 64)
        configuration = self.unbound.directory / "unbound.conf"
        kept = [line for line in configuration.read_text().splitlines(True) if "trust-anchor" not in line]
        configuration.write_text("".join(kept).replace("log-queries: yes", "log-queries: no"))
        self.ca = Pebble(self.directory, network.CA, authority, f"{network.RESOLVER}:53")
        self.servers: list[Server] = [self.root, self.bind, self.knot, self.ca, self.unbound]

    def __enter__(self) -> Self:
        try:
            for server in self.servers:
                server.start()
            for server in self.servers:
                server.wait()
        except BaseException:
            self.__exit__()
            raise
        self.unbound.flush()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.stop()

    def credentials(self, name: str, titles: Iterable[str], server: str) -> Path:
        """A file with a section for each title."""
        keys = (
            f'provider = rfc2136\nserver = {server}\ntsig_name = {self.key.name}\ntsig_secret = "{self.key.secret}"\n'
        )
        return private(self.directory / name, "".join(f"[{title.rstrip('.')}]\n{keys}" for title in titles))


OPTIONS = "allow-update { key wide; }; notify no;"


def private(path: Path, text: str) -> Path:
    """A file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def _hosts(count: int) -> dict[str, str]:
    return {f"ns{number}.{served_by(count)}": at for number, at in enumerate(addresses(count), 1)}


def _text(apex: str, hosts: dict[str, str]) -> str:
    lines = ["$TTL 3600", f"{apex} SOA {next(iter(hosts))} hostmaster.test. 1 3600 60 86400 30"]
    lines += [f"{apex} NS {host}" for host in hosts]
    lines += [f"{host} A {at}" for host, at in hosts.items() if host.endswith(apex) or apex in {".", "test."}]
    return "\n".join(lines) + "\n"


def _static(apex: str) -> str:
    lines = [_text(apex, {"ns.registry.test.": network.ROOT})]
    if apex == ".":
        lines += ["test. NS ns.registry.test."]
    elif apex == "test.":
        lines += ["customer.test. NS ns.registry.test.", f"ns.growth.test. A {network.BIND}"]
        lines += [f"{zone(number)} NS ns.growth.test." for number in range(ZONES)]
        for count in SERVERS:
            for host, at in _hosts(count).items():
                lines += [f"{served_by(count)} NS {host}", f"{host} A {at}"]
    else:
        lines += [f"_acme-challenge.{name}. CNAME {target}" for name, target in targets().items()]
    return "\n".join(lines) + "\n"
