"""Sign a zone as a signer would: its apex RRsets, with one key, for as long as a test wants."""

from __future__ import annotations

import time
from functools import cache

import dns.dnssec
import dns.name
import dns.rdataset
import dns.rdtypes.ANY.DNSKEY
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm, DSDigest
from dns.rdataclass import IN
from dns.rdatatype import DNSKEY, RRSIG, SOA, RdataType

from .zones import Zone

DAY_S = 86400


@cache
def _private(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key(number: int = 0) -> dns.rdtypes.ANY.DNSKEY.DNSKEY:
    """One of some keys, the same at each call."""
    return dns.dnssec.make_dnskey(_private(number).public_key(), Algorithm.ECDSAP256SHA256, flags=257)


def ds(zone: Zone, digest: DSDigest = DSDigest.SHA256, number: int = 0) -> str:
    """The DS of a key, as text."""
    made = dns.dnssec.make_ds(zone.origin, key(number), digest, policy=dns.dnssec.allow_all_policy)
    return made.to_text()


def sign(zone: Zone, begins_s: float = -DAY_S, ends_s: float = DAY_S, number: int = 0, *, keep: bool = False) -> str:
    """Add DNSKEY, and RRSIGs over it and the SOA; returns the DS of the key.

    :param begins_s: the first second of the signatures, from now.
    :param keep: leave the keys that are there.
    """
    if not keep:
        zone.put(zone.origin, dns.rdataset.from_rdata(60, key(number)))
    for rdtype in (SOA, DNSKEY):
        cover(zone, zone.origin, rdtype, begins_s, ends_s, number)
    return ds(zone, number=number)


def cover(
    zone: Zone,
    owner: dns.name.Name | str,
    rdtype: RdataType | str,
    begins_s: float = -DAY_S,
    ends_s: float = DAY_S,
    number: int = 0,
) -> None:
    """Add an RRSIG over an RRset of the zone."""
    now, name = time.time(), zone.name(owner)
    rdataset = zone.get(name, rdtype)
    assert rdataset is not None
    rrset = dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))
    made = dns.rdataset.Rdataset(IN, RRSIG, rdataset.rdtype, rdataset.ttl)
    made.add(dns.dnssec.sign(rrset, _private(number), zone.origin, key(number), int(now + begins_s), int(now + ends_s)))
    zone.put(name, made)
