"""Read what most names bring straight from the octets of replies: an alias, addresses, texts, or that there are none.

Whatever is unusual about a reply is declined: :mod:`.reader` makes a message of it then. What is not declined, both
read in the same way.
"""

import socket
import struct
from typing import NamedTuple

import dns.edns
import dns.ipv6
from dns.rdataclass import IN
from dns.rdatatype import AAAA, CNAME, NS, OPT, SOA, TXT, A

from certbot_dns_delegate.lookup.habits import CLIENT_COOKIE, SERVER_COOKIES
from certbot_dns_delegate.lookup.octets import HEADER, PAIR, skip

Labels = tuple[bytes, ...]
"""A name's labels, with the root's, which is empty."""

MOST_RECORDS = 32
"""Records of one reply; a resolver's answer about one name has fewer, and what has more is no case for this reader."""
MOST_OPTIONS = 8
LONGEST_NAME = 255
"""Octets (RFC 1035 section 2.3.4)."""
RA = 0x80
"""The bit in the header's fourth octet that says "recursion available"."""

_COUNTS = struct.Struct("!HHHH")
_RECORD = struct.Struct("!HHIH")
_NOERROR, _NXDOMAIN = 0, 3
_QUESTION = b"\xc0\x0c"
"""A pointer to the question's name."""


class Declined(Exception):
    """This reply is for another reader."""


class Short(NamedTuple):
    """What a reply says about the name that was asked for."""

    exists: bool
    """False: there is no such name (NXDOMAIN)."""
    aliases: tuple[Labels, ...]
    """The targets of the CNAMEs, one behind the other, from the name that was asked for."""
    addresses: tuple[str, ...]
    """At the end of these."""
    cookie: bytes | None
    """Client's and server's (RFC 7873 section 4); None where there is no whole one."""
    has_edns: bool = False
    texts: tuple[bytes, ...] = ()
    """Of TXT records of the name, the strings of each one behind the other."""
    ttl: int = 0
    """The highest of theirs, in seconds."""


class Brief(NamedTuple):
    """A reply that was read so, and its octets for whoever needs more of it."""

    short: Short
    wire: bytes


TYPES = frozenset({CNAME, A, AAAA, TXT})
"""What may be asked for."""


def read(wire: bytes, end: int, rdtype: int) -> Short | None:
    """What a reply says; None where :mod:`.reader` has to read it.

    :param wire: a reply whose one question is the one that was sent, as :func:`.echo` has found.
    :param end: the offset behind the question.
    :param rdtype: the type that was asked for, of :data:`TYPES`.
    """
    try:
        return _read(wire, end, rdtype)
    except (Declined, ValueError, IndexError, struct.error):
        return None


def _read(wire: bytes, end: int, rdtype: int) -> Short:
    # QR without TC, opcode QUERY; AA and RD may be what they are.
    rcode = wire[3] & 0x0F
    questions, answers, authority, additional = _COUNTS.unpack_from(wire, 4)
    if wire[2] & 0xFA != 0x80 or rcode not in {_NOERROR, _NXDOMAIN} or questions != 1:
        raise Declined
    if answers + authority + additional > MOST_RECORDS or not (answers or wire[3] & RA):
        raise Declined
    aliases: tuple[Labels, ...] = ()
    addresses: tuple[str, ...] = ()
    texts: tuple[bytes, ...] = ()
    longest, at = 0, end
    for _ in range(answers):
        # Most names are the question's, as a pointer to it.
        is_asked_for = not aliases and wire[at : at + 2] == _QUESTION
        behind = at + 2 if is_asked_for else _owner_end(wire, at, aliases)
        kind, rdclass, ttl, length = _RECORD.unpack_from(wire, behind)
        data = behind + _RECORD.size
        at = data + length
        if rdclass != IN or at > len(wire) or (addresses and kind == CNAME):
            raise Declined
        if kind == rdtype == TXT:
            texts = (*texts, _text(wire, data, at))
            longest = max(longest, ttl if ttl < 1 << 31 else 0)  # RFC 2181 section 8
        elif kind == CNAME and rdtype != TXT and (rdtype != CNAME or not aliases):
            aliases = (*aliases, _target(wire, data, at, aliases))
        elif kind == rdtype:
            addresses = (*addresses, _address(wire, kind, data, at))
        else:
            raise Declined
    is_enough = rdtype in {CNAME, TXT} and answers > 0
    if rdtype == TXT and not texts:
        raise Declined
    for _ in range(authority):
        at = _passed(wire, at, is_enough=is_enough)
    cookie, has_edns = None, False
    for _ in range(additional):
        if wire[at] == 0 and wire[at + 1 : at + 3] == b"\0\x29":
            if has_edns:
                raise Declined
            has_edns = True
            at, cookie = _options(wire, at + 1)
        else:
            at = _passed(wire, at, is_enough=is_enough)
    return Short(rcode == _NOERROR, aliases, addresses, cookie, has_edns, texts, longest)


def _owner_end(wire: bytes, at: int, aliases: tuple[Labels, ...]) -> int:
    """The offset behind the owner of an answer, which is the name that the aliases lead to."""
    expected = aliases[-1] if aliases else name_at(wire, HEADER)[0]
    owner, end = name_at(wire, at)
    if folded(owner) != folded(expected):
        raise Declined
    return end


def _target(wire: bytes, data: int, end: int, aliases: tuple[Labels, ...]) -> Labels:
    """Of a CNAME; one that leads back is declined."""
    target, behind = name_at(wire, data)
    if behind != end:
        raise Declined
    if aliases and folded(target) in {folded(name_at(wire, HEADER)[0]), *map(folded, aliases)}:
        raise Declined
    return target


def _address(wire: bytes, kind: int, data: int, end: int) -> str:
    if kind == A and end - data == 4:
        return socket.inet_ntoa(wire[data:end])
    if kind == AAAA and end - data == 16:
        return dns.ipv6.inet_ntoa(wire[data:end])
    raise Declined


def _text(wire: bytes, at: int, end: int) -> bytes:
    """The strings of a TXT record (RFC 1035 section 3.3.14)."""
    strings = []
    while at < end:
        behind = at + 1 + wire[at]
        strings.append(wire[at + 1 : behind])
        at = behind
    if at != end or not strings:
        raise Declined
    return b"".join(strings)


def _passed(wire: bytes, at: int, *, is_enough: bool) -> int:
    """The offset behind a record that says nothing here, and is in order.

    :param is_enough: :mod:`.reader` does not look into it either.
    """
    owner, at = at, skip(wire, at)
    kind, rdclass, _, length = _RECORD.unpack_from(wire, at)
    data = at + _RECORD.size
    end: int = data + length
    if end > len(wire) or kind == OPT:
        raise Declined
    if not is_enough:
        name_at(wire, owner)
        if rdclass != IN or not _is_in_order(wire, kind, data, end):
            raise Declined
    return end


def _is_in_order(wire: bytes, kind: int, data: int, end: int) -> bool:
    """Whether a record's data are what the type has; of the types that come beside an answer."""
    if kind in {A, AAAA}:
        return end - data == (4 if kind == A else 16)
    if kind not in {NS, SOA}:
        return False
    _, data = name_at(wire, data)
    if kind == SOA:
        data = name_at(wire, data)[1] + 20
    return data == end


def _options(wire: bytes, at: int) -> tuple[int, bytes | None]:
    """The offset behind the OPT record whose type is at ``at``, and the cookie in it (RFC 6891 section 6.1.2)."""
    _, _, ttl, length = _RECORD.unpack_from(wire, at)
    at += _RECORD.size
    end = at + length
    # Extended rcode and version have to be nothing.
    if ttl >> 16 or end > len(wire):
        raise Declined
    cookie: bytes | None = None
    has_cookie = False
    for _ in range(MOST_OPTIONS):
        if at == end:
            return end, cookie
        code, length = PAIR.unpack_from(wire, at)
        at += PAIR.size + length
        if at > end:
            raise Declined
        if code == dns.edns.OptionType.COOKIE and not has_cookie:
            has_cookie = True
            cookie = wire[at - length : at] if length - CLIENT_COOKIE in SERVER_COOKIES else None
    raise Declined


def name_at(wire: bytes, at: int) -> tuple[Labels, int]:
    """The name that begins there (RFC 1035 section 4.1.4), and the offset behind it.

    :raises Declined, IndexError: when it is none.
    """
    labels = []
    length, lowest, behind = 1, at, 0
    while octet := wire[at]:
        if octet >= 0xC0:
            behind = behind or at + 2
            at = (octet & 0x3F) << 8 | wire[at + 1]
            # Backwards each time, so that it ends.
            if not HEADER <= at < lowest:
                raise Declined
            lowest = at
        elif octet < 64:
            end = at + 1 + octet
            labels.append(wire[at + 1 : end])
            length += 1 + octet
            if length > LONGEST_NAME:
                raise Declined
            at = end
        else:
            raise Declined
    labels.append(b"")
    return tuple(labels), behind or at + 1


def folded(labels: Labels) -> Labels:
    """Names differ in ASCII case without being different (RFC 4343 section 3)."""
    return tuple([label.lower() for label in labels])
