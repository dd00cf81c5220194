"""TXT values on their way to a server: as records, and in parts that fit into one message each."""

from collections.abc import Iterator

import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
from dns.name import Name

from certbot_dns_delegate.model import Values

ROOM = 60_000
"""Octets of a message over TCP, 64 KiB, less the signature and what comes before the records."""


def parts(values: Values) -> Iterator[dict[Name, frozenset[str]]]:
    """``values`` in parts that fit into one message each."""
    part: dict[Name, frozenset[str]] = {}
    size = 0
    for owner in sorted(values):
        # The owner in full once, twice as a pointer; type, class, TTL, length and text of each value.
        need = (
            sum(len(label) + 1 for label in owner.labels)
            + 24
            + sum(16 + len(text) + len(text) // 255 for text in values[owner])
        )
        if part and size + need > ROOM:
            yield part
            part, size = {}, 0
        part[owner] = values[owner]
        size += need
    if part:
        yield part


def txt(text: str) -> dns.rdtypes.ANY.TXT.TXT:
    """A TXT record; never made from zone-file text, where a ``;`` would begin a comment."""
    data = text.encode("latin-1")
    strings = [data[i : i + 255] for i in range(0, len(data), 255)] or [b""]
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)
