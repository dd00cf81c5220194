"""The honest answers: of an authoritative server, and of a resolver that knows a little internet's zones."""

from __future__ import annotations

from collections.abc import Mapping

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
from dns.rdatatype import AXFR, DS, IXFR, NS, RdataType

from .exchange import Request
from .search import Finding, Kind, find, glue, soa
from .zones import Zone

MAX_LINKS = 11  # aliases followed in one answer: BIND's max-query-restarts


def closest(zones: Mapping[dns.name.Name, Zone], qname: dns.name.Name, qtype: RdataType) -> Zone | None:
    """The deepest zone that holds the name; for a DS at an apex the parent's (RFC 4035 3.1.4.1)."""
    holding = sorted((zone for zone in zones.values() if qname.is_subdomain(zone.origin)), key=lambda z: z.origin)
    if qtype == DS and len(holding) > 1 and holding[-1].origin == qname:
        return holding[-2]
    return holding[-1] if holding else None


def answer(request: Request, *, recursive: bool) -> dns.message.Message:
    """Answer a question of opcode QUERY."""
    question = request.message.question
    if len(question) != 1:
        return request.reply(dns.rcode.FORMERR)
    if request.message.edns > 0:
        return request.reply(dns.rcode.BADVERS)
    if question[0].rdclass != dns.rdataclass.IN or request.qtype in (AXFR, IXFR):
        return request.reply(dns.rcode.REFUSED)
    return _resolve(request) if recursive else _authoritative(request)


def _authoritative(request: Request) -> dns.message.Message:
    """RFC 1034 4.3.2; an alias is followed while it stays in its zone; NS come with addresses, as BIND does."""
    zone = closest(request.zones, request.qname, request.qtype)
    if zone is None:
        return request.reply(dns.rcode.REFUSED)
    response, name, finding = request.reply(authoritative=True), request.qname, Finding(Kind.NODATA)
    seen = {name}
    for link in range(MAX_LINKS + 2):
        finding = _take(response, zone, name, request)
        if finding.target is None:
            break
        name = finding.target
        if name in seen or link > MAX_LINKS - 1:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response
        if closest(request.zones, name, request.qtype) is not zone:
            return response
        seen.add(name)
    if finding.kind is Kind.REFERRAL:
        response.authority = finding.rrsets
        response.additional = glue(zone, finding.rrsets[0])
        if len(seen) == 1:  # with an alias before it, AA speaks of the alias (RFC 1035 4.1.1)
            response.flags &= ~dns.flags.AA
    elif request.qtype == NS and response.answer:
        response.additional = glue(zone, response.answer[-1])
    return response


def _resolve(request: Request) -> dns.message.Message:
    """What a resolver says that knows these zones and no others; nothing is cached."""
    response = request.reply()
    response.flags |= dns.flags.RA
    if not request.message.flags & dns.flags.RD:
        response.set_rcode(dns.rcode.REFUSED)  # as Unbound does unless told to allow snooping
        return response
    name, seen = request.qname, {request.qname}
    while True:
        zone = closest(request.zones, name, request.qtype)
        finding = _take(response, zone, name, request) if zone else Finding(Kind.REFERRAL)
        if finding.kind is Kind.REFERRAL or finding.target in seen or len(seen) > MAX_LINKS:
            response.answer = []  # no server to ask, a loop, or a chain too long
            response.set_rcode(dns.rcode.SERVFAIL)
            return response
        if finding.target is None:
            return response
        name = finding.target
        seen.add(name)


def _take(response: dns.message.Message, zone: Zone, name: dns.name.Name, request: Request) -> Finding:
    """Search one zone and put what it holds into the response; the rcode is the last name's (RFC 6604)."""
    finding = find(zone, name, request.qtype, signatures=bool(request.message.ednsflags & dns.flags.DO))
    if finding.kind is not Kind.REFERRAL:
        response.answer += finding.rrsets
    if finding.kind in (Kind.NODATA, Kind.NXDOMAIN):
        response.authority = [soa(zone)]
    if finding.kind is Kind.NXDOMAIN:
        response.set_rcode(dns.rcode.NXDOMAIN)
    if finding.kind is Kind.TOO_LONG:
        response.set_rcode(dns.rcode.YXDOMAIN)
    return finding
