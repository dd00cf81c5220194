"""Each recipe of the least-privilege page, run as printed on the real server, and asked for what it must refuse."""

import socket
import sqlite3
import subprocess
import textwrap
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import pytest
import requests

import certbot_dns_delegate
from certbot_dns_delegate.command.setup.parts import BIND, KNOT, POWERDNS, Snippet
from certbot_dns_delegate.errors import DelegateError, NoEffect, Refused
from certbot_dns_delegate.model import Server as Address
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.providers.rfc2136.provider import RFC2136
from certbot_dns_delegate.settings import reader
from tests.contract.providing import provide
from tests.docs.pages import named
from tests.e2e.lab import network, programs
from tests.e2e.lab.named import lock_file
from tests.e2e.lab.powerdns import denies_aloud, insert_zone
from tests.e2e.lab.process import Server, is_authoritative
from tests.servers.http import make_certificates
from tests.servers.pdns import Pdns
from tests.waiting import NoTime

SECRET = "bWFrZSB5b3VyIG93biB3aXRoIHRzaWcta2V5Z2Vu"
KEY = dns.tsig.Key("web1", SECRET, dns.tsig.HMAC_SHA256)
ZONE = """$TTL 60
@ SOA ns hostmaster 1 3600 600 604800 30
@ NS ns
ns A 127.0.0.1
"""
VALUE = "gfj9Xq-Rg85nM3gV3T7l8sTfM1kU3bJt5ZqvF0hVb1Y"
Change = tuple[str, str, str]
"""Owner, type, rdata."""


class Example(Server):
    """A server with the configuration of the page."""

    zone = "acme.example.net."

    def is_ready(self) -> bool:
        return is_authoritative(self.address, self.zone)

    def update(self, *changes: Change, key: dns.tsig.Key | None = KEY) -> str:
        """What the server says to one UPDATE that adds CHANGES."""
        update = dns.update.UpdateMessage(self.zone, keyring=key)
        for owner, rdtype, rdata in changes:
            update.add(owner, 1, rdtype, rdata)
        try:
            return dns.rcode.to_text(dns.query.tcp(update, self.address, timeout=5).rcode())
        except dns.tsig.PeerError as error:
            return type(error).__name__
        except dns.exception.FormError:
            return "unsigned"

    def serves(self, owner: str, rdtype: str = "TXT") -> bool:
        """Whether the server has such records."""
        query = dns.message.make_query(owner, rdtype, flags=0)
        return bool(dns.query.tcp(query, self.address, timeout=5).answer)

    def allows(self, change: Change) -> bool:
        """Whether the server carries out CHANGE; what it did is undone."""
        said = self.update(change)
        done = self.serves(*change[:2])
        if done:
            update = dns.update.UpdateMessage(self.zone, keyring=KEY)
            update.delete(change[0], change[1], change[2])
            assert dns.query.tcp(update, self.address, timeout=5).rcode() == dns.rcode.NOERROR
        assert not (done and said != "NOERROR"), said
        return done


def bind(directory: Path, rule: str = "") -> Example:
    """named with the block of the page in its configuration; RULE in the place of its grant."""
    server = Example("bind", directory, network.RECIPES)
    file = server.write("acme.example.net.db", ZONE)
    block = named("recipe-bind").replace("/var/lib/bind/acme.example.net.db", str(file))
    if rule:
        assert "grant web1 name web1.acme.example.net. TXT;" in block
        block = block.replace("grant web1 name web1.acme.example.net. TXT;", rule)
    named_conf(server, block)
    return server


def named_conf(server: Example, block: str) -> Path:
    """Let SERVER be named with BLOCK in its configuration file, which is returned."""
    options = f"""options {{
    directory "{server.directory}"; listen-on {{ {server.address}; }}; listen-on-v6 {{ none; }};
    pid-file "{server.directory}/pid"; session-keyfile "{server.directory}/session.key"; {lock_file()}
    recursion no; dnssec-validation no; notify no;
}};
controls {{ }};
logging {{ channel file {{ file "{server.log}"; }}; category default {{ file; }}; }};
"""
    file = server.write("named.conf", options + block)
    server.command = [programs.path("named"), "-f", "-n", "1", "-c", str(file)]
    return file


def knot(directory: Path, old: str = "", new: str = "") -> Example:
    """knotd with the block of the page; OLD replaced by NEW in it."""
    server = Example("knot", directory, network.RECIPES)
    server.write("acme.example.net.zone", ZONE)
    block = named("recipe-knot")
    assert old in block
    knot_conf(server, block.replace(old, new))
    return server


def knot_conf(server: Example, block: str) -> Path:
    """Let SERVER be knotd with BLOCK in its configuration file, which is returned."""
    (server.directory / "db").mkdir()
    head = f"""server:
  rundir: {server.directory}
  listen: {server.address}@53
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: {server.log}
    any: info
database:
  storage: {server.directory}/db
template:
  - id: default
    storage: {server.directory}
"""
    # Knot reads the template before the zone, and wants each section once.
    file = server.write("knot.conf", head + block)
    server.command = [programs.path("knotd"), "-c", str(file)]
    return file


def powerdns(directory: Path, block: str, zone: str = "acme.example.net.") -> Example:
    """pdns_server with the block of the page."""
    server = Example("pdns", directory, network.RECIPES)
    server.zone = zone
    pdns_conf(server, block)
    return server


def pdns_conf(server: Example, block: str) -> None:
    """Let SERVER be pdns_server with its zone in a database, and BLOCK in its configuration file."""
    with closing(sqlite3.connect(server.directory / "db")) as database, database:
        database.executescript(programs.pdns_schema().read_text())
        insert_zone(database, server.zone.rstrip("."), ZONE, None)
        database.execute("DELETE FROM domainmetadata")
    database.close()
    own = f"""module-dir={programs.pdns_modules()}
launch=gsqlite3
gsqlite3-database={server.directory}/db
local-address={server.address}
socket-dir={server.directory}
security-poll-suffix=
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
receiver-threads=1
distributor-threads=1
"""
    server.write("pdns.conf", own + block)
    server.command = [programs.path("pdns_server"), f"--config-dir={server.directory}", "--daemon=no", "--guardian=no"]


def pdnsutil(server: Example, arguments: list[str]) -> None:
    """One pdnsutil command on the server's database."""
    subprocess.run(
        [programs.path("pdnsutil"), f"--config-dir={server.directory}", *arguments],
        env=programs.environment(),
        capture_output=True,
        check=True,
    )


def lua(directory: Path) -> Example:
    """PowerDNS with the Lua policy of the page."""
    script = directory / "acme.lua"
    script.write_text(named("recipe-pdns-lua"))
    block = named("recipe-pdns-lua-conf").replace("/etc/powerdns/acme.lua", str(script))
    server = powerdns(directory, block)
    pdnsutil(server, ["import-tsig-key", "web1", "hmac-sha256", SECRET])
    return server


OWN: Change = ("web1.acme.example.net.", "TXT", f'"{VALUE}"')
FORBIDDEN: list[Change] = [
    ("web1.acme.example.net.", "A", "192.0.2.1"),
    ("below.web1.acme.example.net.", "TXT", '"x"'),
    ("web2.acme.example.net.", "TXT", '"x"'),
    ("acme.example.net.", "TXT", '"x"'),
    ("new.acme.example.net.", "NS", "ns.example.org."),
]


@pytest.mark.parametrize("make", [bind, knot, lua])
def test_narrow(make: Callable[[Path], Example], tmp_path: Path) -> None:
    """The key writes TXT at its own name, and nothing else; nobody writes without it."""
    with make(tmp_path) as server:
        assert server.allows(OWN)
        assert [change for change in FORBIDDEN if server.allows(change)] == []
        assert server.update(OWN, key=None) != "NOERROR" or not server.serves(OWN[0])
        wrong = dns.tsig.Key("web1", "d3Jvbmc=", dns.tsig.HMAC_SHA256)
        assert server.update(OWN, key=wrong) in {"PeerBadSignature", "unsigned"}
        assert not server.serves(OWN[0])


def test_sample_of_the_package() -> None:
    """The configuration in the package's own documentation is the one that is run here."""
    assert textwrap.indent(named("recipe-bind"), "   ") in (certbot_dns_delegate.__doc__ or "")


@pytest.mark.parametrize(
    ("name", "part"), [("recipe-bind", BIND[1]), ("recipe-knot", KNOT[1]), ("recipe-pdns", POWERDNS[0])]
)
def test_init_prints_the_recipes(name: str, part: Snippet) -> None:
    """``init`` has the configurations that are run here."""
    words = {"ZONE": "acme.example.net", "KEY": "web1", "SECRET": SECRET, "OWNERS": "web1"}
    assert part.filled(words, [OWN[0]]).text == named(name)


@pytest.mark.parametrize("make", [bind, knot])
def test_whole_update_refused(make: Callable[[Path], Example], tmp_path: Path) -> None:
    """An update that holds one forbidden record is refused as a whole."""
    with make(tmp_path) as server:
        assert server.update(OWN, FORBIDDEN[2]) in {"REFUSED", "PeerBadKey", "unsigned"}
        assert not server.serves(OWN[0])


def test_lua_denies_in_silence(tmp_path: Path) -> None:
    """What the Lua policy denies is answered NOERROR, and our provider says that nothing was written."""
    with lua(tmp_path) as server:
        assert server.update(FORBIDDEN[2]) == ("REFUSED" if denies_aloud() else "NOERROR")
        with pytest.raises(Refused if denies_aloud() else NoEffect):
            provider(tmp_path, server).publish(ZONE_NAME, {dns.name.from_text("web2.acme.example.net."): VALUES}, 1)


def test_lua_without_key(tmp_path: Path) -> None:
    """An unsigned update is denied by the policy, and does not make the server fail."""
    with lua(tmp_path) as server:
        assert server.update(OWN, key=None) != "SERVFAIL"
        assert not server.serves(OWN[0])


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ("grant web1 subdomain web1.acme.example.net. TXT;", {OWN[0], "below.web1.acme.example.net."}),
        (
            "grant web1 zonesub TXT;",
            {OWN[0], "below.web1.acme.example.net.", "web2.acme.example.net.", "acme.example.net."},
        ),
    ],
)
def test_bind_other_rules(rule: str, allowed: set[str], tmp_path: Path) -> None:
    """The other forms of the rule allow TXT at the names that the page says, and no other type."""
    with bind(tmp_path, rule) as server:
        assert {change[0] for change in [OWN, *FORBIDDEN] if change[1] == "TXT" and server.allows(change)} == allowed
        assert not server.allows(FORBIDDEN[0])


def test_bind_self(tmp_path: Path) -> None:
    """With ``self`` a key that is named as its one record writes that alone."""
    server = bind(tmp_path, "grant web1.acme.example.net. self . TXT;")
    configuration = server.directory / "named.conf"
    configuration.write_text(configuration.read_text().replace('key "web1"', 'key "web1.acme.example.net"'))
    key = dns.tsig.Key("web1.acme.example.net.", SECRET, dns.tsig.HMAC_SHA256)
    with server:
        assert server.update(FORBIDDEN[2], key=key) == "REFUSED"
        assert server.update(OWN, key=key) == "NOERROR"
        assert server.serves(OWN[0])


def test_bind_quota(tmp_path: Path) -> None:
    """Beyond a quota BIND drops values and says NOERROR."""
    with bind(tmp_path, "grant web1 name web1.acme.example.net. TXT(4);") as server:
        for number in range(5):
            assert server.update((OWN[0], "TXT", f'"{number}"')) == "NOERROR"
        query = dns.message.make_query(OWN[0], "TXT", flags=0)
        assert len(dns.query.tcp(query, server.address, timeout=5).answer[0]) == 4


def test_knot_other_rules(tmp_path: Path) -> None:
    """``sub-or-equal`` adds the names below, ``update-owner: zone`` every name; TXT only."""
    with knot(tmp_path / "below", "update-owner-match: equal", "update-owner-match: sub-or-equal") as server:
        assert server.allows(FORBIDDEN[1])
        assert not server.allows(FORBIDDEN[2])
    old = "    update-owner: name\n    update-owner-match: equal\n    update-owner-name: [web1]\n"
    with knot(tmp_path / "zone", old, "    update-owner: zone\n") as server:
        assert server.allows(FORBIDDEN[2])
        assert not server.allows(FORBIDDEN[0])


def test_powerdns_metadata(tmp_path: Path) -> None:
    """With the commands of the page the key may write anything in its host's zone, and others nothing."""
    zone = "web1.acme.example.net."
    server = powerdns(tmp_path, named("recipe-pdns"), zone)
    for line in named("recipe-pdns-commands").strip().splitlines():
        program, *arguments = line.split()
        assert program == "pdnsutil"
        pdnsutil(server, arguments)
    with server:
        assert server.allows(OWN)
        assert server.allows(FORBIDDEN[0])
        assert server.update(OWN, key=None) == "REFUSED"
        assert server.update(("web2.acme.example.net.", "TXT", '"x"')) == "NOTZONE"
        assert not server.serves(OWN[0])


def test_powerdns_address_alone(tmp_path: Path) -> None:
    """Without TSIG-ALLOW-DNSUPDATE an allowed address needs no key."""
    zone = "web1.acme.example.net."
    server = powerdns(tmp_path, named("recipe-pdns"), zone)
    pdnsutil(server, ["set-meta", zone.rstrip("."), "ALLOW-DNSUPDATE-FROM", "127.0.0.0/8"])
    with server:
        assert server.update(OWN, key=None) == "NOERROR"
        assert server.serves(OWN[0])


ZONE_NAME = dns.name.from_text("acme.example.net.")
VALUES = frozenset({VALUE})


def provider(directory: Path, server: Example) -> RFC2136:
    """Our provider with the INI file of the tutorial, sent to SERVER."""
    file = directory / "delegate.ini"
    file.touch(mode=0o600)
    file.write_text(
        f"[acme.example.net]\nprovider = rfc2136\nserver = {server.address}\ntsig_name = web1\n"
        f'tsig_secret = "{SECRET}"\n'
    )
    delegate = reader.load(file, "dns-delegate", print).delegates[0]
    context = Context(
        delegate.title, lambda _host, port: [Address(server.address, port)], directory, wait=NoTime().wait
    )
    return RFC2136(delegate.options, context)


@pytest.mark.parametrize("make", [bind, knot, lua])
def test_our_provider(make: Callable[[Path], Example], tmp_path: Path) -> None:
    """Our provider publishes and withdraws with the narrow key, and elsewhere is refused."""
    with make(tmp_path) as server:
        ours = provider(tmp_path, server)
        owner = dns.name.from_text(OWN[0])
        (sighting,) = ours.publish(ZONE_NAME, {owner: VALUES}, 1)
        assert sighting.rrset.values == VALUES
        with pytest.raises(DelegateError):
            ours.publish(ZONE_NAME, {dns.name.from_text("web2.acme.example.net."): VALUES}, 1)
        ours.withdraw(ZONE_NAME, {owner: VALUES})
        assert not server.serves(OWN[0])


class Nginx(Server):
    """nginx with the block of the PowerDNS page in front of an API."""

    def __init__(self, directory: Path, behind: Pdns) -> None:
        super().__init__("nginx", directory, "127.0.0.1")
        with socket.create_server((self.address, 0)) as free:
            self.port = free.getsockname()[1]
        certificates = make_certificates(self.directory)
        self.ca = certificates.ca
        block = named("recipe-pdns-nginx", "providers/powerdns").replace("http://127.0.0.1:8081", behind.api)
        block = block.replace("listen 443 ssl", f"listen {self.address}:{self.port} ssl")
        block = block.replace("KEY-OF-THE-SERVER", behind.api_key)
        for file in ("dns.internal.pem", "dns.internal.key"):
            block = block.replace(f"/etc/nginx/{file}", str(certificates.server))
        places = [
            f"{kind}_temp_path {self.directory};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        ]
        # In the lab's namespace there is no other user.
        head = f"user root root; daemon off; master_process off; pid {self.directory}/pid; error_log {self.log};"
        http = f"events {{ }} http {{ access_log off; {' '.join(places)}\n{block} }}\n"
        self.command = [programs.path("nginx"), "-c", str(self.write("nginx.conf", f"{head}\n{http}"))]

    def is_ready(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((self.address, self.port)) == 0


def test_proxy_before_powerdns(tmp_path: Path) -> None:
    """Through the proxy a host does all that it has to with a key of its own, and nothing else."""
    zones = {"acme.example.net.": ZONE, "other.example.net.": ZONE}
    with Pdns(tmp_path, zones) as powerdns, Nginx(tmp_path, powerdns) as proxy:
        url = f"https://{proxy.address}:{proxy.port}"

        def ours(key: str = "KEY-OF-THIS-HOST") -> Any:
            return provide(tmp_path, "powerdns", [], url=url, ca_bundle=str(proxy.ca), api_key=key)

        owner = dns.name.from_text(OWN[0])
        assert ours().probe().startswith("PowerDNS ")
        assert ours().zone_of(owner) == ZONE_NAME
        ours().publish(ZONE_NAME, {owner: VALUES}, 1)
        assert powerdns.values(OWN[0]) == VALUES
        ours().withdraw(ZONE_NAME, {owner: VALUES})
        assert not powerdns.values(OWN[0])
        other = dns.name.from_text("other.example.net.")
        for key, apex, said in [("KEY-OF-THIS-HOST", other, "403"), ("another", ZONE_NAME, "401")]:
            with pytest.raises(Refused, match=said):
                ours(key).publish(apex, {dns.name.from_text("web1", apex): VALUES}, 1)
        zone = f"{url}/api/v1/servers/localhost/zones/acme.example.net."
        session = requests.Session()
        session.headers["X-API-Key"] = "KEY-OF-THIS-HOST"
        tried = [("DELETE", zone), ("PUT", zone), ("POST", zone.rpartition("/")[0]), ("PUT", f"{zone}/rectify")]
        tried += [("GET", f"{url}/api/v1/servers/localhost/config"), ("GET", f"{zone}/cryptokeys")]
        answers = [session.request(method, at, verify=str(proxy.ca), timeout=5).status_code for method, at in tried]
        assert answers == [403] * len(tried)
