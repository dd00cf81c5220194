"""Outbound port 53 is blocked: only the resolver is asked, and it may remember what stood there before (rule 10)."""

from collections.abc import Iterator

import dns.message
import dns.query
import pytest

from tests.e2e.lab import Lab, network
from tests.e2e.runs import Certbot

TITLE, OWNER = "single.bind.test", "single.single.bind.test."
TTL_S = 5


@pytest.fixture
def remembered(lab: Lab) -> Iterator[None]:
    """Somebody else's value stands at the target, and the resolver has just been asked for it."""
    lab.update(TITLE, add=[(OWNER, TTL_S, "theirs")])
    dns.query.udp(dns.message.make_query(OWNER, "TXT"), lab.resolver, timeout=10)
    lab.unbound.forget_questions()
    yield
    lab.update(TITLE, delete=[(OWNER, "theirs")])


@pytest.mark.usefixtures("remembered")
def test_resolver_that_remembers_a_foreign_value(lab: Lab, certbot: Certbot) -> None:
    """The CA asks the same resolver, so the run waits until that has forgotten; the foreign value stays as it was."""
    before = lab.snapshot()
    certbot.issue(lab.credentials(TITLE, extra={TITLE: {"watch": "resolvers"}}), "single")
    assert (OWNER, "TXT") in lab.resolver_queries()
    assert lab.values(OWNER, network.BIND) == ["theirs"]
    lab.assert_unchanged(before)
    assert certbot.journals() == []
    lab.used_titles.clear()  # here rule 5 cannot hold
