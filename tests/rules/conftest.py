"""A run of the engine against the lab, and what it leaves."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from certbot_dns_delegate.lookup.recursive import parse_resolvers
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader
from certbot_dns_delegate.text import parse_name
from tests.e2e.lab import Lab


class Runs:
    """Makes runs in one state directory; ``warnings`` is what they told."""

    def __init__(self, lab: Lab, state: Path) -> None:
        self.lab = lab
        self.state = state
        self.warnings: list[str] = []
        self.made: list[Engine] = []
        self.count = 0

    def new(self, *titles: str, resolvers: str = "", **extra: str) -> Engine:
        """A run with these delegates; EXTRA are further keys of the last one's section (``for_`` is ``for``)."""
        keys = {titles[-1]: {key.rstrip("_"): value for key, value in extra.items()}}
        self.count += 1
        path = self.lab.credentials(*titles, name=f"{self.state.parent.name}-{self.count}.ini", extra=keys)
        loaded = reader.load(path, "dns-delegate", self.warnings.append)
        tell = Tell(self.warnings.append)
        engine = Engine(loaded, self.state, parse_resolvers(resolvers or self.lab.resolver), tell)
        self.made.append(engine)
        return engine

    def journals(self) -> list[str]:
        """The text of every journal."""
        return [path.read_text() for path in sorted(self.state.glob("pending/*.json"))]


def challenge(identifier: str, value: str = "v") -> Challenge:
    """One value to publish for a name of the customer's."""
    full = identifier if "." in identifier else f"{identifier}.customer.test"
    return Challenge(full, parse_name(f"_acme-challenge.{full}"), value * 43)


@pytest.fixture
def runs(lab: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Runs]:
    """Runs of one test; afterwards whatever they left is withdrawn, and the customer's zone is as it was."""
    caplog.set_level(logging.INFO)
    lab.flush()
    records = dict(lab.customer_records)
    runs = Runs(lab, tmp_path / "dns-delegate")
    yield runs
    for engine in runs.made:
        engine.cleanup()
    if lab.customer_records != records:
        lab.customer_records.clear()
        lab.set_customer(records)
