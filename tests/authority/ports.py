"""Ports for listeners of the tests."""

import itertools
import random

from certbot_dns_delegate.authority.binding import EVERYWHERE, bind
from certbot_dns_delegate.authority.errors import PortTakenError


def quiet_port() -> int:
    """A port that is free everywhere, and below those that the kernel gives to clients, whose connections in
    TIME_WAIT would keep a listener out."""
    for port in itertools.islice(itertools.count(random.randrange(10_000, 30_000)), 1000):
        try:
            for address in EVERYWHERE:
                bind(address, port).close()
        except PortTakenError:
            continue
        return port
    raise AssertionError("no free port")
