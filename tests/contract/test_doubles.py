"""The doubles satisfy clients that know nothing of this package: Debian's lego, and pyacmedns.

lego needs a CA; Pebble is told to believe everything, as only what lego says to the doubles matters here.
"""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.name
import pyacmedns
import pytest

from certbot_dns_delegate.providers.acme_dns.accounts import parse
from certbot_dns_delegate.providers.conformance import value
from certbot_dns_delegate.schema import Secret
from tests.contract.test_httpreq import make
from tests.e2e.lab import programs
from tests.servers import acme_dns, httpreq
from tests.servers.http import make_certificates
from tests.unit.providers.test_acme_dns import House


@dataclass
class Lego:
    """lego with a CA."""

    directory: Path
    url: str
    ca: Path
    resolver_port: int

    def run(self, provider: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        arguments = ["--server", self.url, "--path", str(self.directory), "--accept-tos", "--email", "a@example.com"]
        # Its own look-ups go where no name exists.
        arguments += ["--dns", provider, "--dns.disable-cp", "--dns.resolvers", f"127.0.0.1:{self.resolver_port}"]
        arguments += ["--dns-timeout", "1", "-d", "shop.example.com", "-d", "*.shop.example.com", "run"]
        variables = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "LEGO_CA_CERTIFICATES": str(self.ca)}
        return subprocess.run(
            [programs.path("lego"), *arguments],
            env=variables | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def lego(tmp_path: Path) -> Iterator[Lego]:
    if programs.find("lego") is None or programs.find("pebble") is None:
        pytest.skip("lego or pebble is missing: python -m tests.e2e.lab setup")
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
            [programs.path("pebble"), "-config", str(tmp_path / "pebble.json")],
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


@pytest.mark.parametrize("kind", ["plain", "acmeproxy", "acmeproxy.pl", "new acmeproxy.pl", "canonical"])
def test_lego_writes_at_the_httpreq_doubles(lego: Lego, kind: str) -> None:
    """present and cleanup succeed, and what it sends has the form of what we send."""
    credentials = ("web1", "password")
    server = {
        "plain": lambda: httpreq.HTTPReqServer(credentials),
        "acmeproxy": lambda: httpreq.Acmeproxy(("example.com",)),
        "acmeproxy.pl": lambda: httpreq.AcmeproxyPl(credentials, "example.com"),
        "new acmeproxy.pl": lambda: httpreq.NewAcmeproxyPl(credentials, "example.com"),
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
        if kind in {"plain", "acmeproxy"}:
            server._credentials = None
        else:
            provider = make(server.url, username="web1", password=Secret("password"))
        provider.publish(zone, {owner: frozenset({value("one"), value("two")})}, 1)
        provider.withdraw(zone, {owner: frozenset({value("one"), value("two")})})
        ours = [(request.path, set(request.json())) for request in server.requests]
        assert ours == sorted(theirs, key=lambda item: item[0] == "/cleanup")
        assert all(not values for values in server.records.values())


def test_pyacmedns_works_with_the_acme_dns_double_and_with_our_account_file(tmp_path: Path) -> None:
    """It registers and updates there; its file is read by us, and it uses an account that we stored."""
    path = tmp_path / "accounts.json"
    with acme_dns.AcmeDNS() as server:
        client, storage = pyacmedns.Client(server.url), pyacmedns.Storage(str(path))
        storage.put("shop.example.com", client.register_account(["127.0.0.1/8"]))
        storage.save()
        path.chmod(0o600)
        (account,) = parse(path.read_text())
        assert account.name == "shop.example.com"
        assert account.fulldomain is not None
        for text in (value("one"), value("two")):
            client.update_txt_record(storage.fetch("shop.example.com"), text)
        assert server.txt(account.fulldomain.to_text()) == [value("one"), value("two")]
        target = House(server, tmp_path).provider().register("other.example.com")
        theirs = pyacmedns.Storage(str(path)).fetch("other.example.com")
        client.update_txt_record(theirs, value("three"))
        assert server.txt(target.to_text()) == [value("three")]
        with pytest.raises(pyacmedns.exceptions.AcmeDnsClientException, match="401"):
            client.update_txt_record(theirs | {"password": "x" * 40}, value("four"))
        with pytest.raises(pyacmedns.exceptions.AcmeDnsClientException, match="invalid_allowfrom_cidr"):
            client.register_account(["127.0.0.1"])


def test_pyacmedns_works_with_the_getlocalcert_double() -> None:
    """It registers there and updates; a repeated value is no second one, and a foreign name is refused."""
    with acme_dns.GetLocalCert() as server:
        client = pyacmedns.Client(server.api)
        account, other = client.register_account([]), client.register_account([])
        for text in (value("one"), value("two"), value("two")):
            client.update_txt_record(account, text)
        assert server.txt(account["fulldomain"]) == [value("one"), value("two")]
        with pytest.raises(pyacmedns.exceptions.AcmeDnsClientException, match="404"):
            client.update_txt_record(account | {"subdomain": other["subdomain"]}, value("three"))
