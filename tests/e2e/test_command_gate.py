"""The gate: whether a name that leads elsewhere is still renewed."""

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

import dns.name
import pytest

from certbot_dns_delegate.errors import NotServing
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.settings import reader
from tests.e2e.lab import Lab

NAMES = ("single.customer.test", "fast.customer.test")
HERE, AWAY = "127.0.53.2", "192.0.2.1"


class Gated:
    """Runs of the engine under ``serving``, over time."""

    def __init__(self, lab: Lab, directory: Path, grace: str = "30d") -> None:
        serving = {"serving": "127.0.53.0/24, fd53::/64", "serving_grace": grace}
        extra = {"single.bind.test": serving}
        ini = lab.credentials("single.bind.test", "fast.bind.test", name=f"{directory.name}.ini", extra=extra)
        self.settings = reader.load(ini, "dns-delegate", print)
        self.state = directory / "dns-delegate"
        self.warned: list[str] = []

    def run(self, *, allow_subset: bool = False) -> Plan:
        """One order for both names."""
        engine = Engine(self.settings, self.state, tell=Tell(self.warned.append))
        wanted = [
            Challenge(name, dns.name.from_text(f"_acme-challenge.{name}."), secrets.token_urlsafe(32)) for name in NAMES
        ]
        try:
            return engine.perform(wanted, allow_subset=allow_subset)
        finally:
            assert engine.cleanup() == []

    def pass_days(self, days: int) -> None:
        """Let everything remembered have been so many days ago."""
        with closing(sqlite3.connect(self.state / "fleet.sqlite3")) as database, database:
            database.execute("UPDATE name SET away = away - ?", (days * 86400,))


@pytest.fixture
def gated(lab: Lab, tmp_path: Path) -> Gated:
    """Settings of which one delegate has a gate."""
    return Gated(lab, tmp_path)


def move(lab: Lab, address: str) -> None:
    """Give the name whose delegate has a gate an address."""
    lab.set_customer({f"{NAMES[0]}.": f"A {address}"})


def test_a_name_that_leads_here_is_renewed(lab: Lab, gated: Gated) -> None:
    """Nothing is said of it, and names of delegates without serving are not looked at."""
    move(lab, HERE)
    assert len(gated.run().planned) == 2
    assert gated.warned == []
    assert not [question for question in lab.resolver_queries() if question == ("fast.customer.test.", "A")]


def test_a_name_that_left_is_renewed_until_the_grace_is_over(lab: Lab, gated: Gated) -> None:
    """First a warning, then an error that says since when; after it has come back all is well again."""
    move(lab, HERE)
    gated.run()
    move(lab, AWAY)
    gated.run()
    assert "does not lead to our servers any more" in gated.warned[-1]
    gated.pass_days(29)
    assert len(gated.run().planned) == 2
    gated.pass_days(2)
    with pytest.raises(NotServing, match="the grace of 30 days is over") as caught:
        gated.run()
    assert "certbot delete" in caught.value.hint
    move(lab, HERE)
    assert len(gated.run().planned) == 2
    move(lab, AWAY)
    assert len(gated.run().planned) == 2


def test_a_grace_of_hours(lab: Lab, tmp_path: Path) -> None:
    """A grace that is not of whole days is told as it is."""
    gated = Gated(lab, tmp_path, "12h")
    gated.run()
    assert "it is renewed for 0.5 days" in gated.warned[-1]
    gated.pass_days(1)
    with pytest.raises(NotServing, match=r"the grace of 0\.5 days is over"):
        gated.run()


def test_others_renew_where_a_subset_is_allowed(gated: Gated) -> None:
    """A name that never arrived (here: no address at all) is left out, and the others are written."""
    gated.run()
    gated.pass_days(31)
    plan = gated.run(allow_subset=True)
    assert [planned.challenge.identifier for planned in plan.planned] == [NAMES[1]]
    assert "single.customer.test is left out" in gated.warned[-1]


def test_without_a_memory_names_pass(gated: Gated) -> None:
    """A damaged memory is told and stops no renewal."""
    gated.state.mkdir(mode=0o700)
    (gated.state / "fleet.sqlite3").write_text("no database at all, and longer than a header" * 40)
    assert len(gated.run().planned) == 2
    assert "whether names lead to our servers is not known" in gated.warned[-1]
