"""TSIG on the server's side (RFC 8945 5.2): verify a request, or read it although its signature is wrong."""

from __future__ import annotations

import io
from collections.abc import Mapping

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.wire


def verify(
    wire: bytes, keys: Mapping[dns.name.Name, dns.tsig.Key]
) -> tuple[dns.message.Message, dns.rrset.RRset | None, dns.rcode.Rcode]:
    """Parse a message and verify its signature, if any.

    :returns: the message, which `had_tsig` only if verified; the signature; the TSIG error to answer with.
    :raises dns.exception.DNSException: it is no DNS message.
    """
    try:
        message = dns.message.from_wire(wire, keyring=dict(keys))
    except (dns.message.UnknownTSIGKey, dns.tsig.BadKey, dns.tsig.BadAlgorithm):
        error = dns.rcode.BADKEY
    except dns.tsig.BadSignature:
        error = dns.rcode.BADSIG
    except dns.tsig.BadTime:
        error = dns.rcode.BADTIME
    else:
        return message, message.tsig, dns.rcode.NOERROR
    return *unverified(wire), error


def unverified(wire: bytes) -> tuple[dns.message.Message, dns.rrset.RRset | None]:
    """Parse a message without its signature, and the signature as it is.

    dnspython has no switch for this: the TSIG RR, always the last one, is taken off and parsed by itself.
    """
    parser = dns.wire.Parser(wire, 12)
    counts = [int.from_bytes(wire[i : i + 2], "big") for i in (4, 6, 8, 10)]
    for _ in range(counts[0]):
        dns.name.from_wire_parser(parser)
        parser.get_struct("!HH")
    start = parser.current
    signature = None
    for _ in range(sum(counts[1:])):
        start = parser.current
        name = dns.name.from_wire_parser(parser)
        rdtype, rdclass, _ttl, size = parser.get_struct("!HHIH")
        if rdtype == dns.rdatatype.TSIG:
            with parser.restrict_to(size):
                rdata = dns.rdata.from_wire_parser(dns.rdataclass.RdataClass.make(rdclass), dns.rdatatype.TSIG, parser)
            signature = dns.rrset.from_rdata(name, 0, rdata)
        else:
            parser.get_bytes(size)
    if signature is None:
        return dns.message.from_wire(wire), None
    message = dns.message.from_wire(wire[:10] + (counts[3] - 1).to_bytes(2, "big") + wire[12:start])
    return message, signature


def attach(message: dns.message.Message, signature: dns.rrset.RRset) -> bytes:
    """Wire form of an unsigned message with a TSIG RR as it is, no MAC made for it."""
    message.tsig = None
    wire = message.to_wire()
    last = io.BytesIO()
    signature.to_wire(last)
    return wire[:10] + (int.from_bytes(wire[10:12], "big") + 1).to_bytes(2, "big") + wire[12:] + last.getvalue()
