"""The real acme-dns, where Go could build it (see ``programs.GO_PROGRAMS``)."""

from pathlib import Path

from tests.e2e.lab import programs
from tests.e2e.lab.process import Server, is_authoritative

PORT = 8053
# "sqlite" is what v2 and later call the engine that v1 called "sqlite3".
CONFIGURATION = """[general]
listen = "{address}:53"
protocol = "both4"
domain = "{domain}"
nsname = "ns1.{domain}"
nsadmin = "hostmaster.{domain}"
records = ["{domain}. NS ns1.{domain}.", "ns1.{domain}. A {address}"]
[database]
engine = "sqlite"
connection = "{directory}/accounts.db"
[api]
ip = "{address}"
port = "{port}"
tls = "none"
disable_registration = false
corsorigins = ["*"]
[logconfig]
loglevel = "info"
logtype = "stdout"
logformat = "text"
"""


class AcmeDns(Server):
    """acme-dns on port 53 of an address, its HTTP side on port 8053: ``url``."""

    def __init__(self, directory: Path, address: str, domain: str) -> None:
        super().__init__("acme-dns", directory, address)
        self.domain = domain
        self.url = f"http://{address}:{PORT}"
        text = CONFIGURATION.format(address=address, domain=domain, directory=self.directory, port=PORT)
        self.command = [programs.path("acme-dns"), "-c", str(self.write("config.cfg", text))]

    def is_ready(self) -> bool:
        return is_authoritative(self.address, f"{self.domain}.")
