"""A zone held in memory: parsed from text, changed without disturbing readers."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.zone
from dns.rdataclass import IN
from dns.rdatatype import NS, SOA, TXT, RdataType

# Names a test zone must have to be a zone at all; used where its text leaves them out.
DEFAULT_SOA = "@ 60 SOA ns1 hostmaster 1 3600 600 86400 60\n"
DEFAULT_NS = "@ 60 NS ns1\n"

Key = tuple[RdataType, RdataType]  # type, and for an RRSIG the type it covers
Node = dict[Key, dns.rdataset.Rdataset]


def rdata(rdtype: RdataType, text: str, origin: dns.name.Name) -> dns.rdata.Rdata:
    """Make an rdata; the text of a TXT is taken literally, cut into strings of 255 octets."""
    if rdtype is TXT:
        octets = text.encode()
        return dns.rdtypes.ANY.TXT.TXT(IN, TXT, [octets[i : i + 255] for i in range(0, len(octets), 255)] or [b""])
    return dns.rdata.from_text(IN, rdtype, text, origin=origin, relativize=False)


class Zone:
    """One zone. Every change replaces the nodes it touches, so that `copy` is free and readers need no lock.

    :param origin: the apex.
    :param text: master file text, relative to the apex, default TTL 60; SOA and NS may be left out.
    """

    def __init__(self, origin: str | dns.name.Name, text: str = "") -> None:
        self.origin = dns.name.from_text(origin) if isinstance(origin, str) else origin
        self.lock = threading.RLock()
        self.version = 0  # counts changes; the SOA serial does too, but a test may set that one
        self._nodes: dict[dns.name.Name, Node] = {}
        lines = "".join(f"{line}\n" for line in text.splitlines())
        parsed = dns.zone.from_text(
            "$TTL 60\n" + lines, self.origin, relativize=False, check_origin=False, allow_include=False
        )
        for name, rdataset in parsed.iterate_rdatasets():
            self.put(name, rdataset)
        for rdtype, line in ((SOA, DEFAULT_SOA), (NS, DEFAULT_NS)):
            if self.get(self.origin, rdtype) is None:
                default = dns.zone.from_text(line, self.origin, relativize=False, check_origin=False)
                self.put(self.origin, default.find_rdataset(self.origin, rdtype))
        self.version = 0

    def copy(self) -> Zone:
        """The zone as it is now, unmoved by what happens to this one."""
        twin = Zone.__new__(Zone)
        twin.origin, twin.lock, twin.version, twin._nodes = (self.origin, threading.RLock(), self.version, self._nodes)
        return twin

    def adopt(self, draft: Zone) -> None:
        """Take over what a changed copy holds, as one step, with the next serial."""
        if draft.version != self.version:
            draft._bump()
            self._nodes, self.version = draft._nodes, self.version + 1

    def name(self, text: str | dns.name.Name) -> dns.name.Name:
        """An absolute name from text that may be relative to the apex."""
        return dns.name.from_text(text, self.origin) if isinstance(text, str) else text

    def get(self, name: str | dns.name.Name, rdtype: RdataType | str) -> dns.rdataset.Rdataset | None:
        """The records of that type at exactly that name; no wildcards, no zone cuts."""
        return self.node(self.name(name)).get((RdataType.make(rdtype), RdataType.NONE))

    @property
    def nodes(self) -> Mapping[dns.name.Name, Node]:
        """All names that own records; never changed in place."""
        return self._nodes

    def node(self, name: dns.name.Name) -> Node:
        """All records at exactly that name."""
        return self._nodes.get(name, {})

    def texts(self, name: str | dns.name.Name) -> list[str]:
        """The TXT values at a name, each joined, sorted: what most tests assert on."""
        return sorted(b"".join(value.strings).decode() for value in self.get(name, TXT) or ())

    def ttl(self, name: str, rdtype: str) -> int | None:
        """The TTL of an RRset in seconds; `None` where there is none."""
        rdataset = self.get(name, rdtype)
        return rdataset.ttl if rdataset is not None else None

    @property
    def serial(self) -> int:
        """The serial of the SOA."""
        return int(self.node(self.origin)[(SOA, RdataType.NONE)][0].serial)

    def add(self, name: str, ttl: int, rdtype: str, *values: str) -> None:
        """Add records, as an administrator would: the RRset takes the TTL, in seconds; the serial grows."""
        with self.lock:
            draft, owner, kind = self.copy(), self.name(name), RdataType.make(rdtype)
            added = dns.rdataset.from_rdata_list(ttl, [rdata(kind, value, self.origin) for value in values])
            draft.merge(owner, added)
            self.adopt(draft)

    def delete(self, name: str, rdtype: str | None = None) -> None:
        """Delete an RRset, or everything at the name; the serial grows."""
        with self.lock:
            draft, owner = self.copy(), self.name(name)
            for key in list(self.node(owner)):
                if rdtype is None or key[0] == RdataType.make(rdtype):
                    draft.put(owner, None, key)
            self.adopt(draft)

    def merge(self, name: dns.name.Name, added: dns.rdataset.Rdataset) -> None:
        """Add records to what is there; one TTL per RRset, that of the last addition (RFC 2181 5.2)."""
        merged = dns.rdataset.Rdataset(IN, added.rdtype, added.covers, added.ttl)
        for value in (*(self.node(name).get((added.rdtype, added.covers)) or ()), *added):
            merged.add(value)  # of a type of which there is one, the last one stays
        self.put(name, merged)

    def put(self, name: dns.name.Name, rdataset: dns.rdataset.Rdataset | None, key: Key | None = None) -> None:
        """Set the records of one type at a name; none of them with `None` and the key."""
        node = dict(self.node(name))
        if rdataset is not None:
            node[(rdataset.rdtype, rdataset.covers)] = rdataset
        elif key is not None:
            node.pop(key, None)
        self._nodes = {**self._nodes, name: node}
        if not node:
            del self._nodes[name]
        self.version += 1

    def _bump(self) -> None:
        soa = self.node(self.origin)[(SOA, RdataType.NONE)]
        serial = (soa[0].serial + 1) % 2**32
        self.put(self.origin, dns.rdataset.from_rdata(soa.ttl, soa[0].replace(serial=serial)))
