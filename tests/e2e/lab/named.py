"""BIND: the root, the primary of most delegate zones, and the secondary that lags."""

import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import dns.dnssec
import dns.name
import dns.rdata

from tests.e2e.lab import network, programs
from tests.e2e.lab.keys import Key
from tests.e2e.lab.process import INTERVAL_S, PATIENCE_S, Server, ServerError, is_authoritative, is_signed

# A combined key that signs at once and is never rolled while a lab lives.
POLICY = """dnssec-policy "lab" {
    keys { csk key-directory lifetime unlimited algorithm ecdsap256sha256; };
};
"""


@dataclass(frozen=True)
class Zone:
    """A zone as BIND serves it: TEXT is its first content, OPTIONS further statements of its zone block."""

    name: str
    text: str
    options: str = ""
    primary: str | None = None  # the address to transfer from, on a secondary


class Named(Server):
    """One named with its own addresses and a control channel."""

    def __init__(
        self, name: str, directory: Path, address: str, zones: Iterable[Zone], keys: Iterable[Key] = ()
    ) -> None:
        super().__init__(name, directory, address)
        self.zones = tuple(zones)
        self.control = Key("rndc")
        configuration, said = self.configure(tuple(keys)), self.directory / "output"
        # What is wrong with the configuration would go to the system's log.
        self.command = [programs.path("named"), "-f", "-n", "1", "-L", str(said), "-c", str(configuration)]

    def configure(self, keys: Iterable[Key]) -> Path:
        """Write named.conf and the zones' files."""
        v6 = network.IPV6.get(self.address) if network.has_ipv6() else None
        self.write("rndc.key", self.control.bind())
        return self.write(
            "named.conf",
            f"""options {{
    directory "{self.directory}";
    key-directory "{self.directory.parent}/keys";
    listen-on {{ {self.address}; }};
    listen-on-v6 {{ {f"{v6};" if v6 else "none;"} }};
    notify-source {self.address};
    transfer-source {self.address};
    query-source address {self.address};
    pid-file "{self.directory}/pid";
    session-keyfile "{self.directory}/session.key";
    {lock_file()}
    recursion no;
    dnssec-validation no;
    allow-transfer {{ 127.0.0.0/8; fd53::/64; }};
    # The lab's secondaries are as fast as the protocol lets them be; notify-delay is the zones' own affair.
    transfers-per-ns 50; transfers-in 50; serial-query-rate 100; notify-rate 100;
    masterfile-format text;
}};
logging {{
    channel file {{ file "{self.log}"; severity info; print-time yes; print-category yes; }};
    category default {{ file; }};
    category lame-servers {{ file; }};
}};
controls {{ inet {self.address} port 953 allow {{ any; }} keys {{ "rndc"; }}; }};
{self.control.bind()}{POLICY}"""
            + "".join(key.bind() for key in keys)
            + self.statements(),
        )

    def statements(self) -> str:
        """What named.conf says about the zones; writes their files."""
        return "".join(self.statement(zone) for zone in self.zones)

    def statement(self, zone: Zone, prefix: str = "") -> str:
        """What it says about one zone, whose file's name begins with PREFIX."""
        file = self.write(f"{prefix}{zone.name.strip('.') or 'root'}.zone", zone.text)
        role = f"type secondary; primaries {{ {zone.primary}; }};" if zone.primary else "type primary;"
        return f'zone "{zone.name}" {{ {role} file "{file}"; {zone.options} }};\n'

    def is_ready(self) -> bool:
        """Every zone is answered with authority, and with signatures where BIND adds them, which takes a moment."""
        signed = [zone for zone in self.zones if "dnssec-policy" in zone.options]
        return all(is_authoritative(self.address, zone.name) for zone in self.zones) and all(
            is_signed(self.address, zone.name) for zone in signed
        )

    def transfer(self, zone: str) -> None:
        """On a secondary, transfer ZONE; returns when it is served with signatures."""
        self.rndc("retransfer", zone)
        deadline = time.monotonic() + PATIENCE_S
        while not is_signed(self.address, zone):
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} does not serve {zone} with signatures: {self.last_words()}")
            time.sleep(INTERVAL_S)

    def rndc(self, *arguments: str) -> str:
        """Control the server, for example ``rndc("freeze", "acme.bind.test")``."""
        key = str(self.directory / "rndc.key")
        done = subprocess.run(
            [programs.path("rndc"), "-s", self.address, "-p", "953", "-k", key, *arguments],
            env=programs.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ServerError(f"rndc {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


def lock_file() -> str:
    """The option without which only one BIND runs on a host; 9.20 has no such limit, and no such option."""
    return "lock-file none;" if programs.version("named", "-V") < (9, 20) else ""


def make_key(folder: Path, zone: str) -> dns.rdata.Rdata:
    """Make a zone's signing key in FOLDER before any server runs; returns the DS for its parent."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.conf").write_text(POLICY)
    done = subprocess.run(
        [
            programs.path("dnssec-keygen"),
            "-q",
            "-K",
            str(folder),
            "-k",
            "lab",
            "-l",
            str(folder / "policy.conf"),
            zone,
        ],
        env=programs.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    line = (folder / f"{done.stdout.split()[0]}.key").read_text().splitlines()[-1]
    key = dns.rdata.from_text("IN", "DNSKEY", line.split("DNSKEY", 1)[1])
    return dns.dnssec.make_ds(dns.name.from_text(zone), key, "SHA256")
