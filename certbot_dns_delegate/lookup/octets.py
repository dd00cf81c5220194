"""A message's octets: header, question, records and names as offsets (RFC 1035 section 4.1), read at a bounded cost.

Nothing here becomes an object of dnspython but names: a reply is compared with the question that was sent, and its
records are walked through, before one of them is looked into.
"""

import struct
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

import dns.exception
from dns.name import Name

HEADER = 12
"""Octets; the counts of the four sections are its last eight."""
MOST_RECORDS = 1200
"""Records of one reply that are read: 64 KiB hold 1170 TXT records with an ACME value (12 octets and 1 + 43)."""
MOST_STEPS = 40_000
"""Labels that all names of one reply have together: 1200 records with names of 32 labels, some 10 ms of work."""
AA, TC = 0x04, 0x02
"""The bits in the header's third octet that say "with authority" and "truncated"."""


PAIR = struct.Struct("!HH")
"""Id and flags, type and class, or an option's code and length."""
_COUNTS = struct.Struct("!HHHH")
_RECORD = struct.Struct("!HHIH")


class Unreadable(ValueError):
    """These octets are no DNS message, or one that would cost more than any real one."""


class Echo(Enum):
    """How a message's header and question relate to those that were sent."""

    NONE = "no reply to it"
    BARE = "a reply without a question, which has an rcode alone"
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
    end = skip(wire, HEADER) + PAIR.size
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
        # Some servers that refuse repeat no question; for an UPDATE every rcode counts by itself.
        is_known = wire[3] & 0x0F in _BARE or sent[2] & 0x78 == _UPDATE
        return Echo.BARE if is_known else Echo.NONE
    if wire[4:6] != b"\0\1":
        return Echo.NONE
    if wire[HEADER:end] == sent[HEADER:end]:
        return Echo.EXACT
    # Type and class are compared as they are; the octets of a label's length are below those of letters.
    name_end = end - PAIR.size
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
            at = skip(wire, at)
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


def skip(wire: bytes, at: int) -> int:
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
