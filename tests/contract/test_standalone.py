"""standalone keeps the contract: values are served by this process and nobody else's are there."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import dns.message
import dns.name
import dns.query
import dns.rdatatype
import pytest
from dns.name import Name

from certbot_dns_delegate.errors import Refused, SettingsError
from certbot_dns_delegate.model import RRset
from certbot_dns_delegate.providers.conformance import Conformance
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.providers.standalone import Standalone

ADDRESS, PORT = "127.0.61.1", 5361
ZONE = dns.name.from_text("acme.example.net.")


def make(suffix: Name | None = ZONE, **given: Any) -> Standalone:
    """A provider as the settings parser would build it."""
    values = {"listen": ((ADDRESS, PORT),), "server_name": dns.name.from_text("host.example.net.")} | given
    return Standalone(values, Context("test", lambda *_: (), Path(), suffix=suffix))


def served(owner: Name) -> RRset:
    """What the listener answers."""
    reply = dns.query.tcp(dns.message.make_query(owner, "TXT", flags=0), ADDRESS, 5, PORT)
    rrset = reply.get_rrset(reply.answer, owner, 1, dns.rdatatype.TXT)
    texts = frozenset(b"".join(rdata.strings).decode() for rdata in rrset or ())
    return RRset(texts, rrset.ttl if rrset is not None else 0)


def is_listening() -> bool:
    with socket.socket() as client:
        return client.connect_ex((ADDRESS, PORT)) == 0


class TestConformance(Conformance):
    """All of the contract, by one listener for all instances of this process."""

    zone = ZONE
    exclude: ClassVar = {
        "test_foreign_values_and_their_ttl_are_kept": "nobody else can write into this process",
        "test_wrong_credentials_are_refused": "it has no credentials",
    }

    @pytest.fixture(autouse=True)
    def _end(self) -> Iterator[None]:
        self.made: list[Standalone] = []
        self.provider()  # the suite looks at what is served before it asks for an instance
        yield
        self.teardown_method()
        for provider in self.made:
            provider.end()
        assert not is_listening()

    def provider(self) -> Standalone:
        self.made.append(make())
        self.made[-1].begin()
        return self.made[-1]

    def served(self, owner: Name) -> RRset:
        return served(owner)


def test_listens_from_begin_to_end() -> None:
    """It listens from ``begin`` to ``end``, and each may be called twice."""
    provider = make()
    assert not is_listening()
    provider.begin()
    provider.begin()
    assert is_listening()
    assert served(dns.name.from_text("nothing", ZONE)) == RRset()
    provider.end()
    provider.end()
    assert not is_listening()


def test_two_delegates_share_a_listener() -> None:
    """Two zones of one process are served by one listener, until the last has ended."""
    other = dns.name.from_text("other.example.net.")
    first, second = make(), make(other)
    first.begin()
    second.begin()
    owner, name = dns.name.from_text("a", ZONE), dns.name.from_text("b", other)
    first.publish(ZONE, {owner: frozenset({"1" * 43})}, 1)
    second.publish(other, {name: frozenset({"2" * 43})}, 1)
    first.end()
    assert served(name).values == {"2" * 43}
    second.end()
    assert not is_listening()


def test_the_next_order_waits() -> None:
    """While one process listens, another's order waits and is let in at its end."""
    from certbot_dns_delegate.providers import standalone

    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    holder.bind(standalone.TURN)
    provider = make()
    waiter = threading.Thread(target=provider.begin)
    waiter.start()
    assert not is_listening()
    holder.close()
    waiter.join(10)
    assert is_listening()
    provider.end()


def test_port_taken_is_refused() -> None:
    """A taken port is refused with what to do, and the turn is given back."""
    with socket.socket() as holder:
        holder.bind((ADDRESS, PORT))
        holder.listen()
        with pytest.raises(Refused, match=f"{ADDRESS} port {PORT}") as caught:
            make().begin()
        assert "listen = " in caught.value.hint
    provider = make()
    provider.begin()
    provider.end()


def test_settings_are_checked() -> None:
    """Names and two ports cannot be listened on; the flat file needs its zone."""
    listen = (("host.example.net", 53), ("127.0.0.1", 5353))
    problems = list(Standalone.validate({"listen": listen}, pytest.fail))
    assert problems == [
        "listen takes addresses, not names such as host.example.net",
        "listen takes one port for all addresses",
    ]
    with pytest.raises(SettingsError, match="has no zone to answer for"):
        make(suffix=None).begin()


def test_a_zone_that_is_not_delegated_here() -> None:
    """When DNS says that the target lies in another zone, no NS record leads here: nothing is served."""
    provider = make()
    parent = dns.name.from_text("example.net.")
    with pytest.raises(Refused, match="no NS record leads here"):
        provider.publish(parent, {dns.name.from_text("a", ZONE): frozenset({"1" * 43})}, 1)
    provider.end()
