"""BIND where it is not as usual: its clock is an hour off, it has views, somebody else writes in between."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.update
import pytest

from certbot_dns_delegate.errors import NoEffect, Refused
from certbot_dns_delegate.lookup.recursive import Recursive, system_resolvers
from certbot_dns_delegate.model import Sighting, Values
from certbot_dns_delegate.order.providers import Writers
from certbot_dns_delegate.providers.rfc2136.diagnosis import HINTS
from certbot_dns_delegate.settings import reader
from tests.e2e.between import Between
from tests.e2e.lab import Lab, network, programs
from tests.e2e.lab.keys import Key
from tests.e2e.lab.named import Named, Zone
from tests.e2e.runs import Certbot
from tests.waiting import NoTime

TITLE = "single.bind.test"
ZONE = dns.name.from_text(TITLE)
OWNER = dns.name.from_text("special", ZONE)
OURS: Values = {OWNER: frozenset({"v" * 43})}
HOUR_S = 3600


@contextmanager
def running(server: Named) -> Iterator[None]:
    """A server beside the lab's."""
    server.start()
    try:
        server.wait()
        yield
    finally:
        server.stop()


def provider(lab: Lab, server: str, stop: threading.Event | None = None, **keys: str) -> Any:
    """What writes for the zone, at another server than the lab's primary."""
    file = lab.credentials(TITLE, name="special.ini", extra={TITLE: {"server": server, **keys}})
    loaded = reader.load(file, "dns-delegate", str)
    recursive = Recursive(system_resolvers())
    return Writers(lambda: recursive, lab.directory, str, stop or threading.Event()).of(loaded, loaded.delegates[0])


# A clock


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
def test_clock_an_hour_off(lab: Lab, certbot: Certbot, tmp_path: Path, seconds: int) -> None:
    """The server says BADTIME and what time it is; the error says by how much the clocks differ; nothing is written."""
    key = lab.delegates[TITLE].key
    zone = Zone(f"{TITLE}.", lab.internet.text(f"{TITLE}."), f"allow-update {{ key {key.name}; }};")
    server = Named("off", tmp_path, network.RECIPES, [zone], [key])
    server.variables = programs.clock_off_by(seconds)
    with running(server):
        credentials = lab.credentials(TITLE, extra={TITLE: {"server": server.address}})
        output = certbot.issue(credentials, "single", code=1)
        told = f"UPDATE of {TITLE}.: {server.address} said NOTAUTH with BADTIME, clocks differ by "
        assert told in output
        assert abs(int(output.partition(told)[2].split()[0]) - seconds) < 60
        assert f"hint: {HINTS['BADTIME']}" in output
        assert lab.values("single.single.bind.test.", server.address) == []
    assert certbot.journals() == []


# Views


class Views(Named):
    """Who signs with the key gets to the zone that it may update; everybody else sees another."""

    def __init__(self, directory: Path, zone: Zone, key: Key) -> None:
        self.key = key
        super().__init__("views", directory, network.RECIPES, [zone], [key])

    def statements(self) -> str:
        """One zone in two views."""
        (zone,) = self.zones
        changing = replace(zone, options=f"allow-update {{ key {self.key.name}; }};")
        return (
            f"view signed {{ match-clients {{ key {self.key.name}; }}; {self.statement(changing, 'signed-')} }};\n"
            f"view others {{ match-clients {{ any; }}; {self.statement(zone, 'others-')} }};\n"
        )


@pytest.fixture
def views(lab: Lab, tmp_path: Path) -> Iterator[Views]:
    """A server with two views of the zone."""
    server = Views(tmp_path, Zone(f"{TITLE}.", lab.internet.text(f"{TITLE}.")), lab.delegates[TITLE].key)
    with running(server):
        yield server


def seen(server: str, key: Key | None = None) -> tuple[set[str], int]:
    """The values at the owner and their TTL, as a query sees them that is signed or not."""
    query = dns.message.make_query(OWNER, "TXT", flags=0)
    if key is not None:
        query.use_tsig(key.dnspython())
    answer = dns.query.tcp(query, server, timeout=5).answer
    values = {b"".join(rdata.strings).decode() for rrset in answer for rdata in rrset}
    return values, answer[0].ttl if answer else 0


def test_view_by_key(lab: Lab, views: Views) -> None:
    """With sign_query the values are read where they were written, beside a stranger's, whose TTL stays."""
    key = lab.delegates[TITLE].key
    lab.update(TITLE, add=[(OWNER.to_text(), HOUR_S, "theirs")], server=views.address)
    signing = provider(lab, views.address, sign_query="true")
    (sighting,) = signing.publish(ZONE, OURS, 1)
    assert sighting.rrset.values == OURS[OWNER] | {"theirs"}
    assert seen(views.address, key) == ({"theirs", *OURS[OWNER]}, HOUR_S)
    assert seen(views.address) == (set(), 0)
    signing.withdraw(ZONE, OURS)
    assert seen(views.address, key) == ({"theirs"}, HOUR_S)


def test_view_of_others(lab: Lab, views: Views) -> None:
    """Without it the look goes to the other view, where the value is missed; the error names the setting."""
    plain = provider(lab, views.address, NoTime())
    with pytest.raises(NoEffect) as caught:
        plain.publish(ZONE, OURS, 1)
    assert "sign_query" in caught.value.hint
    plain.withdraw(ZONE, OURS)
    assert seen(views.address, lab.delegates[TITLE].key) == (set(), 0)


# Another writer


@pytest.fixture
def stranger(lab: Lab) -> Iterator["Stranger"]:
    """Another writer; what is left of it is removed."""
    writer = Stranger(lab)
    yield writer
    writer.write(lambda update: update.delete(OWNER))


class Stranger:
    """Somebody with a key for the same name."""

    def __init__(self, lab: Lab) -> None:
        self.key = lab.delegates[TITLE].key

    def write(self, change: Callable[[dns.update.UpdateMessage], object]) -> None:
        update = dns.update.UpdateMessage(ZONE, keyring=self.key.dnspython())
        change(update)
        assert dns.query.tcp(update, network.BIND, timeout=5).rcode() == dns.rcode.NOERROR

    def add(self) -> None:
        """A value of its own, for an hour."""
        self.write(lambda update: update.add(OWNER, HOUR_S, "TXT", "theirs"))

    def add_another(self) -> None:
        """And one more."""
        self.write(lambda update: update.add(OWNER, HOUR_S, "TXT", "another"))

    def alias(self) -> None:
        """A CNAME instead of all that stands there."""

        def change(update: dns.update.UpdateMessage) -> None:
            update.delete(OWNER)
            update.add(OWNER, HOUR_S, "CNAME", "elsewhere.test.")

        self.write(change)


def test_value_in_between(lab: Lab, stranger: Stranger) -> None:
    """A value that comes just before our UPDATE stays, with its TTL, while ours is there and when it is gone."""
    with Between(stranger.add, before=1) as between:
        writing = provider(lab, between.server)
        (sighting,) = writing.publish(ZONE, OURS, 1)
        assert isinstance(sighting, Sighting)
        assert sighting.rrset.values == OURS[OWNER] | {"theirs"}
        assert seen(network.BIND) == ({"theirs", *OURS[OWNER]}, HOUR_S)
        writing.withdraw(ZONE, OURS)
    assert seen(network.BIND) == ({"theirs"}, HOUR_S)


def test_another_value_in_between(lab: Lab, stranger: Stranger) -> None:
    """So does one that comes between our look at a stranger's value and the UPDATE that joins it."""
    stranger.add()
    with Between(stranger.add_another, before=3) as between:
        writing = provider(lab, between.server)
        writing.publish(ZONE, OURS, 1)
        assert seen(network.BIND) == ({"theirs", "another", *OURS[OWNER]}, HOUR_S)
        writing.withdraw(ZONE, OURS)
    assert seen(network.BIND) == ({"theirs", "another"}, HOUR_S)


@pytest.mark.parametrize("before", [1, 3])
def test_alias_in_between(lab: Lab, stranger: Stranger, before: int) -> None:
    """A CNAME that comes just before either UPDATE is refused, where a plain one is answered NOERROR without effect."""
    if before == 3:
        stranger.add()
    with Between(stranger.alias, before=before) as between, pytest.raises(Refused) as caught:
        provider(lab, between.server).publish(ZONE, OURS, 1)
    assert caught.value.hint == HINTS["YXRRSET"]
    query = dns.message.make_query(OWNER, "CNAME", flags=0)
    (alias,) = dns.query.tcp(query, network.BIND, timeout=5).answer
    assert alias.rdtype == dns.rdatatype.CNAME
