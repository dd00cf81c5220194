"""Read replies; only what we asked for and can use becomes an object.

The records of class IN and of a type in :data:`TYPES` are handed to dnspython, one at a time. dnspython's own reader
keeps an entry for every pair of class and type that it meets, in tables of the whole process, and a record of class ANY
there decides how all later records of its type are read.
"""

from typing import Any

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdtypes.ANY.OPT
import dns.rrset
import dns.wire
from dns.name import Name
from dns.rdataclass import IN, RdataClass
from dns.rdatatype import AAAA, CAA, CNAME, DNAME, DNSKEY, DS, MX, NONE, NS, OPT, RRSIG, SOA, TXT, A, RdataType

from certbot_dns_delegate.lookup.octets import HEADER, PAIR, RR, TC, Names, Unreadable, question_end, skip, walk

TYPES: dict[int, tuple[RdataType, Any]] = {
    rdtype: (rdtype, dns.rdata.get_rdata_class(IN, rdtype))  # type: ignore[no-untyped-call]  # has no annotations
    for rdtype in (A, NS, CNAME, SOA, MX, TXT, AAAA, DNAME, DS, RRSIG, DNSKEY, CAA)
}
"""What this package reads, and dnspython's class for each; looked up here, before anybody's reply can."""
MOST_OPTIONS = 32
"""EDNS options of one reply that are read; servers send up to three."""


class _RdataParser(dns.wire.Parser):
    """dnspython's parser of one record's data, with names that are read once and at a bounded cost."""

    def __init__(self, wire: bytes, names: Names) -> None:
        super().__init__(wire)
        self._names = names

    def get_name(self, *_: object, **__: object) -> Name:
        begin = self.current
        self.seek(skip(self.wire, begin))
        return self._names.at(begin)


def read(wire: bytes, answer_is_enough: bool = False) -> dns.message.Message | None:
    """As :func:`parse`; None where it is malformed."""
    try:
        return parse(wire, answer_is_enough)
    except Unreadable:
        return None


def parse(wire: bytes, answer_is_enough: bool = False) -> dns.message.Message:
    """The message in ``wire``, with one RR in each RRset; of its records those of class IN and :data:`TYPES`, and OPT.

    With TC set it is read as far as it goes. Without a question it tells an rcode and nothing else.

    :param answer_is_enough: leave out authority and additional section where there is an answer. The NS and address
        records that come with each answer cost more than the answer itself, and a watch reads thousands.
    :raises Unreadable: when it is none.
    """
    if len(wire) < HEADER:
        raise Unreadable
    identifier, flags = PAIR.unpack_from(wire)
    message = dns.message.QueryMessage(identifier)
    message.flags = dns.flags.Flag(flags)
    names = Names(wire)
    last = 0
    if wire[4:6] == b"\0\1":
        rdtype, rdclass = PAIR.unpack_from(wire, question_end(wire) - PAIR.size)
        message.question.append(dns.rrset.RRset(names.at(HEADER), *_kind(rdclass, rdtype)))
        last = 1 if answer_is_enough and wire[6:8] > b"\0\0" else 3
    parser = _RdataParser(wire, names)
    try:
        for record in walk(wire):
            if record.rdtype == OPT:
                _take_options(message, wire, record)
            elif record.rdclass == IN and record.rdtype in TYPES and record.section <= last:
                message.sections[record.section].append(_rrset(parser, names, record))
    except Unreadable:
        if not wire[2] & TC:
            raise
    return message


def _kind(rdclass: int, rdtype: int) -> tuple[RdataClass, RdataType]:
    return RdataClass.make(rdclass), RdataType.make(rdtype)


def _rrset(parser: _RdataParser, names: Names, record: RR) -> dns.rrset.RRset:
    """One RR."""
    parser.current, parser.end = record.rdata, record.end
    rdtype, made = TYPES[record.rdtype]
    try:
        with dns.exception.ExceptionWrapper(dns.exception.FormError):  # type: ignore[no-untyped-call]  # dnspython has no types for it
            rdata = made.from_wire_parser(IN, rdtype, parser)
    except dns.exception.DNSException:
        raise Unreadable from None
    if parser.current != record.end:
        raise Unreadable
    rrset = dns.rrset.RRset(names.at(record.owner), IN, rdtype, rdata.covers() if rdtype == RRSIG else NONE)
    # RFC 2181 section 8: with the highest bit set a TTL counts as zero.
    rrset.ttl = record.ttl if record.ttl < 1 << 31 else 0
    # A list in place of dnspython's dictionary: one RR needs no hash, which costs the square of its name's labels.
    rrset.items = [rdata]  # type: ignore[assignment]  # iterated, indexed and counted in the same way
    return rrset


def _take_options(message: dns.message.Message, wire: bytes, record: RR) -> None:
    """The OPT record: payload, extended rcode, version, options (RFC 6891 section 6.1.2)."""
    if record.section != 3 or wire[record.owner] != 0:
        return
    if message.opt is not None:
        raise Unreadable
    options: list[dns.edns.Option] = []
    at = record.rdata
    while at < record.end and len(options) < MOST_OPTIONS:
        if at + PAIR.size > record.end:
            raise Unreadable
        code, length = PAIR.unpack_from(wire, at)
        at += PAIR.size + length
        if at > record.end:
            raise Unreadable
        options.append(_option(code, wire[at - length : at]))
    rdata = dns.rdtypes.ANY.OPT.OPT(RdataClass.make(record.rdclass), OPT, options)  # type: ignore[no-untyped-call]  # dnspython has no types for it
    message.opt = dns.rrset.from_rdata(dns.name.root, record.ttl, rdata)


def _option(code: int, data: bytes) -> dns.edns.Option:
    """An extended error as text, which need not be right UTF-8 to be read; every other option as it came."""
    if code == dns.edns.OptionType.EDE and len(data) >= 2:
        text = data[2:].decode("utf-8", "backslashreplace").rstrip("\0")
        return dns.edns.EDEOption(dns.edns.EDECode.make(int.from_bytes(data[:2], "big")), text or None)
    return dns.edns.GenericOption(dns.edns.OptionType.make(code), data)
