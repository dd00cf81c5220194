"""One query in, one reply out, nothing else: no socket, no clock, no state.

The reply is put together from the records that ``zone`` has laid out, because a server that must stay polite
under a flood cannot afford a general message parser per packet.  Nothing of the query is trusted: every
length is checked, no compression pointer is followed, and apart from the identifier, the RD bit, the
question and the DO bit no octet of it finds its way into the reply.
"""

import struct
from typing import NamedTuple

import dns.flags
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from certbot_dns_delegate.authority.zone import NEGATIVE_TTL, ServedZones

UDP = 1232
"""Octets: what passes every path without fragments (DNS flag day 2020), and the payload size we announce."""

TCP = 65535
"""Octets: what the length before a message can say (RFC 1035 section 4.2.2)."""

_PLAIN = 512
"""Octets of a UDP reply to a query without EDNS (RFC 1035 section 4.2.1); EDNS cannot ask for less (RFC
6891)."""

_HEADER = struct.Struct("!HHHHHH")
_TYPE_CLASS = struct.Struct("!HH")
_FIXED = struct.Struct("!HHIH")
_OPT = struct.Struct("!BHHBBHH")

# Plain integers: arithmetic with the enumerations costs more than the rest of a reply.
_QR, _AA, _TC, _RD = int(dns.flags.QR), int(dns.flags.AA), int(dns.flags.TC), int(dns.flags.RD)
_OPCODE = 0x7800
_DO = int(dns.flags.DO)
_IN = int(dns.rdataclass.IN)
_TYPE_OPT, _TYPE_ANY = int(dns.rdatatype.OPT), int(dns.rdatatype.ANY)
_TRANSFERS = {int(dns.rdatatype.AXFR), int(dns.rdatatype.IXFR)}
_NOERROR, _FORMERR, _NXDOMAIN, _NOTIMP, _REFUSED, _BADVERS = (
    int(rcode)
    for rcode in (
        dns.rcode.NOERROR,
        dns.rcode.FORMERR,
        dns.rcode.NXDOMAIN,
        dns.rcode.NOTIMP,
        dns.rcode.REFUSED,
        dns.rcode.BADVERS,
    )
)

_ANY = b"\xc0\x0c" + _FIXED.pack(dns.rdatatype.HINFO, _IN, NEGATIVE_TTL, 9) + b"\x07RFC8482\x00"
"""The whole answer to type ANY (RFC 8482 section 4.2)."""


class _Edns(NamedTuple):
    rcode: int
    room: int
    opt: bytes


class _Sections(NamedTuple):
    """What follows the question; ``extra`` may be left out when it does not fit."""

    flags: int
    answers: int = 0
    authorities: int = 0
    wire: bytes = b""
    extras: int = 0
    extra: bytes = b""


def answer(zones: ServedZones, query: bytes, limit: int) -> bytes | None:
    """Answer one query.

    :param zones: what is served
    :param query: the octets as they came, hostile
    :param limit: the most octets the way back takes: ``UDP`` (less when the query says so) or ``TCP``; with
        0 nothing fits, and the reply is the short one that sends the client to TCP
    :return: the reply, or ``None`` for what deserves none: no query, or not to be read as one
    """
    if len(query) < _HEADER.size:
        return None
    identifier, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(query)
    if flags & _QR:
        return None
    flags = _QR | flags & (_OPCODE | _RD)
    if flags & _OPCODE:
        return _HEADER.pack(identifier, flags | _NOTIMP, 0, 0, 0, 0)
    if questions != 1:
        return _HEADER.pack(identifier, flags | _FORMERR, 0, 0, 0, 0)
    name_end = _end_of_question_name(query)
    end = name_end + _TYPE_CLASS.size
    if not name_end or end > len(query):
        return None
    edns = _read_edns(query, end, answers + authorities, additionals)
    if edns is None:
        return None

    question = query[_HEADER.size : end]
    sections = _Sections(edns.rcode & 0xF)
    if not edns.rcode:
        qtype, qclass = _TYPE_CLASS.unpack_from(query, name_end)
        sections = _look_up(zones, query[_HEADER.size : name_end], qtype, qclass)
    room = limit if limit > UDP else min(limit, edns.room)
    room -= end + len(edns.opt)
    if sections.wire and len(sections.wire) > room:
        # Half an RRset is never sent (RFC 2181 section 9); an error has no sections and so is never
        # truncated.
        sections = _Sections(sections.flags | _TC)
    elif len(sections.wire) + len(sections.extra) > room:
        sections = sections._replace(extras=0, extra=b"")
    header = _HEADER.pack(
        identifier,
        flags | sections.flags,
        1,
        sections.answers,
        sections.authorities,
        sections.extras + bool(edns.opt),
    )
    return b"".join((header, question, sections.wire, sections.extra, edns.opt))


def _look_up(zones: ServedZones, qname: bytes, qtype: int, qclass: int) -> _Sections:
    if qclass != _IN or qtype in _TRANSFERS:
        return _Sections(_REFUSED)
    # Lengths are at most 63, below "A", so lower() changes letters alone.
    found = zones.find(qname.lower(), qtype)
    if found is None:
        return _Sections(_REFUSED)
    apex, rrsets = found
    if rrsets:
        if rrset := rrsets.get(qtype):
            return _Sections(_AA, rrset.records, 0, rrset.wire, rrset.extras, rrset.extra)
        if qtype == _TYPE_ANY:
            return _Sections(_AA, 1, 0, _ANY)
    # The SOA's owner is the tail of the question's name, in its letter case.
    owner = (0xC000 | _HEADER.size + len(qname) - apex.length).to_bytes(2, "big")
    return _Sections(_AA | (_NXDOMAIN if rrsets is None else _NOERROR), 0, 1, owner + apex.soa)


def _end_of_question_name(query: bytes) -> int:
    """Where the question's name ends; 0 when it is cut short, too long, or not plain labels: there is
    nothing a compression pointer could point to yet."""
    offset = _HEADER.size
    size = min(len(query), _HEADER.size + 255)
    while offset < size:
        length = query[offset]
        offset += 1 + length
        if not length:
            return offset
        if length > 63:
            return 0
    return 0


def _read_edns(query: bytes, offset: int, others: int, additionals: int) -> _Edns | None:
    """Read the records after the question for the one that concerns us.

    :param offset: where they start
    :param others: how many there are before the additional section
    :return: ``None`` unless the records end exactly where the query does
    """
    edns = _Edns(_NOERROR, _PLAIN, b"")
    for number in range(others + additionals):
        owner = offset
        offset = _end_of_name(query, offset)
        if not offset or offset + _FIXED.size > len(query):
            return None
        rdtype, payload, ttl, rdlength = _FIXED.unpack_from(query, offset)
        offset += _FIXED.size + rdlength
        if offset > len(query):
            return None
        if rdtype == _TYPE_OPT:
            version = ttl >> 16 & 0xFF
            rcode = _BADVERS if version else _NOERROR
            if edns.opt or number < others or query[owner]:
                rcode = _FORMERR  # one, of the root, in the additional section (RFC 6891 section 6.1.1)
            # DO is copied (RFC 3225 section 3); version 0 is what we speak, whatever was asked.
            opt = _OPT.pack(0, _TYPE_OPT, UDP, rcode >> 4, 0, ttl & _DO, 0)
            edns = _Edns(rcode, max(_PLAIN, payload), opt)
    return edns if offset == len(query) else None


def _end_of_name(query: bytes, offset: int) -> int:
    """Where the name at ``offset`` ends, pointers not followed; 0 when it does not end."""
    while offset < len(query):
        length = query[offset]
        if length >= 0xC0:
            return offset + 2
        if length > 63:
            return 0
        offset += 1 + length
        if not length:
            return offset
    return 0
