"""Pebble, the certificate authority; it asks the lab's Unbound, so an early look is punished."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from tests.e2e.lab import programs
from tests.e2e.lab.certificates import Authority
from tests.e2e.lab.process import Server

PORT, MANAGEMENT_PORT = 14000, 15000


class Pebble(Server):
    """The CA; ``directory_url`` is for Certbot's --server, ``trust`` for REQUESTS_CA_BUNDLE."""

    def __init__(self, directory: Path, address: str, authority: Authority, resolver: str) -> None:
        super().__init__("pebble", directory, address)
        self.directory_url = f"https://{address}:{PORT}/dir"
        self.trust = authority.file
        certificate, key = authority.issue("ca.test", address)
        configuration = self.write(
            "pebble.json",
            json.dumps(
                {
                    "pebble": {
                        "listenAddress": f"{address}:{PORT}",
                        "managementListenAddress": f"{address}:{MANAGEMENT_PORT}",
                        "certificate": str(certificate),
                        "privateKey": str(key),
                        "httpPort": 80,
                        "tlsPort": 443,
                        "ocspResponderURL": "",
                        "externalAccountBindingRequired": False,
                        "caaIdentities": ["pebble.letsencrypt.org"],
                        "retryAfter": {"authz": 1, "order": 1},
                    }
                }
            ),
        )
        self.variables = {
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_AUTHZREUSE": "0",  # otherwise challenges are skipped at random
            "PEBBLE_WFE_NONCEREJECT": "0",  # per cent; each costs a client one more request
        }
        self.command = [programs.path("pebble"), "-config", str(configuration), "-dnsserver", resolver]

    def is_ready(self) -> bool:
        """It hands out its directory."""
        return self.get(f"https://{self.address}:{PORT}/dir") is not None

    def get(self, url: str) -> bytes | None:
        """An HTTPS GET under the lab's own CA; None where nobody answers."""
        context = ssl.create_default_context(cafile=str(self.trust))
        try:
            with urllib.request.urlopen(url, context=context, timeout=5) as reply:
                return bytes(reply.read())
        except (urllib.error.URLError, OSError):
            return None

    def root(self) -> bytes:
        """The root certificate under which it issues, in PEM."""
        root = self.get(f"https://{self.address}:{MANAGEMENT_PORT}/roots/0")
        assert root is not None
        return root

    def version(self) -> str:
        """Its version; Debian's 2.4.0 has no -version, and one built with Go says "dev"."""
        if Path(self.command[0]) == programs.GO["pebble"]:
            return programs.GO_PROGRAMS["pebble"].partition("@v")[2]
        done = subprocess.run([self.command[0], "-version"], capture_output=True, text=True, check=False)
        words = (done.stdout + done.stderr).splitlines()
        return words[0] if done.returncode == 0 and words else "2.4"

    def surely_asks_by_tcp(self) -> bool:
        """Whether it is known to do so where UDP truncates, as Let's Encrypt does: 2.4 takes what is there for all."""
        return Path(self.command[0]) == programs.GO["pebble"]

    @property
    def offers_new_challenges(self) -> bool:
        """Whether it has dns-account-01 and dns-persist-01: Debian's 2.4 has neither."""
        return Path(self.command[0]) == programs.GO["pebble"]
