"""httpreq keeps the contract, with each kind of server."""

from typing import Any, ClassVar

import dns.name
import pytest
from dns.name import Name

from certbot_dns_delegate.model import RRset
from certbot_dns_delegate.providers.conformance import Conformance
from certbot_dns_delegate.providers.httpreq import HTTPReq
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.schema import Secret
from tests.servers import httpreq as servers

PASSWORD = "hunter2+hunter2"
ONE_VALUE = "it holds one value for each owner"


def make(url: str, **given: Any) -> HTTPReq:
    """A provider as the settings parser would build it."""
    values = {key.name: None if key.default is None else key.kind.parse(key.default) for key in HTTPReq.KEYS}
    return HTTPReq(values | {"url": url} | given, Context("test", lambda *_: (), None))  # type: ignore[arg-type]  # no state, no warnings


class Servers(Conformance):
    """What all kinds of server have in common."""

    zone = dns.name.from_text("acme.example.net.")
    exclude: ClassVar = {"test_the_zone_of_a_target_is_known": "the protocol has no question for it"}
    secrets = (PASSWORD,)
    server: servers.HTTPReqServer
    given: dict[str, Any] = {}  # noqa: RUF012  never changed

    def provider(self) -> HTTPReq:
        return make(self.server.url, **self.given)

    def served(self, owner: Name) -> RRset:
        return RRset(frozenset(self.server.records.get(owner.canonicalize().to_text(), ())), 1)

    def plant(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        self.server.records[owner.canonicalize().to_text()] = list(values)
        self.planted_ttl = ttl


class TestPlain(Servers):
    """Keeps every value, asks nobody."""

    exclude: ClassVar = {
        **Servers.exclude,
        "test_wrong_credentials_are_refused": "it has no credentials",
    }

    @pytest.fixture(autouse=True)
    def _server(self) -> Any:
        with servers.HTTPReqServer() as self.server:
            yield
            self.teardown_method()

    def served(self, owner: Name) -> RRset:
        return RRset(super().served(owner).values, getattr(self, "planted_ttl", 1))


class TestAcmeproxyPl(Servers):
    """Everything is 200 and called HTML; one user for one host."""

    kind: type[servers.AcmeproxyPl] = servers.AcmeproxyPl
    given = {"username": "web1", "password": Secret(PASSWORD)}  # noqa: RUF012  never changed
    exclude: ClassVar = {**Servers.exclude, "test_the_apex_can_be_a_target": "it lets a user write below its host only"}

    @pytest.fixture(autouse=True)
    def _server(self) -> Any:
        with self.kind(("web1", PASSWORD), "acme.example.net") as self.server:
            yield
            self.teardown_method()

    def served(self, owner: Name) -> RRset:
        return RRset(super().served(owner).values, getattr(self, "planted_ttl", 1))

    def wrong(self) -> HTTPReq:
        return make(self.server.url, username="web1", password=Secret(PASSWORD + "x"))


class TestNewAcmeproxyPl(TestAcmeproxyPl):
    """JSON, with a status that says something."""

    kind = servers.NewAcmeproxyPl


class TestCanonical(Servers):
    """One value for each name."""

    given = {"single_value": True, "username": "web1", "password": Secret(PASSWORD)}  # noqa: RUF012  never changed
    exclude: ClassVar = {
        **Servers.exclude,
        "test_the_apex_can_be_a_target": "it takes only names that start with _acme-challenge.",
        "test_foreign_values_and_their_ttl_are_kept": ONE_VALUE,
        "test_a_sibling_is_kept": ONE_VALUE,
        "test_withdrawing_takes_exactly_the_named_values": ONE_VALUE,
        "test_two_values_published_at_once_are_both_served": ONE_VALUE,
    }

    @pytest.fixture(autouse=True)
    def _server(self) -> Any:
        with servers.Canonical(("web1", PASSWORD)) as self.server:
            yield
            self.teardown_method()

    def owner(self, number: int) -> Name:
        return dns.name.from_text(f"_acme-challenge.host{number}", self.zone)

    def wrong(self) -> HTTPReq:
        return make(self.server.url, username="web1", password=Secret(PASSWORD + "x"))
