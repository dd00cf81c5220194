"""A server's reply to a message of ours, read from its octets: the rcode, and whether our key vouches for it.

dnspython cannot read a reply whose signature it cannot check, and reads every record of one that it can. Here no
compression pointer is followed except that of the TSIG record's own name, so the work grows with the size alone.
"""

import struct
import time
from dataclasses import dataclass
from enum import Enum, auto

import dns.exception
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig

BADKEY, BADTIME = 17, 18
"""RFC 8945 section 3; the second is the only TSIG error with other data, the server's clock."""


class Malformed(Exception):
    """The octets are no reply to the message."""


class Signature(Enum):
    """What the TSIG record of a reply is worth (RFC 8945 section 5.3)."""

    VERIFIED = auto()
    """Signed with our key for this request: the server's own word."""
    UNSIGNED = auto()
    """There is none, or one without a signature, as with BADKEY and BADSIG."""
    ECHOED = auto()
    """It is the request's own, sent back: what is in front of a server does that (dnsdist, Windows DNS)."""
    FALSE = auto()
    """It does not verify."""


@dataclass(frozen=True)
class Response:
    """What a reply says."""

    rcode: dns.rcode.Rcode
    signature: Signature
    error: int = 0
    """The error field of its TSIG record."""
    skew_s: int | None = None
    """With BADTIME, by how many seconds the server's clock is ahead of ours."""
    content: bytes = b""
    """The message without its TSIG record."""


def read(wire: bytes, request: dns.message.Message) -> Response:
    """What the reply in ``wire`` says; the request has been sent, so that its own signature is known.

    :raises Malformed: when it is no reply to ``request``.
    """
    try:
        identifier, flags, *counts = struct.unpack_from("!HHHHHH", wire)
        is_reply = identifier == request.id and flags & 0x8000 and dns.opcode.from_flags(flags) == request.opcode()
        if not is_reply:
            raise Malformed
        start = _last_record(wire, counts)
        found = _tsig(wire, start) if counts[3] else None
    except (struct.error, IndexError, dns.exception.DNSException):
        raise Malformed from None
    rcode = dns.rcode.Rcode(flags & 0xF)
    if found is None:
        return Response(rcode, Signature.UNSIGNED, content=wire)
    name, tsig = found
    content = wire[:10] + struct.pack("!H", counts[3] - 1) + wire[12:start]
    is_clock = tsig.error == BADTIME and len(tsig.other) == 6
    skew_s = round(int.from_bytes(tsig.other, "big") - time.time()) if is_clock else None
    return Response(rcode, _judged(content, name, tsig, request), tsig.error, skew_s, content)


def _last_record(wire: bytes, counts: list[int]) -> int:
    """Where the last record begins: TSIG must be the last one (RFC 8945 section 5.1)."""
    at = start = 12
    for section, count in enumerate(counts):
        for _ in range(count):
            start = at
            at = _after_name(wire, at)
            if section == 0:
                at += 4
            else:
                (length,) = struct.unpack_from("!H", wire, at + 8)
                at += 10 + length
            if at > len(wire):
                raise Malformed
    return start


def _after_name(wire: bytes, at: int) -> int:
    while 0 < wire[at] < 64:
        at += 1 + wire[at]
    return at + (1 if wire[at] == 0 else 2)


def _tsig(wire: bytes, start: int) -> tuple[dns.name.Name, dns.rdtypes.ANY.TSIG.TSIG] | None:
    """The name and the data of the record at ``start``; None where it is none of type TSIG."""
    at = _after_name(wire, start)
    rdtype, rdclass, _, length = struct.unpack_from("!HHIH", wire, at)
    if rdtype != dns.rdatatype.TSIG or rdclass != dns.rdataclass.ANY:
        return None
    rdata = dns.rdata.from_wire(rdclass, rdtype, wire, at + 10, length)
    assert isinstance(rdata, dns.rdtypes.ANY.TSIG.TSIG)
    return dns.name.from_wire(wire, start)[0], rdata


def _judged(
    content: bytes, name: dns.name.Name, tsig: dns.rdtypes.ANY.TSIG.TSIG, request: dns.message.Message
) -> Signature:
    key = request.keyring
    if not isinstance(key, dns.tsig.Key) or not tsig.mac:
        return Signature.UNSIGNED
    if tsig.mac == request.mac:
        return Signature.ECHOED
    if name != key.name or tsig.algorithm != key.algorithm or abs(tsig.time_signed - time.time()) > tsig.fudge:
        return Signature.FALSE
    context = dns.tsig.get_context(key)  # type: ignore[no-untyped-call]  # has no annotations in dnspython
    for part in _signed(content, tsig, key, request.mac or b""):
        context.update(part)
    try:
        context.verify(tsig.mac)
    except dns.tsig.BadSignature:
        return Signature.FALSE
    return Signature.VERIFIED


def _signed(
    content: bytes, tsig: dns.rdtypes.ANY.TSIG.TSIG, key: dns.tsig.Key, request_mac: bytes
) -> tuple[bytes, ...]:
    """What the signature covers (RFC 8945 section 4.3); dnspython's own check reads no reply that has an error."""
    return (
        struct.pack("!H", len(request_mac)) + request_mac,
        struct.pack("!H", tsig.original_id) + content[2:],
        key.name.to_digestable(),
        struct.pack("!HI", dns.rdataclass.ANY, 0),
        key.algorithm.to_digestable(),
        struct.pack("!HIH", tsig.time_signed >> 32, tsig.time_signed & 0xFFFFFFFF, tsig.fudge),
        struct.pack("!HH", tsig.error, len(tsig.other)) + tsig.other,
    )
