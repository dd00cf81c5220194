"""One real server each, for a provider's test; they need the lab's namespaces, where port 53 is ours."""

from pathlib import Path

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.update
import pytest
from dns.name import Name

from certbot_dns_delegate.model import RRset
from tests.e2e.lab import namespace, network
from tests.e2e.lab.keys import Key
from tests.e2e.lab.named import Named, Zone
from tests.e2e.lab.powerdns import PowerDns

ZONE = "acme.example.net."
BIND, POWERDNS = network.OWN_BIND, network.OWN_POWERDNS
"""Not the lab's, which may be running."""
in_the_lab = pytest.mark.skipif(
    not namespace.inside(), reason="needs port 53: python -m tests.e2e.lab run -- pytest tests/contract"
)


def zone_text(server: str) -> str:
    """The zone as it is at first."""
    return f"""$TTL 3600
{ZONE} SOA ns.{ZONE} hostmaster.{ZONE} 1 3600 600 86400 30
{ZONE} NS ns.{ZONE}
ns.{ZONE} A {server}
"""


def bind(directory: Path, key: Key) -> Named:
    """BIND, primary of the zone, which ``key`` may update."""
    zone = Zone(ZONE, zone_text(BIND), f"allow-update {{ key {key.name}; }};")
    return Named("bind", directory, BIND, [zone], [key])


def powerdns(directory: Path) -> PowerDns:
    """PowerDNS with its HTTP API, primary of the zone."""
    return PowerDns("powerdns", directory, POWERDNS, {ZONE: zone_text(POWERDNS)}, [], {})


def served(address: str, owner: Name) -> RRset:
    """The TXT RRset that a server serves at a name; of an absent one, the empty RRset."""
    query = dns.message.make_query(owner, "TXT", flags=0)
    reply = dns.query.tcp(query, address, timeout=5)
    rrset = reply.get_rrset(reply.answer, owner, query.question[0].rdclass, dns.rdatatype.TXT)
    if rrset is None:
        return RRset()
    return RRset(frozenset(b"".join(rdata.strings).decode() for rdata in rrset), rrset.ttl)


def plant(key: Key, owner: Name, values: frozenset[str], ttl: int) -> None:
    """Add values at a name of BIND's zone, past every provider."""
    update = dns.update.UpdateMessage(ZONE, keyring=key.dnspython())
    for value in values:
        update.add(owner, ttl, dns.rdata.from_text("IN", "TXT", quote(value)))
    assert dns.query.tcp(update, BIND, timeout=5).rcode() == dns.rcode.NOERROR


def quote(value: str) -> str:
    """A TXT value as a zone file has it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
