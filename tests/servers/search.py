"""The search in one zone, as RFC 1034 4.3.2 says: aliases, zone cuts, wildcards, what is not there."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.name
import dns.rrset
from dns.rdataclass import IN
from dns.rdatatype import AAAA, ANY, CNAME, DNAME, DS, NS, RRSIG, SOA, A, RdataType

from .zones import Zone


class Kind(enum.Enum):
    """What a search in one zone ends with."""

    ANSWER = "answer"
    ALIAS = "alias"
    REFERRAL = "referral"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    TOO_LONG = "too long"  # DNAME substitution over 255 octets: YXDOMAIN, RFC 6672 2.2


@dataclass(frozen=True)
class Finding:
    """The end of a search: its kind, the RRsets to show, and for an alias the name to go on with."""

    kind: Kind
    rrsets: list[dns.rrset.RRset] = field(default_factory=list)
    target: dns.name.Name | None = None


def find(zone: Zone, qname: dns.name.Name, qtype: RdataType, *, signatures: bool = False) -> Finding:
    """Search for a name at or below the apex (RFC 1034 4.3.2 steps 3 and 4, RFC 6672 3.2, RFC 4592).

    :param signatures: show the RRSIGs that cover what is found; there are no others (no NSEC).
    """
    for name in _path(zone, qname):
        cut = name != zone.origin and zone.get(name, NS)
        if cut and not (name == qname and qtype == DS):  # RFC 4035 3.1.4.1: DS lives above the cut
            return Finding(Kind.REFERRAL, _rrsets(zone, name, name, NS))
        if name != qname and zone.get(name, DNAME):
            return _substitute(zone, qname, name, signatures=signatures)
    owner = qname if _exists(zone, qname) else _wildcard(zone, qname)
    if owner is None:
        return Finding(Kind.NXDOMAIN)
    if zone.get(owner, CNAME) and qtype not in (CNAME, ANY):
        alias = _rrsets(zone, owner, qname, CNAME, signatures=signatures)
        return Finding(Kind.ALIAS, alias, alias[0][0].target)
    found = _rrsets(zone, owner, qname, qtype, signatures=signatures)
    return Finding(Kind.ANSWER, found) if found else Finding(Kind.NODATA)


def soa(zone: Zone) -> dns.rrset.RRset:
    """The SOA as it goes with a negative answer: TTL at most MINIMUM (RFC 2308 3)."""
    rrset = _rrsets(zone, zone.origin, zone.origin, SOA)[0]
    rrset.ttl = min(rrset.ttl, rrset[0].minimum)
    return rrset


def glue(zone: Zone, referral: dns.rrset.RRset) -> list[dns.rrset.RRset]:
    """The addresses the zone holds for the name servers of a referral."""
    hosts = [server.target for server in referral]
    return [found for host in hosts for kind in (A, AAAA) for found in _rrsets(zone, host, host, kind)]


def _path(zone: Zone, qname: dns.name.Name) -> Iterator[dns.name.Name]:
    """From the apex down to the name."""
    for depth in range(len(zone.origin), len(qname) + 1):
        yield qname.split(depth)[1]


def _exists(zone: Zone, name: dns.name.Name) -> bool:
    """Whether the name is in the tree, be it as an empty non-terminal (RFC 4592 2.2.2)."""
    return any(owner.is_subdomain(name) for owner in zone.nodes)


def _wildcard(zone: Zone, qname: dns.name.Name) -> dns.name.Name | None:
    """The source of synthesis: `*` under the closest encloser only (RFC 4592 3.3.1)."""
    encloser = [name for name in _path(zone, qname) if _exists(zone, name)][-1]
    source = dns.name.Name((b"*", *encloser.labels))
    return source if source in zone.nodes else None


def _substitute(zone: Zone, qname: dns.name.Name, owner: dns.name.Name, *, signatures: bool) -> Finding:
    """The DNAME and the CNAME made from it."""
    rrsets = _rrsets(zone, owner, owner, DNAME, signatures=signatures)
    try:
        target = dns.name.Name((*qname.relativize(owner).labels, *rrsets[0][0].target.labels))
    except dns.name.NameTooLong:
        return Finding(Kind.TOO_LONG, rrsets)
    made = dns.rrset.from_text(qname, rrsets[0].ttl, IN, CNAME, target.to_text())
    return Finding(Kind.ALIAS, [*rrsets, made], target)


def _rrsets(
    zone: Zone,
    owner: dns.name.Name,
    shown: dns.name.Name,
    rdtype: RdataType,
    *,
    signatures: bool = False,
) -> list[dns.rrset.RRset]:
    """The RRsets of a type, with their signatures if wanted, under the name they are shown at."""
    return [
        dns.rrset.from_rdata_list(shown, rdataset.ttl, list(rdataset))
        for (kind, covers), rdataset in zone.node(owner).items()
        if rdtype in (kind, ANY) or (signatures and kind == RRSIG and covers == rdtype)
    ]
