"""What holds around every end-to-end test: zones as before, no early look, no secret in sight."""

import re
from collections.abc import Iterator

import dns.name
import pytest

from tests.e2e.lab import Lab
from tests.e2e.runs import Certbot


@pytest.fixture(autouse=True)
def untouched(lab: Lab, certbot: Certbot) -> Iterator[None]:
    """Each test leaves every zone as it was, asked the resolver nothing that rule 5 forbids, and showed no secret."""
    lab.flush()
    lab.used_titles.clear()
    before, records = lab.snapshot(), dict(lab.customer_records)
    yield
    for run in certbot.runs:
        if run.poll() is None:  # the test failed in between
            run.kill()
        run.end(None)
    early = forbidden(lab)
    if lab.customer_records != records:
        lab.customer_records.clear()
        lab.set_customer(records)
    lab.assert_unchanged(before)
    assert not early, f"asked at the resolver before it was published: {early}"
    secrets = [secret.encode() for secret in lab.secrets()]
    leaks = [where for where, text in certbot.texts() if any(secret in text for secret in secrets)]
    assert not leaks, f"a secret stands in {leaks}"


@pytest.fixture
def certbot(lab: Lab, request: pytest.FixtureRequest) -> Certbot:
    """Certbot with directories of this test's own."""
    return Certbot(lab, re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-"))


def forbidden(lab: Lab) -> list[str]:
    """What anybody but the CA asked the resolver about the inside of a delegate that the test used."""
    titles = [dns.name.from_text(title) for title in lab.used_titles]
    asked = [dns.name.from_text(owner) for owner, _ in lab.resolver_queries()]
    return [owner.to_text() for owner in asked if any(owner.is_subdomain(title) for title in titles)]
