"""How replies are rationed."""

import pytest

from certbot_dns_delegate.authority.limit import Limiter, prefix


def admit(limiter: Limiter, network: bytes, now: float) -> bool:
    """Send a reply if there is a token for it."""
    if limiter.exhausted(network, now):
        return False
    limiter.charge(network, now)
    return True


def test_burst_then_rate() -> None:
    """A network gets its burst at once and its rate from then on; another one is not concerned."""
    limiter = Limiter(rate=10, burst=3)
    assert [admit(limiter, b"a", 5.0) for _ in range(5)] == [True, True, True, False, False]
    assert admit(limiter, b"b", 5.0)
    assert [admit(limiter, b"a", 5.1), admit(limiter, b"a", 5.1)] == [True, False]
    assert [admit(limiter, b"a", 99.0) for _ in range(4)] == [True, True, True, False]


def test_memory() -> None:
    """The networks heard least recently are forgotten beyond the bound."""
    limiter = Limiter(rate=1, burst=1, prefixes=2)
    assert admit(limiter, b"a", 0.0)
    assert admit(limiter, b"b", 0.0)
    assert admit(limiter, b"c", 0.0)
    assert len(limiter) == 2
    assert not admit(limiter, b"b", 0.0)
    assert admit(limiter, b"a", 0.0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8:0:12ff::1", "2001:db8:0:1200::2", True),
        ("2001:db8:0:1200::1", "2001:db8:0:1300::1", False),
        ("fe80::1%lo", "fe80::2", True),
    ],
)
def test_prefix(one: str, other: str, same: bool) -> None:
    """A network is a /24 or a /56."""
    assert (prefix(one) == prefix(other)) is same
