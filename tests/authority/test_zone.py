"""What cannot be served is refused when it is written down, not when it is asked for."""

import pytest

from certbot_dns_delegate.authority.zone import ServedZone, ServedZones
from tests.authority.names import name

APEX = name("acme.example.net")
ELSEWHERE = {name("ns.example.org"): ["192.0.2.1"]}


@pytest.mark.parametrize(
    ("zone", "why"),
    [
        (ServedZone(APEX, {}), "has no server"),
        (ServedZone(APEX, {name("ns.acme.example.net"): []}), "has no address"),
        (ServedZone(APEX, {name("ns.acme.example.net"): ["host"]}), "'host' does not appear to be an IP"),
        (ServedZone(APEX, ELSEWHERE, {name("shop.example.net"): ["x"]}), "is not inside zone"),
        (ServedZone(APEX, ELSEWHERE, {APEX: [f"{number:043}" for number in range(1200)]}), "do not fit"),
    ],
)
def test_mistakes(zone: ServedZone, why: str) -> None:
    """A zone that cannot be served raises and says why."""
    with pytest.raises(ValueError, match=why):
        ServedZones([zone])


def test_nothing_served() -> None:
    """Without zones every name is outside."""
    assert ServedZones().find(b"\3net\0", 16) is None
    assert ServedZones().find(b"\0", 16) is None


def test_root() -> None:
    """The root can be a zone like any other."""
    zones = ServedZones([ServedZone(name("."), ELSEWHERE, {name("a.b"): ["x"]})])
    found = zones.find(b"\1b\0", 16)
    assert found
    assert found[1] == {}
    denied = zones.find(b"\1c\0", 16)
    assert denied
    assert denied[1] is None


def test_owner_without_values_does_not_exist() -> None:
    """An owner whose last value is withdrawn is gone, not empty."""
    found = ServedZones([ServedZone(APEX, ELSEWHERE, {name("shop.acme.example.net"): []})]).find(
        b"\4shop\4acme\7example\3net\0", 16
    )
    assert found
    assert found[1] is None
