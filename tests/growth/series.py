"""The series: what grows, how far, and what measures one point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.growth import files, lineages, orders, world
from tests.growth.orders import Point
from tests.growth.world import World


@dataclass(frozen=True)
class Series:
    """One thing that grows."""

    label: str
    title: str
    unit: str
    about: str
    """What is measured, as a sentence or two of the page."""
    points: Sequence[int]
    measure: Callable[[World, int], Point]
    limit: int | None = None
    """The largest point of an ordinary run; beyond it a point takes the better part of an hour."""


SERIES = (
    Series(
        "names",
        "Names in one order",
        "names",
        "All names of the order are in one zone with one server. The time is from the plan until the values are"
        " removed, without Certbot and the CA.",
        (1, 10, 50, 100, 200, 400, 800, 1600),
        orders.names,
    ),
    Series(
        "zones",
        "Zones in one order",
        "zones",
        "The order has one name in each zone. Each zone has a section of its own. All zones are on one server.",
        (1, 2, 5, 10, 20, 50, 100),
        orders.zones,
    ),
    Series(
        "servers",
        "Servers of one zone",
        "servers",
        "The order has one name. Each address of each server is asked in two looks, by UDP and by TCP.",
        world.SERVERS,
        orders.servers,
    ),
    Series(
        "lineages",
        "Lineages in one ``certbot renew``",
        "lineages",
        "Certbot renews certificates of one name each, with Pebble as the CA. For each of them, Certbot itself sleeps"
        " for at least a second before it asks the CA again.",
        (1, 10, 50, 200, 1000),
        lineages.measure,
        limit=200,
    ),
    Series(
        "history",
        "Rows of the history",
        "rows",
        "The cost of what an order of ten names reads from the history and adds to it, and of the first page of"
        " ``certbot-dns-delegate history``.",
        (0, 1_000, 10_000, 100_000, 1_000_000),
        files.history,
    ),
    Series(
        "accounts",
        "Accounts of acme-dns in one file",
        "accounts",
        "A plan of 50 names, with a file that also has this many accounts of other names.",
        (0, 100, 1_000, 10_000, 50_000),
        files.accounts,
    ),
    Series(
        "sections",
        "Sections of the INI file",
        "sections",
        "A process reads the file for the first time. Each section has a provider, a server and a key.",
        (1, 10, 100, 1_000, 10_000),
        files.sections,
    ),
)
