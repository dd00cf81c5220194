"""Series about orders: names, zones, servers; the engine alone, without Certbot and CA."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import dns.message
import dns.name
import dns.query

from certbot_dns_delegate.lookup.recursive import parse_resolvers
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader
from tests.e2e.lab import network
from tests.growth import world
from tests.growth.world import World

TIMES = 3
"""Of which the median counts; one more goes before."""
GONE_S = 2.1
"""Between two orders: a value just withdrawn may be in caches for 2 s, and an order waits for that."""


class Point(NamedTuple):
    """A cost in seconds: as a clock sees it, and of this process's processor time."""

    at: int
    s: float
    cpu_s: float


def order(made: World, at: int, credentials: Path, names: Sequence[str]) -> Point:
    """Orders of the engine alone, without Certbot and CA: from the plan to the withdrawal."""
    work = made.directory / "work" / credentials.stem
    work.mkdir(parents=True, exist_ok=True)
    for name in names:  # the resolver knows the CNAMEs, as it does on a host that renews
        dns.query.udp(dns.message.make_query(f"_acme-challenge.{name}.", "CNAME"), network.RESOLVER, timeout=30)
    runs = []
    for _ in range(TIMES + 1):
        warnings: list[str] = []
        settings = reader.load(credentials, "dns-delegate", warnings.append)
        engine = Engine(settings, work / "dns-delegate", parse_resolvers(network.RESOLVER))
        wanted = [challenge(name) for name in names]
        begin, used = time.monotonic(), time.process_time()
        engine.perform(wanted)
        left = engine.cleanup()
        runs.append((time.monotonic() - begin, time.process_time() - used))
        assert not left
        time.sleep(GONE_S)
    return Point(at, *(median(column) for column in zip(*runs[1:], strict=True)))


def challenge(name: str) -> Challenge:
    """A challenge with a value as a CA's is."""
    return Challenge(name, dns.name.from_text(f"_acme-challenge.{name}."), os.urandom(16).hex() + "x" * 11)


def names(made: World, at: int) -> Point:
    """Names in one zone."""
    credentials = made.credentials(f"names-{at}.ini", [world.zone(0)], network.BIND)
    return order(made, at, credentials, [f"n{number}.customer.test" for number in range(at)])


def zones(made: World, at: int) -> Point:
    """A name in each zone."""
    credentials = made.credentials(f"zones-{at}.ini", map(world.zone, range(at)), network.BIND)
    return order(made, at, credentials, [f"z{number}.customer.test" for number in range(at)])


def servers(made: World, at: int) -> Point:
    """A name in a zone of so many servers."""
    credentials = made.credentials(f"servers-{at}.ini", [world.served_by(at)], network.KNOT)
    return order(made, at, credentials, [f"s{at}.customer.test"])
