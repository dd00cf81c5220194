"""One real server each, for a provider's test; they need the lab's namespaces, where port 53 is ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.name
import dns.query
import dns.rdatatype
import pytest

from tests.e2e.lab import namespace, network
from tests.e2e.lab.keys import Key
from tests.e2e.lab.named import Named, Zone
from tests.e2e.lab.powerdns import PowerDns

ZONE = "acme.example.net."
FOREIGN = "a value that somebody else wrote"
in_the_lab = pytest.mark.skipif(
    not namespace.inside(), reason="needs port 53: python -m tests.e2e.lab run -- pytest tests/contract"
)


def zone_text(server: str) -> str:
    """The zone as it is at first: one name has a foreign value with a TTL of its own."""
    return f"""$TTL 3600
{ZONE} SOA ns.{ZONE} hostmaster.{ZONE} 1 3600 600 86400 30
{ZONE} NS ns.{ZONE}
ns.{ZONE} A {server}
shared.{ZONE} 77 TXT "{FOREIGN}"
"""


@contextmanager
def bind(directory: Path, key: Key) -> Iterator[Named]:
    """BIND, primary of the zone, which ``key`` may update."""
    zone = Zone(ZONE, zone_text(network.BIND), f"allow-update {{ key {key.name}; }};")
    server = Named("bind", directory, network.BIND, [zone], [key])
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@contextmanager
def powerdns(directory: Path) -> Iterator[PowerDns]:
    """PowerDNS with its HTTP API, primary of the zone."""
    server = PowerDns("powerdns", directory, network.POWERDNS, {ZONE: zone_text(network.POWERDNS)}, [], {})
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def served(address: str, owner: str) -> tuple[set[str], int]:
    """The TXT values that a server serves at a name, and their TTL (0: none)."""
    query = dns.message.make_query(owner, "TXT", flags=0)
    reply = dns.query.tcp(query, address, timeout=5)
    rrset = reply.get_rrset(reply.answer, dns.name.from_text(owner), query.question[0].rdclass, dns.rdatatype.TXT)
    return {b"".join(rdata.strings).decode() for rdata in rrset or ()}, rrset.ttl if rrset else 0
