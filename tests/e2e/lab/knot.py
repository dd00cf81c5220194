"""Knot DNS: delegate zones with its own access rules, and the operator in the middle of chains."""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.e2e.lab import network, programs
from tests.e2e.lab.keys import Key
from tests.e2e.lab.process import Server, ServerError, is_authoritative


class Knot(Server):
    """One knotd; ACL is the text of knot.conf's acl section, GRANTS the rules that each zone uses."""

    def __init__(
        self,
        name: str,
        directory: Path,
        address: str,
        zones: Mapping[str, str],
        keys: Iterable[Key] = (),
        acl: str = "",
        grants: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, directory, address)
        self.zones = tuple(zones)
        grants = grants or {}
        v6 = network.IPV6.get(address) if network.has_ipv6() else None
        (self.directory / "db").mkdir()  # without it Knot starts, and answers every UPDATE with SERVFAIL
        lines = []
        for zone, text in zones.items():
            file = self.write(f"{zone.strip('.')}.zone", text)
            rules = ", ".join(filter(None, ("transfer", grants.get(zone))))
            lines.append(f"  - domain: {zone}\n    file: {file}\n    acl: [{rules}]\n")
        self.configuration = self.write(
            "knot.conf",
            f"""server:
    rundir: {self.directory}
    listen: [{address}@53{f", {v6}@53" if v6 else ""}]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: {self.log}
    any: info
database:
    storage: {self.directory}/db
key:
{"".join(key.knot() for key in keys)}acl:
  - id: transfer
    address: [127.0.0.0/8, fd53::/64]
    action: transfer
{acl}template:
  - id: default
    storage: {self.directory}
    zonefile-load: difference
    zonefile-sync: -1
    journal-content: changes
zone:
{"".join(lines)}""",
        )
        self.command = [programs.path("knotd"), "-c", str(self.configuration)]

    def is_ready(self) -> bool:
        """Every zone is answered with authority."""
        return all(is_authoritative(self.address, zone) for zone in self.zones)

    def control(self, *arguments: str) -> str:
        """Run knotc, for example ``control("zone-freeze", "acme.knot.test")``."""
        command = [programs.path("knotc"), "-b", "-c", str(self.configuration), *arguments]
        done = subprocess.run(command, env=programs.environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerError(f"knotc {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


def is_terse() -> bool:
    """Whether Knot denies without saying why, and leaves an UPDATE of a frozen zone waiting: since 3.4."""
    return programs.version("knotd", "-V") >= (3, 4)
