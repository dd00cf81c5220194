"""What the demo shows, each part as lines of text taken from the servers, the files and the history themselves."""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rdatatype
from cryptography import x509

from tests.e2e.lab import Lab, zones

HOME = "certbot"
PHASES = {
    "plan": "follow the CNAMEs, find the zone and its servers",
    "publish": "one UPDATE with all values, read back",
    "watch": "until every authoritative server serves them",
    "withdraw": "one UPDATE that deletes exactly these values",
}


class Unexpected(Exception):
    """Something is not as the demo promises."""


@dataclass(frozen=True)
class Run:
    """One run of Certbot: its phases as lines, and the certificate it left."""

    phases: list[str]
    certificate: x509.Certificate


def chain(lab: Lab, owner: str) -> Iterator[str]:
    """The CNAMEs from OWNER on, each as the server that is authoritative for it gives it, then the zone at the end.

    No recursive resolver is asked: it would remember for the zone's negative TTL that there is no value yet.
    """
    while True:
        zone = max((zone for zone in zones.ZONES if zones.is_below(owner, zone)), key=len)
        address = zones.primary(zone)
        said = f"{program(lab, address)} at {address}, for {zone.rstrip('.')}"
        reply = dns.query.udp(dns.message.make_query(owner, "TXT", flags=0), address, timeout=5)
        if not reply.flags & dns.flags.AA:
            raise Unexpected(f"{address} is not authoritative for {owner}")
        links = [rrset for rrset in reply.answer if rrset.rdtype == dns.rdatatype.CNAME]
        if not links:
            break
        yield f"{owner:36} CNAME  {links[0][0].target.to_text():22} ({said})"
        owner = links[0][0].target.to_text()
    yield f"{owner:36} TXT    {'nothing yet':22} ({said})"
    servers = [f"{name.rstrip('.')} ({program(lab, zones.NAMESERVERS[name])})" for name in zones.ZONES[zone]]
    yield f"authoritative for {zone.rstrip('.')}: {', '.join(servers)}"


def program(lab: Lab, address: str) -> str:
    """The software that serves an address."""
    kinds = {"Named": "BIND", "Nsd": "NSD", "Knot": "Knot", "PowerDns": "PowerDNS"}
    return next(kinds[type(s).__name__] for s in lab.servers if s.address == address and type(s).__name__ in kinds)


def settings(credentials: Path) -> Iterator[str]:
    """The INI file, without its secret."""
    for line in credentials.read_text().split("\n"):
        key, equals, _ = line.partition("=")
        if line:
            yield f"{key}{equals} ..." if "secret" in key else line


def run(lab: Lab, *arguments: str, phases: Mapping[str, str] = PHASES) -> Run:
    """Run Certbot to its end; PHASES explains each phase."""
    begun = time.time()
    done = lab.certbot(*arguments, home=HOME)
    took = time.time() - begun
    if done.returncode != 0:
        raise Unexpected(f"certbot {arguments[0]} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    lines = [
        *history(lab, begun, phases),
        f"certbot    {took * 1000:6.0f} ms  the whole command, from its start to its end",
    ]
    files = list((lab.directory / HOME / "config" / "live").glob("*/cert.pem"))
    if len(files) != 1:
        raise Unexpected(f"one certificate was expected, there are {len(files)}")
    return Run(lines, x509.load_pem_x509_certificate(files[0].read_bytes()))


def history(lab: Lab, begun: float, phases: Mapping[str, str]) -> Iterator[str]:
    """What the history database has about the run since BEGUN: one line for each phase."""
    file = lab.directory / HOME / "work" / "dns-delegate" / "history.sqlite3"
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute(
            "SELECT phase, max(milliseconds), min(outcome), max(outcome), max(detail)"
            " FROM event WHERE at >= ? GROUP BY phase ORDER BY min(id)",
            (begun,),
        ).fetchall()
    if [phase for phase, *_ in rows] != list(phases):
        raise Unexpected(f"the history has the phases {[phase for phase, *_ in rows]}")
    for phase, milliseconds, *outcomes, detail in rows:
        if outcomes != ["ok", "ok"]:
            raise Unexpected(f"{phase} ended with {outcomes}")
        servers = json.loads(detail)["servers"] if phase == "watch" else {}
        asked = f" ({len(servers)} addresses; BIND notifies every 5 s at most)" if len(servers) > 1 else ""
        yield f"{phase:10} {milliseconds:6.0f} ms  {phases[phase]}{asked}"


def certificate(leaf: x509.Certificate) -> Iterator[str]:
    """Names, issuer and validity of a certificate."""
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    issuer = leaf.issuer.rfc4514_string()
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    yield f"certificate {leaf.serial_number:x}: {', '.join(names.get_values_for_type(x509.DNSName))}"
    yield f"issued by {issuer}, valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def left_behind(lab: Lab, delegate: str, served: str | None = None) -> Iterator[str]:
    """What the runs left: no journal of values to withdraw, and no question that a resolver should not have seen.

    :param served: an owner that the runs asked about once they served it.
    """
    journals = list((lab.directory / HOME / "work" / "dns-delegate" / "pending").glob("*.json"))
    if journals:
        raise Unexpected(f"{len(journals)} journals are left")
    yield "no journal of values that would still have to be withdrawn"
    asked = lab.resolver_queries()
    inside = [(owner, rdtype) for owner, rdtype in asked if zones.is_below(owner.lower(), f"{delegate}.")]
    early = [question for question in inside if question != (served, "TXT")]
    if lab.ipv6 and early:  # without IPv6 the CA's own questions are among them
        raise Unexpected(f"the resolver was asked about {early}")
    before = " before it was served" if served else ""
    yield f"the resolver was asked {len(asked)} questions by us, none of them about a name inside {delegate}{before}"
