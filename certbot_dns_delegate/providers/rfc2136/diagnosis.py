"""Why a server did not take an UPDATE: its rcode and TSIG error (RFC 8945 section 5.2) in an operator's words.

What each server says for what was measured with BIND 9.18 and 9.20, Knot 3.2 to 3.5 and PowerDNS 4.7 to 5.1; the RFC's
names alone mislead.
"""

import struct
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig
import dns.wire

from certbot_dns_delegate.errors import OutcomeUnknown, Refused, WriteError
from certbot_dns_delegate.text import printable

BADSIG, BADKEY, BADTIME, BADTRUNC = 16, 17, 18, 22

HINTS = {
    "BADKEY": "the server does not know this key's name or algorithm: compare both with the server's key; on Knot"
    " it also means that the ACL does not allow this name or type: knotc conf-read acl",
    "BADSIG": "the secrets differ: compare tsig_secret with the server's, to the last =, without blanks",
    "BADTIME": "set the clocks: chronyc makestep, or timedatectl set-ntp true",
    "BADTRUNC": "the server wants a longer signature: set tsig_algorithm as the server has it",
    "NOTAUTH": "the server is not primary for this zone: name its primary in server =, and dig the zone's SOA there",
    "NOTAUTH unsigned": "the server does not serve this zone; or it is Knot, which says only this without a key and,"
    " since 3.4, where it does not know the key's name or algorithm, or its ACL does not allow this name or type:"
    " compare them with the server's key, and read knotc conf-read acl",
    "REFUSED": "the key is accepted, but its policy does not allow TXT at this name, or the zone is frozen, static or a"
    " secondary: check update-policy, and rndc thaw ZONE; on PowerDNS, the zone's ALLOW-DNSUPDATE-FROM and Lua policy",
    "NOERROR unsigned": "is it the right server, or does something on the way answer for it?",
    "REFUSED unsigned": "no permission: check key name, secret, algorithm and clock (PowerDNS says only this for each"
    " of them), then whether the zone allows updates at all",
    "NOTZONE": "the name lies outside this zone: check zone =",
    "SERVFAIL": "the server failed: the zone did not load, an owner has too many records (max-records-per-type), or its"
    " storage is full: read the server's log",
    "FORMERR": "the server did not understand the request: is it really a DNS server, on its update port?",
    "NOTIMP": "the server does not do dynamic updates",
    "YXDOMAIN": "another record appeared there meanwhile: try again",
    "YXRRSET": "a CNAME owns the target, and no TXT record can join it: point the chain elsewhere or remove it",
}


def explain(wire: bytes, what: str, server: str, error: Exception) -> WriteError:
    """The failure to raise for a reply that could not be verified.

    :param what: "UPDATE of zone.", as the sentence begins.
    :param error: what dnspython raised while reading it.
    """
    told = _tsig_error(wire)
    if told is not None:
        rcode, name, skew_s = told
        detail = f", clocks differ by {skew_s} s" if skew_s is not None else ""
        return Refused(f"{what}: {server} said {rcode} with {name}{detail}", HINTS[name])
    if isinstance(error, dns.tsig.BadSignature | dns.tsig.BadTime):
        return OutcomeUnknown(f"{what}: the signature on the answer of {server} does not verify", HINTS["BADSIG"])
    said = _unsigned_rcode(wire)
    if said is None:
        kind = printable(type(error).__name__)
        return OutcomeUnknown(f"{what}: {server} sent an answer that cannot be read ({kind})")
    if said == "NOERROR":
        problem = f"{what}: {server} said NOERROR, unsigned, which proves nothing"
        return OutcomeUnknown(problem, HINTS["NOERROR unsigned"])
    # An unsigned answer to a signed request: only a diagnosis, since anybody could have sent it.
    return Refused(f"{what}: {server} said {said}, unsigned", hint_for(said, signed=False))


def hint_for(rcode: str, *, signed: bool) -> str:
    """What to do about an rcode; signed says whether the answer carried a good TSIG."""
    return HINTS.get(rcode if signed else f"{rcode} unsigned") or HINTS.get(rcode, "read the server's log")


def _unsigned_rcode(wire: bytes) -> str | None:
    """The rcode of a well-formed reply without a signature; None of anything else."""
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True)
    except dns.exception.DNSException:
        return None
    return dns.rcode.to_text(message.rcode()) if message.flags & dns.flags.QR else None


def _tsig_error(wire: bytes) -> tuple[str, str, int | None] | None:
    """The rcode, the error field of the reply's TSIG and, for BADTIME, by how many seconds the clocks differ."""
    try:
        tsig = _unverified(wire)
    except (dns.exception.DNSException, struct.error):
        return None
    names = {BADSIG: "BADSIG", BADKEY: "BADKEY", BADTIME: "BADTIME", BADTRUNC: "BADTRUNC"}
    if tsig is None or tsig.error not in names or not wire[2] & 0x80:
        return None
    is_clock = tsig.error == BADTIME and len(tsig.other) == 6
    rcode = dns.rcode.to_text(dns.rcode.Rcode(wire[3] & 0x0F))
    return rcode, names[tsig.error], round(int.from_bytes(tsig.other, "big") - time.time()) if is_clock else None


def _unverified(wire: bytes) -> dns.rdtypes.ANY.TSIG.TSIG | None:
    """The TSIG record of a message whose signature cannot be checked: dnspython 2.6 offers no way to skip the check."""
    parser = dns.wire.Parser(wire)
    _, _, *counts = parser.get_struct("!HHHHHH")
    for section, count in enumerate(counts):
        for _ in range(count):
            dns.name.from_wire_parser(parser)
            rdtype, rdclass = parser.get_struct("!HH")
            if section == 0:
                continue
            _, length = parser.get_struct("!IH")
            if rdtype == dns.rdatatype.TSIG:
                rdata = dns.rdata.from_wire(rdclass, rdtype, wire, parser.current, length)
                return rdata if isinstance(rdata, dns.rdtypes.ANY.TSIG.TSIG) else None
            parser.get_bytes(length)
    return None
