"""Orders larger than any real one."""

from collections.abc import Iterator

import dns.name
import pytest

from certbot_dns_delegate.model import Server
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.providers.rfc2136.provider import RFC2136
from certbot_dns_delegate.settings import reader
from tests.e2e.lab import Lab

ZONE = dns.name.from_text("single.bind.test.")


@pytest.fixture
def restored(lab: Lab) -> Iterator[None]:
    before = lab.snapshot()
    yield
    lab.assert_unchanged(before)


def test_every_owner_of_a_large_publication_is_read_back(lab: Lab, restored: None) -> None:
    """Of a thousand pipelined queries none is taken for another."""
    warnings: list[str] = []
    loaded = reader.load(lab.credentials("single.bind.test", name="bulk.ini"), "dns-delegate", warnings.append)
    context = Context(
        "single.bind.test", lambda host, port: [Server(host, port)], lab.directory / "bulk", warnings.append
    )
    provider = RFC2136(loaded.delegates[0].options, context)
    values = {dns.name.from_text(f"bulk{n}", ZONE): frozenset({f"value {n}"}) for n in range(1000)}
    sightings = provider.publish(ZONE, values, 1)
    provider.withdraw(ZONE, values)
    assert {sighting.owner: sighting.rrset.values for sighting in sightings} == values
    assert not warnings
