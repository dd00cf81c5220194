"""A small internet for one row of the comparison: real servers, a resolver, Pebble, and a Certbot for each side."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.zone

from tests.e2e.lab import network, program, programs
from tests.e2e.lab.certificates import Authority
from tests.e2e.lab.keys import Key
from tests.e2e.lab.named import Named, Zone
from tests.e2e.lab.pebble import Pebble
from tests.e2e.lab.process import Server, ask
from tests.forks import operator

ROOT, PRIM, SEC, THIRD, RESOLVER, CA = network.DROPIN.values()
NOWHERE = "192.0.2.53"
"""No way leads there from the namespaces of the tests."""
MAINTAINED = {"SOA", "RRSIG", "NSEC", "DNSKEY", "CDS", "CDNSKEY", "TYPE65534"}


def zone(apex: str, servers: Mapping[str, str], records: str = "", *, minimum_s: int = 30) -> str:
    """The text of a zone with an NS set (host name to address; an empty address: none is given here)."""
    lines = [f"$TTL 60\n$ORIGIN {apex}\n@ SOA {next(iter(servers))} hostmaster.invalid. 1 3600 600 86400 {minimum_s}"]
    for host, address in servers.items():
        lines.append(f"@ NS {host}")
        lines += [f"{host} {'AAAA' if ':' in address else 'A'} {address}"] if address else []
    return "\n".join([*lines, records, ""])


class Bind(Named):
    """A BIND whose zones are written as statements, so that it can have views."""

    def __init__(
        self, name: str, directory: Path, address: str, text: str, files: Mapping[str, str], keys: tuple[Key, ...]
    ) -> None:
        self.text, self.files = text, files
        super().__init__(name, directory, address, [], keys)

    def statements(self) -> str:
        for name, content in self.files.items():
            self.write(name, content)
        return self.text

    def is_ready(self) -> bool:
        return ask(self.address, ".", "NS") is not None


class Resolver(Server):
    """An Unbound that begins at our root, and may have its own ideas about some zones."""

    def __init__(self, directory: Path, address: str, stubs: Mapping[str, str], more: str = "") -> None:
        super().__init__(f"unbound-{address}", directory, address)
        hints = self.write("root.hints", f". 3600000 NS ns.root.\nns.root. 3600000 A {ROOT}\n")
        zones = "".join(f'stub-zone:\n  name: "{name}"\n  stub-addr: {server}\n' for name, server in stubs.items())
        private = "".join(f'  local-zone: "{name}" nodefault\n' for name in ("test.", *stubs))
        configuration = self.write(
            "unbound.conf",
            f"""server:
  interface: {address}
  outgoing-interface: {address}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  root-hints: "{hints}"
{private}  do-not-query-localhost: no
  module-config: "iterator"
  username: ""
  chroot: ""
  directory: "{self.directory}"
  pidfile: "{self.directory}/pid"
  use-syslog: no
  logfile: "{self.log}"
  num-threads: 1
  cache-max-ttl: 1
  cache-max-negative-ttl: 0
  msg-cache-size: 1m
  rrset-cache-size: 1m
{more}remote-control:
  control-enable: no
{zones}""",
        )
        self.command = [programs.path("unbound"), "-d", "-c", str(configuration)]

    def is_ready(self) -> bool:
        reply = ask(self.address, "test.", recurse=True)
        return reply is not None and reply.rcode() == dns.rcode.NOERROR


@dataclass
class World:
    """What a layout fills in, and what then runs."""

    directory: Path
    servers: list[Server] = field(default_factory=list)
    delegations: str = ""
    """What "test." says of the zones below it."""
    root: str = ""
    """What the root says beside "test."."""
    stubs: dict[str, str] = field(default_factory=dict)
    """Zones that the resolvers of this world know by a server's address."""
    ca_stubs: dict[str, str] = field(default_factory=dict)
    """The same for the CA's resolver alone."""
    resolv_conf: str = f"nameserver {RESOLVER}\n"
    key: Key = field(default_factory=lambda: Key("acme-key"))
    watched: list[tuple[str, str]] = field(default_factory=list)
    """Zones that must be afterwards as they were: apex and the server that is asked."""

    def bind(self, name: str, address: str, zones: Mapping[str, str], options: str | None = None, **other: str) -> None:
        """A primary of ``zones`` (apex to text).

        :param options: of each zone; by default the key may update it.
        :param other: options of single zones, by the apex with "_" for ".".
        """
        usual = f"allow-update {{ key {self.key.name}; }};" if options is None else options
        made = [Zone(apex, text, other.get(apex.strip(".").replace(".", "_"), usual)) for apex, text in zones.items()]
        self.servers.append(Named(name, self.directory, address, made, [self.key]))
        self.watched += [(apex, address) for apex in zones]

    def views(self, name: str, address: str, text: str, files: Mapping[str, str]) -> None:
        """A BIND with statements of its own; FILE(name) in the text becomes the path of a file."""
        home = self.directory / name
        for file in files:
            text = text.replace(f"FILE({file})", str(home / file))
        self.servers.append(Bind(name, self.directory, address, text, files, (self.key,)))

    def secondary(self, name: str, address: str, *zones: str, of: str, options: str = "") -> None:
        """A secondary that copies ``zones`` from a primary."""
        made = [Zone(apex, "", options, primary=of) for apex in zones]
        self.servers.append(Named(name, self.directory, address, made, [self.key]))

    def snapshot(self) -> dict[str, dict[str, list[str]]]:
        """What the watched zones hold, but for what their servers maintain."""
        return {f"{apex} at {server}": dict(_records(apex, server, self.key)) for apex, server in self.watched}

    @contextlib.contextmanager
    def running(self) -> Iterator["Running"]:
        """All servers, the resolvers and the CA."""
        tld = zone("test.", {"ns.root.": ""}, self.delegations)
        top = zone(".", {"ns.root.": ROOT}, f"test. NS ns.root.\n{self.root}")
        authority = Authority(self.directory / "authority")
        pebble = Pebble(self.directory, CA, authority, f"{CA}:53")
        with ExitStack() as stack:
            stack.enter_context(Named("root", self.directory, ROOT, [Zone(".", top), Zone("test.", tld)], []))
            for server in self.servers:
                stack.enter_context(server)
            stack.enter_context(Resolver(self.directory, RESOLVER, self.stubs))
            stack.enter_context(Resolver(self.directory, CA, {**self.stubs, **self.ca_stubs}))
            stack.enter_context(pebble)
            yield Running(self, pebble)


@dataclass(frozen=True)
class Outcome:
    """Whether a command succeeded, and what it said."""

    is_well: bool
    text: str


@dataclass
class Running:
    """A world in which Certbot can be run."""

    world: World
    pebble: Pebble

    def issue(self, authenticator: str, text: str, names: tuple[str, ...], *options: str, mode: int = 0o600) -> Outcome:
        """Ask for a certificate with a credentials file of this text."""
        home = self.world.directory / authenticator
        file = self._file(home, text, mode)
        return self._run(
            program.loaded().command(
                *(
                    "certonly",
                    f"--authenticator={authenticator}",
                    f"--{authenticator}-credentials={file}",
                    *options,
                ),
                *(word for name in names for word in ("-d", name)),
                *(f"--{name}-dir={home / name}" for name in ("config", "work", "logs")),
                *("--server", self.pebble.directory_url, "--agree-tos", "--register-unsafely-without-email"),
                *("--non-interactive", "--force-renewal", "--cert-name", "row"),
            )
        )

    def check(self, authenticator: str, text: str, names: tuple[str, ...], mode: int = 0o600) -> Outcome:
        """What the operator's command says of the same names and file."""
        home = self.world.directory / "check"
        file = self._file(home, text, mode)
        return self._run(
            operator().command(
                *("check", *names, "--authenticator", authenticator, "--credentials", str(file)),
                *("--config-dir", str(home / "config"), "--work-dir", str(home / "work")),
                *("--server", self.pebble.directory_url),
            )
        )

    @staticmethod
    def _file(home: Path, text: str, mode: int) -> Path:
        home.mkdir(exist_ok=True)
        file = home / "credentials.ini"
        file.touch()
        file.chmod(0o600)
        file.write_bytes(text.encode())
        file.chmod(mode)
        return file

    def _run(self, command: list[str]) -> Outcome:
        system = Path("/etc/resolv.conf")
        before = system.read_text()
        system.write_text(self.world.resolv_conf)
        try:
            done = subprocess.run(
                command,
                env={**os.environ, "REQUESTS_CA_BUNDLE": str(self.pebble.trust)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
        finally:
            system.write_text(before)
        return Outcome(done.returncode == 0, done.stdout + done.stderr)


def _records(apex: str, server: str, key: Key) -> Iterator[tuple[str, list[str]]]:
    query = dns.message.make_query(apex, "AXFR")
    query.use_tsig(key.dnspython())
    try:
        found = dns.zone.from_xfr(dns.query.xfr(server, apex, relativize=False, lifetime=10), relativize=False)
    except (dns.exception.DNSException, OSError, EOFError):
        return
    for owner, rdataset in found.iterate_rdatasets():
        if rdataset.rdtype.name not in MAINTAINED:
            yield f"{owner} {rdataset.rdtype.name}", [str(rdataset.ttl), *sorted(str(rdata) for rdata in rdataset)]
