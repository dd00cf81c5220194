"""Read replies from their octets (RFC 1035 section 4.1); only what we asked for and can use becomes an object.

A reply is compared with the question that was sent before a record in it is looked at. Then the records are walked
through as offsets, and those of class IN and of a type in :data:`TYPES` are handed to dnspython, one at a time:
dnspython's own reader keeps an entry for every pair of class and type that it meets, in tables of the whole process,
and a record of class ANY there decides how all later records of its type are read.
"""

import struct
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

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

HEADER = 12
"""Octets; the counts of the four sections are its last eight."""
TYPES: dict[int, tuple[RdataType, Any]] = {
    rdtype: (rdtype, dns.rdata.get_rdata_class(IN, rdtype))  # type: ignore[no-untyped-call]  # has no annotations
    for rdtype in (A, NS, CNAME, SOA, MX, TXT, AAAA, DNAME, DS, RRSIG, DNSKEY, CAA)
}
"""What this package reads, and dnspython's class for each; looked up here, before anybody's reply can."""
MOST_RECORDS = 1200
"""Records of one reply that are read: 64 KiB hold 1170 TXT records with an ACME value (12 octets and 1 + 43)."""
MOST_STEPS = 40_000
"""Labels that all names of one reply have together: 1200 records with names of 32 labels, some 10 ms of work."""
MOST_OPTIONS = 32
"""EDNS options of one reply that are read; servers send up to three."""
TC = 0x02
"""The bit in the header's third octet that says "truncated"."""

_COUNTS = struct.Struct("!HHHH")
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_OPTION = struct.Struct("!HH")


class Unreadable(ValueError):
    """These octets are no DNS message, or one that would cost more than any real one."""


class Echo(Enum):
    """How a message's header and question relate to those that were sent."""

    NONE = "no reply to it"
    BARE = "a reply without a question, which tells an rcode alone"
    OTHER_CASE = "a reply to the same question in other letters"
    EXACT = "a reply to exactly this question"


class RR(NamedTuple):
    """Where a record lies in a message."""

    section: int
    """1 answer, 2 authority, 3 additional."""
    owner: int
    """The offset of its owner's name, for :meth:`Names.at`."""
    rdtype: int
    rdclass: int
    ttl: int
    """Seconds, as they came."""
    rdata: int
    """The offset of its data."""
    end: int
    """The offset behind it."""


def question_end(wire: bytes) -> int:
    """The offset behind the first question.

    :raises Unreadable: when it does not fit.
    """
    end = _skip(wire, HEADER) + _QUESTION.size
    if end > len(wire):
        raise Unreadable
    return end


def echo(wire: bytes, sent: bytes, end: int) -> Echo:
    """How ``wire`` relates to the message that was sent, by RFC 5452 section 9.1; its records are not looked at.

    :param sent: the message that was sent, whose id the caller has found to be that of ``wire``.
    :param end: the offset behind its question.
    """
    # QR is set, and the opcode is the same; the lower three bits of the octet are AA, TC and RD.
    if len(wire) < HEADER or wire[2] & 0xF8 != sent[2] & 0x78 | 0x80:
        return Echo.NONE
    if wire[4:6] == b"\0\0":
        # Some servers that refuse repeat no question; for an UPDATE every rcode stands for itself.
        is_known = wire[3] & 0x0F in _BARE or sent[2] & 0x78 == _UPDATE
        return Echo.BARE if is_known else Echo.NONE
    if wire[4:6] != b"\0\1":
        return Echo.NONE
    if wire[HEADER:end] == sent[HEADER:end]:
        return Echo.EXACT
    # Type and class are compared as they are; the octets of a label's length are below those of letters.
    name_end = end - _QUESTION.size
    is_same = wire[name_end:end] == sent[name_end:end] and wire[HEADER:end].lower() == sent[HEADER:end].lower()
    return Echo.OTHER_CASE if is_same else Echo.NONE


_BARE = frozenset({1, 2, 4, 5})
"""FORMERR, SERVFAIL, NOTIMP, REFUSED."""
_UPDATE = 5 << 3
"""The opcode UPDATE, where it lies in the header's third octet."""


def walk(wire: bytes) -> Iterator[RR]:
    """The records of a message with one question or none, in order, :data:`MOST_RECORDS` at most.

    :raises Unreadable: at the first that does not fit.
    """
    questions, *counts = _COUNTS.unpack_from(wire, 4)
    if questions > 1:
        raise Unreadable
    at = question_end(wire) if questions else HEADER
    left = MOST_RECORDS
    for section, count in enumerate(counts, 1):
        for _ in range(min(count, left)):
            owner = at
            at = _skip(wire, at)
            try:
                rdtype, rdclass, ttl, length = _RECORD.unpack_from(wire, at)
            except struct.error:
                raise Unreadable from None
            at += _RECORD.size
            end = at + length
            if end > len(wire):
                raise Unreadable
            yield RR(section, owner, rdtype, rdclass, ttl, at, end)
            at = end
        left -= min(count, left)


def _skip(wire: bytes, at: int) -> int:
    """The offset behind the name at ``at``, whose pointers are not followed."""
    try:
        while (octet := wire[at]) != 0:
            if octet >= 0xC0:
                return at + 2
            if octet > 63:
                raise Unreadable
            at += 1 + octet
    except IndexError:
        raise Unreadable from None
    return at + 1


class Names:
    """The names in a message, each read once (RFC 1035 section 4.1.4)."""

    def __init__(self, wire: bytes) -> None:
        self._wire = wire
        self._left = MOST_STEPS
        self._known: dict[int, Name] = {}

    def at(self, offset: int) -> Name:
        """The name that begins there.

        :raises Unreadable: when it is none, or the message's names are more than :data:`MOST_STEPS` labels.
        """
        known = self._known.get(offset)
        if known is None:
            known = self._known[offset] = self._read(offset)
        # Also of a name that was read before: whoever hashes or compares it goes through its labels.
        self._left -= len(known)
        if self._left < 0:
            raise Unreadable
        return known

    def _read(self, offset: int) -> Name:
        wire, at, lowest = self._wire, offset, offset
        labels: list[bytes] = []
        try:
            while (octet := wire[at]) != 0:
                if octet >= 0xC0:
                    self._left -= 1
                    at = (octet & 0x3F) << 8 | wire[at + 1]
                    # Backwards each time, so that it ends.
                    if not HEADER <= at < lowest or self._left < 0:
                        raise Unreadable
                    lowest = at
                    if (rest := self._known.get(at)) is not None:
                        return Name((*labels, *rest.labels)) if labels else rest
                elif octet < 64 and len(labels) < 127:
                    labels.append(wire[at + 1 : at + 1 + octet])
                    at += 1 + octet
                else:
                    raise Unreadable
            return Name((*labels, b""))
        except (IndexError, dns.exception.DNSException):
            raise Unreadable from None


class _RdataParser(dns.wire.Parser):
    """dnspython's parser of one record's data, with names that are read once and at a bounded cost."""

    def __init__(self, wire: bytes, names: Names) -> None:
        super().__init__(wire)
        self._names = names

    def get_name(self, *_: object, **__: object) -> Name:
        begin = self.current
        self.seek(_skip(self.wire, begin))
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
    identifier, flags = _QUESTION.unpack_from(wire)
    message = dns.message.QueryMessage(identifier)
    message.flags = dns.flags.Flag(flags)
    names = Names(wire)
    last = 0
    if wire[4:6] == b"\0\1":
        rdtype, rdclass = _QUESTION.unpack_from(wire, question_end(wire) - _QUESTION.size)
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
        with dns.exception.ExceptionWrapper(dns.exception.FormError):  # type: ignore[no-untyped-call]
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
        if at + _OPTION.size > record.end:
            raise Unreadable
        code, length = _OPTION.unpack_from(wire, at)
        at += _OPTION.size + length
        if at > record.end:
            raise Unreadable
        options.append(_option(code, wire[at - length : at]))
    rdata = dns.rdtypes.ANY.OPT.OPT(RdataClass.make(record.rdclass), OPT, options)  # type: ignore[no-untyped-call]
    message.opt = dns.rrset.from_rdata(dns.name.root, record.ttl, rdata)


def _option(code: int, data: bytes) -> dns.edns.Option:
    """An extended error as text, which need not be right UTF-8 to be read; every other option as it came."""
    if code == dns.edns.OptionType.EDE and len(data) >= 2:
        text = data[2:].decode("utf-8", "backslashreplace").rstrip("\0")
        return dns.edns.EDEOption(dns.edns.EDECode.make(int.from_bytes(data[:2], "big")), text or None)
    return dns.edns.GenericOption(dns.edns.OptionType.make(code), data)
