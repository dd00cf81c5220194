"""What a reply says: the alias, the TXT values, the SOA, the referral in it."""

from collections.abc import Iterable

import dns.message
import dns.rdataclass
import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.model import RRset
from certbot_dns_delegate.text import show

Section = Iterable[dns.rrset.RRset]


def rrset_in(section: Section, owner: Name, rdtype: RdataType) -> dns.rrset.RRset | None:
    """The RRset of ``owner`` and ``rdtype``, if it is there."""
    return next((r for r in section if r.rdtype == rdtype and r.rdclass == dns.rdataclass.IN and r.name == owner), None)


def alias_in(message: dns.message.Message, owner: Name) -> tuple[Name, bool] | None:
    """The target of the CNAME at ``owner`` and whether a DNAME made it; None where there is no CNAME.

    :raises LookupFailed: when the owner has several, which no correct server serves (RFC 2181 section 10.1).
    """
    rrset = rrset_in(message.answer, owner, RdataType.CNAME)
    if rrset is None:
        return None
    if len(rrset) > 1:
        targets = ", ".join(show(rdata.target) for rdata in rrset)
        raise LookupFailed(f"{show(owner)} has several CNAMEs: {targets}", "leave one; a name can have but one")
    by_dname = any(
        r.rdtype == RdataType.DNAME and owner != r.name and owner.is_subdomain(r.name) for r in message.answer
    )
    return rrset[0].target, by_dname


def txt_in(message: dns.message.Message, owner: Name) -> RRset:
    """The TXT values of ``owner``, their strings joined as a CA joins them (RFC 8555 does not, Boulder does)."""
    rrset = rrset_in(message.answer, owner, RdataType.TXT)
    if rrset is None:
        return RRset()
    return RRset(frozenset(b"".join(rdata.strings).decode("latin-1") for rdata in rrset), rrset.ttl)


def is_signed(message: dns.message.Message, owner: Name) -> bool:
    """Whether an RRSIG over the TXT RRset of ``owner`` came with it."""
    return any(r.rdtype == RdataType.RRSIG and r.covers == RdataType.TXT and r.name == owner for r in message.answer)


def soa_in(message: dns.message.Message, owner: Name) -> dns.rrset.RRset | None:
    """The SOA of the zone that ``owner`` lies in, from the answer or from a negative answer's authority section."""
    sections = (*message.answer, *message.authority)
    return next((r for r in sections if r.rdtype == RdataType.SOA and owner.is_subdomain(r.name) and len(r) == 1), None)


def negative_ttl(soa: dns.rrset.RRset) -> int:
    """Seconds that a resolver keeps a negative answer with this SOA (RFC 2308 section 5)."""
    return int(min(soa.ttl, soa[0].minimum))


def referral_in(message: dns.message.Message, above: Name, owner: Name) -> dns.rrset.RRset | None:
    """The NS RRset of a zone cut below ``above`` on the way to ``owner``; None when this is no such referral."""
    if message.answer or message.rcode() != 0:
        return None
    for rrset in message.authority:
        is_below = rrset.rdtype == RdataType.NS and rrset.name != above and rrset.name.is_subdomain(above)
        if is_below and owner.is_subdomain(rrset.name):
            return rrset
    return None


def addresses_in(section: Section, host: Name) -> list[str]:
    """The addresses of ``host``, IPv4 first."""
    found = (rrset_in(section, host, rdtype) for rdtype in (RdataType.A, RdataType.AAAA))
    return [rdata.address for rrset in found if rrset is not None for rdata in rrset]
