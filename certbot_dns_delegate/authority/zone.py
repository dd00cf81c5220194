"""What the server answers from: zones written as data, and their records laid out ready to send."""

import ipaddress
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import dns.name
import dns.rdataclass
import dns.rdatatype
from dns.name import Name

_IN = int(dns.rdataclass.IN)
_SOA, _NS, _TXT, _A, _AAAA, _DS = (
    int(rdtype)
    for rdtype in (
        dns.rdatatype.SOA,
        dns.rdatatype.NS,
        dns.rdatatype.TXT,
        dns.rdatatype.A,
        dns.rdatatype.AAAA,
        dns.rdatatype.DS,
    )
)

VALUE_TTL = 1
"""Seconds.  A resolver that still holds the last order's RRset fails the next order: measured, a renewal
right after issuing fails with 60 and with 5 and passes with 1."""

NEGATIVE_TTL = 1
"""Seconds; TTL and MINIMUM of the SOA (RFC 2308 section 5 takes the smaller).  Whoever asks before the value
is there, or for a name whose last value is withdrawn, must not remember "nothing here" when the CA asks a
moment later."""

SERVER_TTL = 60
"""Seconds; NS, A and AAAA.  Long enough that a resolver finds the server once per order, short enough that a
host that moved is found again in a minute.  These never change during an order."""

_TIMERS = struct.pack("!IIII", 3600, 600, 86400, NEGATIVE_TTL)
"""Refresh, retry, expire, minimum: only MINIMUM has an effect, because the zone cannot be transferred."""

_MAILBOX = b"\x06nobody\x07invalid\x00"
"""RNAME without a mailbox to promise, as RFC 6303 section 3 writes it."""

_ROOM = 65535 - 12 - 259 - 11
"""Octets for the answer in a TCP reply: less the header, the longest question and the OPT record."""

_QUESTION = b"\xc0\x0c"
"""Compression pointer to the question's name (RFC 1035 section 4.1.4), which is the owner of every answer,
so that the answer's owner has the letter case of the question."""


@dataclass(frozen=True)
class ServedZone:
    """A delegate zone.

    :param apex: the zone's name
    :param servers: the NS names as the parent zone lists them, the first one being the SOA's MNAME, each
        with its IP addresses; addresses are served for names inside the zone only, and are required there
    :param values: the TXT values of each owner name
    :param serial: of the SOA; because the zone cannot be transferred, any number by which its answers can be known
    """

    apex: Name
    servers: Mapping[Name, Collection[str]]
    values: Mapping[Name, Collection[str]] = field(default_factory=dict)
    serial: int = 1


class WireRRset(NamedTuple):
    """Records of one owner and type, ready to be sent when that owner is the question's name."""

    records: int
    wire: bytes
    extras: int = 0
    extra: bytes = b""


class Apex(NamedTuple):
    """What a negative answer needs to know of its zone: the length of the apex's name, and its SOA less the
    owner."""

    length: int
    soa: bytes


class Node(NamedTuple):
    """A name that exists; without RRsets it is an empty non-terminal."""

    apex: Apex
    rrsets: dict[int, WireRRset]


class ServedZones:
    """The zones of a server, as an index that is never changed: to serve something else, make another one.

    :raises ValueError: for an owner outside its zone, a zone without servers, a server inside its zone
        without addresses, and an RRset too large for any reply
    """

    def __init__(self, zones: Iterable[ServedZone] = ()) -> None:
        zones = list(zones)
        apexes = {zone.apex.canonicalize(): _apex(zone) for zone in zones}
        self._nodes: dict[bytes, Node] = {}
        for zone in zones:
            for owner, rdtype, rrset in _rrsets(zone):
                if len(rrset.wire) > _ROOM:
                    raise ValueError(f"the values of {owner} do not fit in a reply")
                for name in _ancestry(owner.canonicalize(), apexes):
                    enclosing = next(apexes[above] for above in _upwards(name) if above in apexes)
                    self._nodes.setdefault(_wire(name), Node(enclosing, {}))
                self._nodes[_wire(owner.canonicalize())].rrsets[rdtype] = rrset

    def find(self, qname: bytes, qtype: int) -> tuple[Apex, dict[int, WireRRset] | None] | None:
        """Find the zone of a name, and what exists there.

        :param qname: uncompressed, in lower case
        :return: the zone and the RRsets, with ``None`` for a name that does not exist; ``None`` outside all
            zones
        """
        node = self._nodes.get(qname)
        if node is None:
            apex = self._enclosing(qname)
            return apex and (apex, None)
        if qtype == _DS and len(qname) == node.apex.length:
            # The parent's side of a zone cut answers for DS (RFC 4035 section 3.1.4.1), where we serve both
            # sides.
            return self._enclosing(qname) or node.apex, {}
        return node

    def _enclosing(self, name: bytes) -> Apex | None:
        """The zone of the closest existing name above."""
        while name != b"\0":
            name = name[1 + name[0] :]
            if node := self._nodes.get(name):
                return node.apex
        return None


def _apex(zone: ServedZone) -> Apex:
    if not zone.servers:
        raise ValueError(f"zone {zone.apex} has no server")
    mname = _wire(next(iter(zone.servers)))
    return Apex(
        len(_wire(zone.apex)), _record(_SOA, NEGATIVE_TTL, mname + _MAILBOX + zone.serial.to_bytes(4, "big") + _TIMERS)
    )


def _upwards(name: Name) -> Iterator[Name]:
    """The name and everything above it."""
    yield name
    while name != dns.name.root:
        name = name.parent()
        yield name


def _ancestry(owner: Name, apexes: Collection[Name]) -> Iterator[Name]:
    """The owner and the names above it that exist because it does (RFC 8020): all that lie in one of our
    zones."""
    return (name for name in _upwards(owner) if any(name.is_subdomain(apex) for apex in apexes))


def _rrsets(zone: ServedZone) -> Iterator[tuple[Name, int, WireRRset]]:
    yield zone.apex, _SOA, WireRRset(1, _QUESTION + _apex(zone).soa)
    servers = [_QUESTION + _record(_NS, SERVER_TTL, _wire(server)) for server in zone.servers]
    glue: list[bytes] = []
    for server, texts in zone.servers.items():
        if not server.is_subdomain(zone.apex):
            continue
        addresses = [ipaddress.ip_address(text) for text in texts]
        if not addresses:
            raise ValueError(f"server {server} is inside its zone and has no address")
        for rdtype, version in (_A, 4), (_AAAA, 6):
            records = [_record(rdtype, SERVER_TTL, a.packed) for a in addresses if a.version == version]
            if records:
                glue += [_wire(server) + record for record in records]
                yield server, rdtype, WireRRset(len(records), b"".join(_QUESTION + record for record in records))
    yield zone.apex, _NS, WireRRset(len(servers), b"".join(servers), len(glue), b"".join(glue))
    for owner, values in zone.values.items():
        if not owner.is_subdomain(zone.apex):
            raise ValueError(f"{owner} is not inside zone {zone.apex}")
        if values:
            records = [_QUESTION + _record(_TXT, VALUE_TTL, _strings(value)) for value in sorted(set(values))]
            yield owner, _TXT, WireRRset(len(records), b"".join(records))


def _wire(name: Name) -> bytes:
    wire = name.to_wire()
    assert wire is not None  # it is for dnspython's other way to call it
    return wire


def _record(rdtype: int, ttl: int, rdata: bytes) -> bytes:
    """A resource record less its owner."""
    return struct.pack("!HHIH", rdtype, _IN, ttl, len(rdata)) + rdata


def _strings(value: str) -> bytes:
    """TXT rdata: character-strings of at most 255 octets (RFC 1035 section 3.3.14), and one even for no
    octets."""
    octets = value.encode("ascii")
    pieces = [octets[start : start + 255] for start in range(0, len(octets), 255)] or [b""]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces)
