"""Behaviours of servers that wear their clients down: floods, dear names, records that nobody asked for."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.rcode
from dns.rdataclass import IN
from dns.rdatatype import CNAME, TXT

from .behaviour import Behaviour
from .exchange import Handler, Reply, Request, Several

OWNER = b"\xc0\x0c"  # the name that was asked for
PLACE = {"answer": 6, "authority": 8, "additional": 10}  # of the counts in the header


def record(rdclass: int, rdtype: int, rdata: bytes, *, owner: bytes = OWNER, ttl: int = 60) -> bytes:
    """One record's octets, made by hand: dnspython keeps what it meets, in tables that the client shares."""
    return owner + struct.pack("!HHIH", rdtype, rdclass, ttl, len(rdata)) + rdata


def bare(wire: bytes) -> bytes:
    """Header and question of a message without EDNS, all counts but the question's zero."""
    end = 12
    while wire[end]:
        end += 1 + wire[end]
    return wire[:6] + bytes(6) + wire[12 : end + 5]


def with_records(wire: bytes, section: str, *records: bytes) -> bytes:
    """A message without records, and these in one section."""
    empty = bytearray(bare(wire))
    struct.pack_into("!H", empty, PLACE[section], len(records))
    return bytes(empty) + b"".join(records)


def wire_of(reply: Reply) -> bytes:
    """Of an honest reply."""
    assert isinstance(reply, dns.message.Message)
    reply.use_edns(False)
    return reply.to_wire(max_size=65535)


class Adding(Behaviour):
    """Answers honestly, and puts raw records in front of a section: of any class and type.

    :param records: their octets, as :func:`record` makes them.
    """

    def __init__(self, *records: bytes, section: str = "answer") -> None:
        self.records, self.section = records, section

    def answer(self, request: Request, honest: Handler) -> Reply:
        wire = bytearray(wire_of(honest(request)))
        if self.section == "answer":
            place = len(bare(bytes(wire)))
            wire[place:place] = b"".join(self.records)
        else:
            wire += b"".join(self.records)
        at = PLACE[self.section]
        struct.pack_into("!H", wire, at, len(self.records) + struct.unpack_from("!H", wire, at)[0])
        return bytes(wire)


class Before(Behaviour):
    """Sends messages of its own before the honest answer.

    :param make: the octets to send first, from a well-formed reply without records.
    :param count: how many times; by default until the server stops.
    """

    def __init__(self, make: Callable[[bytes], bytes], count: int | None = None) -> None:
        self.make, self.count = make, count
        self.sent = 0

    def answer(self, request: Request, honest: Handler) -> Reply:
        first, last = self.make(wire_of(request.reply(authoritative=True))), wire_of(honest(request))
        return Several(itertools.chain(self._flood(first), [last]))

    def _flood(self, wire: bytes) -> Iterator[bytes]:
        for _ in itertools.count() if self.count is None else range(self.count):
            self.sent += 1
            yield wire


def undecodable_error(wire: bytes) -> bytes:
    """SERVFAIL with an extended error (RFC 8914) whose text is no UTF-8."""
    option = struct.pack("!HHH", 15, 4, 3) + b"\xff\xfe"
    made = with_records(wire, "additional", b"\0" + struct.pack("!HHIH", 41, 1232, 0, len(option)) + option)
    return made[:3] + bytes([made[3] & 0xF0 | dns.rcode.SERVFAIL]) + made[4:]


def other_id(wire: bytes) -> bytes:
    """The same message under another id."""
    return bytes([wire[0] ^ 0xFF, wire[1]]) + wire[2:]


def bomb(size: int) -> Callable[[bytes], bytes]:
    """Makes a reply of so many octets whose records lead through a name of 127 labels each."""

    def make(wire: bytes) -> bytes:
        name = b"\1a" * 126 + b"\0"
        first = record(IN, CNAME, name)
        at = len(bare(wire)) + len(first) - len(name)
        more = record(IN, CNAME, b"\1b" + struct.pack("!H", 0xC000 | at + 2))
        return with_records(wire, "answer", first, *[more] * ((size - at - len(name)) // len(more)))

    return make


class HeaderOnly(Behaviour):
    """Answers with a header alone, whose counts are all zero.

    :param rcode: what it says.
    """

    def __init__(self, rcode: dns.rcode.Rcode) -> None:
        self.rcode = rcode

    def answer(self, request: Request, honest: Handler) -> Reply:
        wire = wire_of(request.reply(self.rcode, authoritative=True))
        return wire[:4] + bytes(8)


class Oversized(Behaviour):
    """Sends by UDP more than the client takes, and does not say that it is cut.

    :param octets: of the foreign value that fills it.
    """

    def __init__(self, octets: int = 2000) -> None:
        self.octets = octets

    def answer(self, request: Request, honest: Handler) -> Reply:
        if request.transport == "tcp":
            return honest(request)
        strings = b"".join(b"\xfa" + b"x" * 250 for _ in range(self.octets // 250))
        return Adding(record(IN, TXT, strings)).answer(request, honest)
