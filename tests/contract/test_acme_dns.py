"""acme-dns and getlocalcert keep the contract."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import dns.name
import pytest
from dns.name import Name

from certbot_dns_delegate.model import RRset
from certbot_dns_delegate.providers.acme_dns.provider import AcmeDNS
from certbot_dns_delegate.providers.conformance import Conformance
from certbot_dns_delegate.providers.interface import Context
from tests.servers import acme_dns as servers


def options(accounts: Path, url: str | None, **given: Any) -> dict[str, Any]:
    """A section's options as the settings parser would build them."""
    values = {key.name: None if key.default is None else key.kind.parse(key.default) for key in AcmeDNS.KEYS}
    return values | {"accounts": accounts, "url": url, "connect_timeout": timedelta(seconds=2)} | given


class Accounts(Conformance):
    """What both kinds of server have in common."""

    exclude: ClassVar = {
        "test_the_apex_can_be_a_target": "a target is an account's name, which is never the apex",
        "test_foreign_values_and_their_ttl_are_kept": "an account holds two values, and new ones push out others",
        "test_withdrawing_takes_exactly_the_named_values": "a value cannot be taken away",
        "test_a_new_instance_publishes_without_effect_what_is_there": "an account does not show its values",
    }
    server: servers.AcmeDNS

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path

    def prepare(self, server: servers.AcmeDNS, url: str, count: int = 10) -> None:
        self.server, self.url = server, url
        accounts = [server.create() for _ in range(count)]
        self.names = [dns.name.from_text(account.fulldomain) for account in accounts]
        self.path = self.tmp_path / "accounts.json"
        self.path.write_text(json.dumps({f"name{n}.example": vars(a) | {"rows": 0} for n, a in enumerate(accounts)}))
        self.path.chmod(0o600)
        self.secrets = tuple(account.password for account in accounts)

    def provider(self) -> AcmeDNS:
        return AcmeDNS(options(self.path, self.url), Context("test", lambda *_: (), self.tmp_path))

    def wrong(self) -> AcmeDNS:
        path = self.tmp_path / "wrong.json"
        accounts = json.loads(self.path.read_text())
        for account in accounts.values():
            account["password"] = "x" * 40
        path.write_text(json.dumps(accounts))
        path.chmod(0o600)
        return AcmeDNS(options(path, self.url), Context("test", lambda *_: (), self.tmp_path))

    def owner(self, number: int) -> Name:
        return self.names[number]

    def served(self, owner: Name) -> RRset:
        values = self.server.txt(owner.to_text())
        return RRset(frozenset(values), 1 if values else 0)


class TestAcmeDNS(Accounts):
    """acme-dns."""

    zone = dns.name.from_text("auth.example.org.")

    @pytest.fixture(autouse=True)
    def _server(self, _directory: None) -> Any:
        with servers.AcmeDNS() as server:
            self.prepare(server, server.url)
            yield
            self.teardown_method()


class TestGetLocalCert(Accounts):
    """getlocalcert: one zone for each account."""

    @pytest.fixture(autouse=True)
    def _server(self, _directory: None) -> Any:
        with servers.GetLocalCert() as server:
            self.prepare(server, server.api)
            self.zone = self.names[0]
            yield
            self.teardown_method()
