"""The doubles satisfy clients that know nothing of this package: Debian's lego, and pyacmedns' requests.

lego needs a CA; Pebble is told to believe everything, as only what lego says to the doubles matters here.
"""

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.name
import pytest

from certbot_dns_delegate.providers.accounts import parse
from certbot_dns_delegate.providers.conformance import value
from tests.contract.test_httpreq import make
from tests.servers import acme_dns, httpreq
from tests.servers.http import make_certificates
from tests.unit.test_acme_dns import House

LAB = Path(__file__).parents[2] / ".lab"


def _program(name: str, *places: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *(str(LAB / place) for place in places)]))


LEGO = _program("lego", "lego/usr/bin", "debian/usr/bin")
PEBBLE = _program("pebble", "go/bin")


@dataclass
class Lego:
    """lego with a CA."""

    directory: Path
    url: str
    ca: Path
    resolver_port: int

    def run(self, provider: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        assert LEGO is not None
        arguments = ["--server", self.url, "--path", str(self.directory), "--accept-tos", "--email", "a@example.com"]
        # Its own look-ups go where no name exists.
        arguments += ["--dns", provider, "--dns.disable-cp", "--dns.resolvers", f"127.0.0.1:{self.resolver_port}"]
        arguments += ["--dns-timeout", "1", "-d", "shop.example.com", "-d", "*.shop.example.com", "run"]
        variables = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "LEGO_CA_CERTIFICATES": str(self.ca)}
        return subprocess.run(
            [LEGO, *arguments], env=variables | environment, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture
def lego(tmp_path: Path) -> Iterator[Lego]:
    if LEGO is None or PEBBLE is None:
        pytest.skip("lego or pebble is not installed: apt-get download lego; go install pebble")
    certificates = make_certificates(tmp_path)
    with socket.socket() as free, acme_dns.AcmeDNS() as empty, acme_dns.DNS(empty) as resolver:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        config = {
            "listenAddress": f"127.0.0.1:{port}",
            "certificate": str(certificates.server),
            "privateKey": str(certificates.server),
            "httpPort": 5002,
            "tlsPort": 5001,
        }
        (tmp_path / "pebble.json").write_text(json.dumps({"pebble": config}))
        variables = {"PATH": os.environ["PATH"], "PEBBLE_VA_ALWAYS_VALID": "1", "PEBBLE_VA_NOSLEEP": "1"}
        process = subprocess.Popen(
            [PEBBLE, "-config", str(tmp_path / "pebble.json")],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert process.stdout is not None
            # It says so when it listens.
            assert any("ACME directory available" in line for line in process.stdout), "pebble did not start"
            yield Lego(tmp_path, f"https://127.0.0.1:{port}/dir", certificates.ca, resolver.port)
        finally:
            process.terminate()
            process.communicate(timeout=10)


def test_lego_registers_at_the_acme_dns_double_and_updates_it(lego: Lego) -> None:
    """Its account file is read by us, its two values are served, an account that we stored is used by it."""
    storage = lego.directory / "accounts.json"
    with acme_dns.AcmeDNS() as server:
        variables = {"ACME_DNS_API_BASE": server.url, "ACME_DNS_STORAGE_PATH": str(storage)}
        first = lego.run("acme-dns", variables)
        (account,) = parse(storage.read_text())
        assert account.name == "shop.example.com"
        assert account.fulldomain is not None
        assert account.fulldomain.to_text() in first.stdout + first.stderr
        second = lego.run("acme-dns", variables)
        assert second.returncode == 0, second.stderr
        assert len(set(server.txt(account.fulldomain.to_text()))) == 2
        storage.unlink()
        house = House(server, lego.directory)
        target = house.provider().register("shop.example.com")
        third = lego.run("acme-dns", variables)
        assert third.returncode == 0, third.stderr
        assert len(set(server.txt(target.to_text()))) == 2


@pytest.mark.parametrize("kind", ["lego-httpreq-server", "acmeproxy", "acmeproxy.pl", "canonical"])
def test_lego_writes_at_the_httpreq_doubles(lego: Lego, kind: str) -> None:
    """present and cleanup succeed, and what it sends has the form of what we send."""
    credentials = ("web1", "password")
    server = {
        "lego-httpreq-server": lambda: httpreq.HTTPReqServer(credentials),
        "acmeproxy": lambda: httpreq.Acmeproxy(("example.com",)),
        "acmeproxy.pl": lambda: httpreq.AcmeproxyPl(credentials, "example.com"),
        "canonical": lambda: httpreq.Canonical(credentials),
    }[kind]()
    with server:
        variables = {"HTTPREQ_ENDPOINT": server.url, "HTTPREQ_USERNAME": "web1", "HTTPREQ_PASSWORD": "password"}
        done = lego.run("httpreq", variables)
        assert done.returncode == 0, done.stderr
        theirs = [(request.path, set(request.json())) for request in server.requests]
        server.requests.clear()
        provider = make(server.url)
        owner, zone = dns.name.from_text("_acme-challenge.shop.example.com."), dns.name.from_text("example.com.")
        if kind in {"lego-httpreq-server", "acmeproxy"}:
            server._credentials = None
        else:
            provider = make(server.url, username="web1", password=_secret("password"))
        provider.publish(zone, {owner: frozenset({value("one"), value("two")})}, 1)
        provider.withdraw(zone, {owner: frozenset({value("one"), value("two")})})
        ours = [(request.path, set(request.json())) for request in server.requests]
        assert ours == sorted(theirs, key=lambda item: item[0] == "/cleanup")
        assert all(not values for values in server.records.values())


def _secret(text: str) -> object:
    from certbot_dns_delegate.schema import Secret

    return Secret(text)


def test_requests_as_pyacmedns_makes_them_are_answered() -> None:
    """No Content-Type on register, JSON with capitals, a foreign key: as its 0.4 release sends and expects them."""

    def post(url: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, dict[str, object]]:
        data = b"" if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers or {}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    with acme_dns.AcmeDNS() as server:
        status, account = post(server.url + "/register", {"allowfrom": ["127.0.0.1/8"]})
        assert (status, set(account)) == (201, {"username", "password", "fulldomain", "subdomain", "allowfrom"})
        headers = {"X-Api-User": str(account["username"]), "X-Api-Key": str(account["password"])}
        body = {"SubDomain": account["subdomain"], "TXT": value("one")}
        assert post(server.url + "/update", body, headers) == (200, {"txt": value("one")})
        assert post(server.url + "/update", body, headers | {"X-Api-Key": "x" * 40}) == (401, {"error": "forbidden"})
        assert post(server.url + "/register", {"allowfrom": ["127.0.0.1"]}) == (
            400,
            {"error": "invalid_allowfrom_cidr"},
        )
