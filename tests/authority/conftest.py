"""A server on loopback, with the names the tests ask about."""

from collections.abc import Iterator

import pytest

from certbot_dns_delegate.authority.listener import Listener
from tests.authority.names import ZONES
from tests.authority.ports import quiet_port


@pytest.fixture(scope="module")
def server() -> Iterator[Listener]:
    """A listener on IPv4 and IPv6 loopback, both on one port."""
    with Listener(ZONES, ["127.0.0.1", "::1"], quiet_port()) as listener:
        yield listener
