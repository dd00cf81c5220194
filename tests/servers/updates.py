"""RFC 2136: prerequisites, then all changes as one transaction, or none."""

from __future__ import annotations

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.update
from dns.rdatatype import ANY, CNAME, NS, SOA, RdataType

from .exchange import Request
from .zones import Zone

SIGNATURES = (dns.rdatatype.RRSIG, dns.rdatatype.NSEC)  # may stand beside a CNAME (RFC 2136 3.4.2.2)


def update(request: Request) -> dns.message.Message:
    """Carry out an UPDATE for one of the request's zones."""
    message = request.message
    assert isinstance(message, dns.update.UpdateMessage)
    if len(message.zone) != 1:
        return request.reply(dns.rcode.FORMERR)
    zone = request.zones.get(message.zone[0].name)
    if zone is None:
        return request.reply(dns.rcode.NOTAUTH)
    for rrset in (*message.prerequisite, *message.update):
        if not rrset.name.is_subdomain(zone.origin):
            return request.reply(dns.rcode.NOTZONE)
    with zone.lock:
        rcode = _unmet(zone, message.prerequisite)
        if rcode == dns.rcode.NOERROR:
            draft = zone.copy()
            for rrset in message.update:
                _change(draft, rrset)
            zone.adopt(draft)
    return request.reply(rcode)


def _unmet(zone: Zone, prerequisites: list[dns.rrset.RRset]) -> dns.rcode.Rcode:
    """The rcode of the first prerequisite that does not hold (RFC 2136 3.2.5)."""
    wanted: dict[tuple[dns.name.Name, RdataType], set[dns.rdata.Rdata]] = {}
    for rrset in prerequisites:
        node = zone.node(rrset.name)
        absent = rrset.deleting == dns.rdataclass.NONE
        if rrset.rdtype == ANY:
            if absent and node:
                return dns.rcode.YXDOMAIN
            if not absent and not node:
                return dns.rcode.NXDOMAIN
        elif rrset.deleting is None:
            wanted.setdefault((rrset.name, rrset.rdtype), set()).update(rrset)
        elif absent and (rrset.rdtype, RdataType.NONE) in node:
            return dns.rcode.YXRRSET
        elif not absent and (rrset.rdtype, RdataType.NONE) not in node:
            return dns.rcode.NXRRSET
    for (name, rdtype), values in wanted.items():
        if set(zone.get(name, rdtype) or ()) != values:
            return dns.rcode.NXRRSET
    return dns.rcode.NOERROR


def _change(zone: Zone, rrset: dns.rrset.RRset) -> None:
    """Add or delete (RFC 2136 3.4.2); what conflicts with the zone is ignored in silence, as prescribed."""
    if rrset.deleting is None:
        _add(zone, rrset)
        return
    exact = rrset.deleting == dns.rdataclass.NONE
    for key, present in list(zone.node(rrset.name).items()):
        if rrset.rdtype not in (key[0], ANY) or (rrset.name == zone.origin and key[0] in (SOA, NS) and not exact):
            continue
        left = dns.rdataset.Rdataset(present.rdclass, present.rdtype, present.covers, present.ttl)
        if exact:
            for value in present:
                if value not in rrset:
                    left.add(value)
        last_of_apex = rrset.name == zone.origin and key[0] in (SOA, NS) and not left
        if len(left) != len(present) and not last_of_apex:
            zone.put(rrset.name, left or None, key)


def _add(zone: Zone, rrset: dns.rrset.RRset) -> None:
    kinds = {kind for kind, _covers in zone.node(rrset.name) if kind not in SIGNATURES}
    if (rrset.rdtype == CNAME and kinds - {CNAME}) or (rrset.rdtype != CNAME and CNAME in kinds):
        return  # RFC 2136 3.4.2.2: ignored, with NOERROR
    if rrset.rdtype == SOA and rrset.name != zone.origin:
        return
    present = zone.get(rrset.name, rrset.rdtype)
    if present is not None and present.ttl == rrset.ttl and all(value in present for value in rrset):
        return  # nothing new: the serial stays
    zone.merge(rrset.name, rrset)
