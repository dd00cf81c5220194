"""What a resolver remembers: a look plants nothing, and what others have planted stops no order (Unbound)."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.name
import dns.query
import pytest

from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader
from tests.e2e.lab import Lab

NAME = "remembered.customer.test"
OWNER = f"_acme-challenge.{NAME}."
TARGET = "remembered.single.bind.test."


def ask_the_resolver(lab: Lab) -> dns.message.Message:
    """As anybody may who is too early."""
    return dns.query.udp(dns.message.make_query(OWNER, "CNAME"), lab.resolver, timeout=5)


def add_the_record(lab: Lab) -> None:
    """At the customer's servers alone: the resolver keeps what it has."""
    flush = lab.flush
    lab.flush = lambda: None  # type: ignore[method-assign]  # for this one change
    try:
        lab.set_customer({OWNER: f"CNAME {TARGET}"})
    finally:
        lab.flush = flush  # type: ignore[method-assign]  # the lab of this test alone


@pytest.fixture
def customer(lab: Lab) -> Iterator[Lab]:
    """A customer whose record is added in the middle of the test."""
    lab.flush()
    yield lab
    if OWNER in lab.customer_records:
        lab.set_customer({OWNER: None})


def test_checked_before_the_record_is_there(customer: Lab, tmp_path: Path) -> None:
    """``check`` asks the customer's own servers, so the next ``check``, after the record was added, sees it at once."""
    ini = customer.credentials("single.bind.test")
    command = [
        sys.executable,
        "-m",
        "certbot_dns_delegate",
        "check",
        NAME,
        "--credentials",
        str(ini),
        "--work-dir",
        str(tmp_path),
    ]
    given = {"env": customer.certbot_environment(), "text": True, "capture_output": True, "timeout": 60}
    before = subprocess.run(command, check=False, **given)
    assert (before.returncode, "has no CNAME" in before.stdout) == (1, True)
    assert not [owner for owner, _ in customer.resolver_queries() if owner.lower().endswith(f"{NAME}.")]
    add_the_record(customer)
    after = subprocess.run(command, check=False, **given)
    assert (after.returncode, "still remembers" in after.stdout) == (0, False), after.stdout


def test_order_while_the_resolver_remembers(customer: Lab, tmp_path: Path) -> None:
    """The servers' CNAME counts, and a warning says for how many seconds the resolver sees none."""
    assert not ask_the_resolver(customer).answer
    add_the_record(customer)
    assert not ask_the_resolver(customer).answer
    warned: list[str] = []
    settings = reader.load(customer.credentials("single.bind.test"), "dns-delegate", print)
    engine = Engine(settings, tmp_path / "dns-delegate", tell=Tell(warned.append))
    challenge = Challenge(NAME, dns.name.from_text(OWNER), secrets.token_urlsafe(32))
    try:
        plan = engine.perform([challenge])
    finally:
        assert engine.cleanup() == []
    assert plan.planned[0].target.owner == dns.name.from_text(TARGET)
    assert [f"{customer.resolver} still remembers that {OWNER} has no CNAME, for " in each for each in warned] == [True]
