"""A little internet whose zones are signed, from a root of its own on."""

from __future__ import annotations

import itertools

from dns.dnssectypes import DSDigest

from certbot_dns_delegate.lookup.anchor import Anchors, parse
from tests.servers.signing import cover, ds, key, sign
from tests.unit.internet import Internet

TOP, CHILD, BELOW = "test.", "example.test.", "shop.example.test."
HOSTS = {
    "ns0.test.": {".": ""},
    "ns.test.": {TOP: ""},
    "ns1.example.test.": {CHILD: "www CNAME target.shop\n"},
    "ns2.example.test.": {BELOW: ""},
}
ZONES = (".", TOP, CHILD, BELOW)


def signed(net: Internet, *apexes: str, digest: str = "SHA256") -> None:
    """Sign zones, each under the one before it.

    :param digest: of the last one's DS.
    """
    for number, (above, apex) in enumerate(itertools.pairwise(apexes)):
        parent = net.zone(above)
        kind = DSDigest[digest if apex == apexes[-1] else "SHA256"]
        parent.add(apex, 60, "DS", ds(net.zone(apex), kind, number=number + 1))
        cover(parent, apex, "DS", number=number)
    for number, apex in enumerate(apexes):
        sign(net.zone(apex), number=number)


def root_anchor(number: int = 0) -> Anchors:
    """The root's key as a file has it."""
    return Anchors("root.key", parse(f". IN DNSKEY {key(number).to_text()}"))
