"""A real PowerDNS with its HTTP API, on free ports of loopback instead of the lab's own addresses."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import requests

from tests.e2e.lab import programs
from tests.e2e.lab.powerdns import PowerDns


def why_not() -> str | None:
    """Why no PowerDNS can be started here."""
    if programs.find("pdns_server") is None or programs.pdns_modules() is None:
        return "PowerDNS with SQLite is missing; hint: python -m tests.e2e.lab setup"
    return None


class Pdns(PowerDns):
    """As :class:`~tests.e2e.lab.powerdns.PowerDns`, with ports of its own."""

    def __init__(self, directory: Path, zones: Mapping[str, str]) -> None:
        super().__init__("pdns", directory, "127.0.0.1", zones, [], {})
        self.port, web = _free_port(), _free_port()
        self.api = f"http://127.0.0.1:{web}"
        with (self.directory / "pdns.conf").open("a") as file:
            file.write(f"local-address=127.0.0.1\nlocal-port={self.port}\nwebserver-port={web}\n")

    def is_ready(self) -> bool:
        # Until it has noted each zone as notified, its own thread may have the database locked.
        try:
            zones = requests.get(f"{self.api}/api/v1/servers/localhost/zones", headers=self._headers, timeout=1)
        except requests.ConnectionError:
            return False
        return zones.ok and all(zone["notified_serial"] for zone in zones.json())

    def values(self, owner: str) -> frozenset[str]:
        """What it serves."""
        reply = dns.query.tcp(dns.message.make_query(owner, "TXT"), "127.0.0.1", port=self.port, timeout=5)
        return frozenset(b"".join(rdata.strings).decode() for rrset in reply.answer for rdata in rrset)

    def patch(self, zone: str, rrset: dict[str, Any]) -> None:
        """Change an RRset as another host does."""
        answer = requests.patch(self._zone(zone), headers=self._headers, json={"rrsets": [rrset]}, timeout=5)
        assert answer.status_code == 204, answer.text + self.last_words()

    def rrset(self, zone: str, owner: str) -> dict[str, Any] | None:
        """The TXT RRset at a name, disabled records and comments included."""
        rrsets = requests.get(self._zone(zone), headers=self._headers, timeout=5).json()["rrsets"]
        return next((r for r in rrsets if (r["name"], r["type"]) == (owner, "TXT")), None)

    def _zone(self, zone: str) -> str:
        return f"{self.api}/api/v1/servers/localhost/zones/{zone}"

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-API-Key": self.api_key}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
