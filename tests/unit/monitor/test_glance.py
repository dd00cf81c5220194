"""The first look says what the closer one would say, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from certbot_dns_delegate.command.names import digest, parse
from certbot_dns_delegate.lookup.lane import Lane
from certbot_dns_delegate.lookup.quick import Short
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
from certbot_dns_delegate.monitor.glance import Glance, Glances
from certbot_dns_delegate.monitor.standing import Standing, look
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.state.fleet import Networks
from tests.servers import Server
from tests.unit.internet import name
from tests.unit.lookup.test_exchange import at

ZONE = f"""
own A 192.0.2.1
_acme-challenge.own CNAME own.customer.test.acme.test.
_acme-challenge.letters CNAME Letters.Customer.test.ACME.test.
letters A 192.0.2.1
_acme-challenge.hashed CNAME {digest("hashed.customer.test")}.acme.test.
hashed AAAA 2001:db8::1
_acme-challenge.account CNAME 8e5700ea.acme.test.
account CNAME own
_acme-challenge.odd CNAME od\\@d.acme.test.
odd A 198.51.100.1
odd AAAA 2001:db8::1
_acme-challenge.away CNAME away.customer.test.acme.test.
away A 198.51.100.1
_acme-challenge.nowhere CNAME nowhere.customer.test.acme.test.
*.wild CNAME any.acme.test.
_acme-challenge.long CNAME one
one CNAME two
two CNAME long.customer.test.acme.test.
_acme-challenge.elsewhere CNAME elsewhere.other.test.
_acme-challenge.circle CNAME round
round CNAME _acme-challenge.circle
_acme-challenge.forbidden CNAME forbidden.customer.test.closed.test.
_acme-challenge.open CNAME open.customer.test.closed.test.
_acme-challenge.wrong CNAME other.exact.test.
_acme-challenge.right CNAME right.customer.test.exact.test.
moved DNAME other.test.
missing A 192.0.2.1
many A 192.0.2.1
_acme-challenge.many CNAME many.customer.test.acme.test.
""" + "\n".join(f"many A 198.51.100.{number}" for number in range(1, 10))
AT_ONCE = ["own", "letters", "hashed", "account", "odd", "away", "nowhere", "open", "right"]
"""What a glance is enough for."""
CLOSER = ["long", "elsewhere", "circle", "forbidden", "wrong", "missing", "none", "x.wild", "x.moved", "many"]
LINES = ["*.own.customer.test", "_acme-challenge.own.customer.test", "own.customer.test.", "OWN.customer.test", "x"]
"""Names written otherwise, and one that is none."""


@pytest.fixture(scope="module")
def resolver() -> Iterator[Server]:
    """A resolver that knows the fleet."""
    zones = {"customer.test.": ZONE, "other.test.": "", "acme.test.": "acme A 192.0.2.1", ".": ""}
    with Server(zones, recursive=True) as server:
        yield server


def settings() -> Settings:
    """Three delegates: for every name, for one name, for a fixed target of each name."""
    delegates = (
        Delegate("acme.test", "rfc2136", name("acme.test."), {}),
        Delegate("closed.test", "rfc2136", name("closed.test."), {}, names=("open.customer.test",)),
        Delegate("exact.test", "rfc2136", name("exact.test."), {}, targets="{name}.exact.test"),
    )
    return Settings(Path("/etc/x.ini"), "dns-delegate", delegates)


SERVING = [{}, {"acme.test": (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))}]
"""Our networks: none are known, or some of each family."""


def glanced(resolver: Server, text: str, serving: dict[str, Networks]) -> Standing | None:
    """What a glance finds; None where it is not enough."""
    lane: Lane[Glance] = Lane(at(resolver))
    glance, reply = Glances(settings(), serving).at(text), None
    try:
        while True:
            lane.put(*glance.send(reply), glance)
            reply = answer(lane)
    except StopIteration as ended:
        return Standing(*ended.value) if ended.value is not None else None
    finally:
        lane.close()


def answer(lane: Lane[Glance]) -> Short | None:
    """The next one."""
    while True:
        for _, reply in lane.take(1.0):
            return reply


def looked(resolver: Server, text: str, serving: dict[str, Networks]) -> Standing:
    """What a closer look finds."""
    (standing,) = look(settings(), Recursive([Resolver(at(resolver))]), [parse(text)], serving)
    return standing


@pytest.mark.parametrize("serving", SERVING, ids=["CNAMEs alone", "with addresses"])
@pytest.mark.parametrize("label", AT_ONCE)
def test_a_glance_is_enough(resolver: Server, label: str, serving: dict[str, Networks]) -> None:
    """For a name that leads into a delegate by one CNAME of its own, wherever its addresses are."""
    text = f"{label}.customer.test"
    seen = glanced(resolver, text, serving)
    assert seen is not None
    assert seen == looked(resolver, text, serving)


@pytest.mark.parametrize("label", CLOSER)
def test_a_glance_is_not_enough(resolver: Server, label: str) -> None:
    """For whatever else there is."""
    assert glanced(resolver, f"{label}.customer.test", SERVING[1]) is None


@pytest.mark.parametrize("line", LINES)
def test_other_spellings(resolver: Server, line: str) -> None:
    """The closer look reads them, unless a name is written as most are."""
    seen = glanced(resolver, line, SERVING[1])
    assert seen is None or seen == looked(resolver, line, SERVING[1])
    assert (seen is not None) == line.startswith("*.")
