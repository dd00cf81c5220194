"""PowerDNS with SQLite, dynamic update and its HTTP API; its database is made before it starts."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import dns.zone

from tests.e2e.lab import network, programs
from tests.e2e.lab.keys import Key, new_secret
from tests.e2e.lab.process import Server, is_authoritative

API_PORT = 8081


class PowerDns(Server):
    """One pdns_server; GRANTS: zone -> key that may update it; POLICY: a Lua script deciding instead."""

    def __init__(
        self,
        name: str,
        directory: Path,
        address: str,
        zones: Mapping[str, str],
        keys: Iterable[Key],
        grants: Mapping[str, str],
        policy: str | None = None,
    ) -> None:
        super().__init__(name, directory, address)
        self.zones = tuple(zones)
        self.api = f"http://{address}:{API_PORT}"
        self.api_key = new_secret()
        self.fill(zones, keys, grants)
        v6 = network.IPV6.get(address) if network.has_ipv6() else None
        lua = f"lua-dnsupdate-policy-script={self.write('policy.lua', policy)}" if policy else ""
        self.write(
            "pdns.conf",
            f"""module-dir={programs.pdns_modules()}
launch=gsqlite3
gsqlite3-database={self.directory}/db
local-address={address}{f", {v6}" if v6 else ""}
socket-dir={self.directory}
dnsupdate=yes
allow-dnsupdate-from=
{lua}
primary=yes
allow-axfr-ips=127.0.0.0/8,fd53::/64
security-poll-suffix=
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
receiver-threads=1
distributor-threads=1
api=yes
api-key={self.api_key}
webserver=yes
webserver-address={address}
webserver-port={API_PORT}
webserver-allow-from=127.0.0.0/8
""",
        )
        self.command = [
            programs.path("pdns_server"),
            f"--config-dir={self.directory}",
            "--daemon=no",
            "--guardian=no",
        ]

    def fill(self, zones: Mapping[str, str], keys: Iterable[Key], grants: Mapping[str, str]) -> None:
        """Make the database."""
        with closing(sqlite3.connect(self.directory / "db")) as database, database:
            database.executescript(programs.pdns_schema().read_text())
            for key in keys:
                database.execute(
                    "INSERT INTO tsigkeys (name, algorithm, secret) VALUES (?, ?, ?)",
                    (key.name, key.algorithm, key.secret),
                )
            for zone, text in zones.items():
                insert_zone(database, zone.rstrip("."), text, grants.get(zone))
        database.close()

    def is_ready(self) -> bool:
        """Every zone is answered with authority."""
        return all(is_authoritative(self.address, zone) for zone in self.zones)


def insert_zone(database: sqlite3.Connection, name: str, text: str, key: str | None) -> None:
    """A zone with its records, and the metadata of docs/howto/least-privilege.rst."""
    zone_id = database.execute("INSERT INTO domains (name, type) VALUES (?, 'MASTER')", (name,)).lastrowid
    for owner, ttl, rdata in dns.zone.from_text(text, name + ".", relativize=False).iterate_rdatas():
        rdtype, content = rdata.rdtype.name, rdata.to_text()
        if rdtype in {"SOA", "NS", "CNAME"}:
            content = content.replace(". ", " ").rstrip(".")  # PowerDNS stores names without the final dot
        database.execute(
            "INSERT INTO records (domain_id, name, type, content, ttl, auth) VALUES (?, ?, ?, ?, ?, 1)",
            (zone_id, owner.to_text(omit_final_dot=True).lower(), rdtype, content, ttl),
        )
    metadata = [("NOTIFY-DNSUPDATE", "1"), ("SOA-EDIT-DNSUPDATE", "INCREASE")]
    if key:  # an allowed address needs no key in a zone that names none
        metadata += [("TSIG-ALLOW-DNSUPDATE", key), ("ALLOW-DNSUPDATE-FROM", "127.0.0.0/8")]
        metadata += [("ALLOW-DNSUPDATE-FROM", "fd53::/64")] if network.has_ipv6() else []
    database.executemany(f"INSERT INTO domainmetadata (domain_id, kind, content) VALUES ({zone_id}, ?, ?)", metadata)


def denies_aloud() -> bool:
    """Whether PowerDNS refuses what its Lua policy denies (measured, 5.1), where it said NOERROR before."""
    return programs.version("pdns_server", "--version") >= (5, 1)
