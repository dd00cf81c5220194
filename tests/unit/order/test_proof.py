"""Whom an order looks at, and what it asks of their signatures."""

from dataclasses import replace
from pathlib import Path

import dns.name
import pytest

from certbot_dns_delegate.model import About, Doubt, Publication, Server, Zone
from certbot_dns_delegate.order.proof import watchers_for
from certbot_dns_delegate.settings import reader
from certbot_dns_delegate.settings.delegates import Delegate
from certbot_dns_delegate.timing import profile_of

APEX = dns.name.from_text("acme.test.")
SIGNED = Zone(APEX, (Server("192.0.2.1"), Server("192.0.2.2")), is_signed=True)
BOGUS = Doubt(About.DNSSEC, "does not validate", "")


def delegate(tmp_path: Path, *lines: str) -> Delegate:
    """The one delegate of a file with these lines."""
    path = tmp_path / "delegate.ini"
    path.touch(mode=0o600)
    path.write_text("\n".join(["[acme.test]", "provider = rfc2136", "server = 192.0.2.1", "unsigned = true", *lines]))
    return reader.load(path, "dns-delegate", lambda _: None).delegates[0]


@pytest.mark.parametrize(
    ("zone", "line", "signed", "in_time"),
    [
        (SIGNED, "", True, True),
        (replace(SIGNED, is_signed=False), "", False, True),
        (SIGNED, "dnssec = ignore", False, True),
        (replace(SIGNED, doubts=(BOGUS,)), "dnssec = ignore", False, True),
        (replace(SIGNED, doubts=(BOGUS,)), "", False, True),
        (replace(SIGNED, is_in_time=False), "", True, False),
    ],
    ids=["signed", "unsigned", "ignored", "bogus and ignored", "bogus in a flat file", "clock"],
)
def test_signatures_are_asked_for(tmp_path: Path, zone: Zone, line: str, signed: bool, in_time: bool) -> None:
    """Where resolvers insist on them and the zone validates; their time, where this host's clock can be believed."""
    publication = Publication("acme.test", zone, {APEX: frozenset({"v"})})
    made = watchers_for(publication, delegate(tmp_path, line), profile_of("rfc2136"), [], [], lambda *_: [])
    assert [each.server for each in made] == list(zone.servers)
    assert {(each.signed, each.in_time) for each in made} == {(signed, in_time)}


def test_who_answered_in_the_plan_is_known(tmp_path: Path) -> None:
    """It answered without the values, which were not written yet."""
    zone = replace(SIGNED, answering=frozenset({Server("192.0.2.2", name="ns2.test")}))
    publication = Publication("acme.test", zone, {APEX: frozenset({"v"})})
    made = watchers_for(publication, delegate(tmp_path), profile_of("rfc2136"), [], [], lambda *_: [])
    assert [each.lacked_at is not None for each in made] == [False, True]


def test_watch_servers_take_the_place_of_the_zones(tmp_path: Path) -> None:
    """They are looked at alone."""
    publication = Publication("acme.test", SIGNED, {APEX: frozenset({"v"})})
    chosen = delegate(tmp_path, "watch_servers = 192.0.2.9")
    made = watchers_for(publication, chosen, profile_of("rfc2136"), [], [], lambda host, port: [Server(host, port)])
    assert [each.server for each in made] == [Server("192.0.2.9")]


@pytest.mark.parametrize("watch", ["none", "server"])
def test_nobody_is_looked_at_where_none_is_wanted(tmp_path: Path, watch: str) -> None:
    """What the provider has read back is all."""
    publication = Publication("acme.test", SIGNED, {APEX: frozenset({"v"})})
    chosen = delegate(tmp_path, f"watch = {watch}")
    assert watchers_for(publication, chosen, profile_of("rfc2136"), [], [], lambda *_: []) == []
