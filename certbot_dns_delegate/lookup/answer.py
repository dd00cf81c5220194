"""What a reply says: the alias, the TXT values, the SOA, the referral in it.

Messages are read with one RR in each RRset: dnspython would otherwise keep only the last of several CNAMEs.
"""

from collections.abc import Iterable
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.rdataclass
import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.model import RRset
from certbot_dns_delegate.text import show, show_all

Section = Iterable[dns.rrset.RRset]

MOST_LINKS = 16
"""CNAMEs of one answer that are followed; Unbound and BIND follow 11 (max-query-restarts), and answers may go round."""


def rrs_in(section: Section, owner: Name, rdtype: RdataType) -> list[dns.rrset.RRset]:
    """The RRs of ``owner`` and ``rdtype``."""
    return [r for r in section if r.rdtype == rdtype and r.rdclass == dns.rdataclass.IN and r.name == owner]


def rdatas_in(section: Section, owner: Name, rdtype: RdataType) -> list[Any]:
    """Their rdata alone."""
    return [rdata for rr in rrs_in(section, owner, rdtype) for rdata in rr]


def alias_in(message: dns.message.Message, owner: Name) -> tuple[Name, bool] | None:
    """The target of the CNAME at ``owner`` and whether a DNAME made it; None where there is no CNAME.

    A DNAME without the CNAME that RFC 6672 section 3.1 demands beside it means the same.

    :raises LookupFailed: when the owner has several, which no correct server serves (RFC 2181 section 10.1).
    """
    targets = list(dict.fromkeys(rdata.target for rdata in rdatas_in(message.answer, owner, RdataType.CNAME)))
    if len(targets) > 1:
        raise LookupFailed(
            f"{show(owner)} has several CNAMEs: {show_all(targets)}", "leave one: a name can have only one CNAME"
        )
    dname = next((r for r in message.answer if r.rdtype == RdataType.DNAME and is_above(r.name, owner)), None)
    if dname is None:
        return (targets[0], False) if targets else None
    try:
        made = dns.name.Name((*owner.labels[: -len(dname.name)], *dname[0].target.labels))
    except dns.exception.DNSException:
        if not targets:
            raise LookupFailed(
                f"{show(owner)}: the DNAME at {show(dname.name)} makes a name that is too long"
            ) from None
        return targets[0], True
    # A CNAME that a DNAME has made repeats the letters of the question (RFC 6672 section 2.2), which went out mixed.
    return (targets[0] if targets and made != targets[0] else made), True


def alias_of(reply: Reply) -> tuple[Name, bool] | None:
    """As :func:`alias_in`, of the name that was asked for."""
    short = reply.short
    if short is None:
        return alias_in(reply.message, reply.ask.question.name)
    return (Name(short.aliases[0]), False) if short.aliases else None


def is_above(name: Name, owner: Name) -> bool:
    """Whether ``owner`` lies below ``name``."""
    return name != owner and owner.is_subdomain(name)


def end_of_alias(message: dns.message.Message, owner: Name) -> Name:
    """Where the CNAMEs of a resolver's answer lead from ``owner``; itself where it is no alias.

    :raises LookupFailed: as :func:`alias_in`.
    """
    for _ in range(MOST_LINKS):
        link = alias_in(message, owner)
        if link is None:
            break
        owner = link[0]
    return owner


def txt_of(reply: Reply) -> RRset:
    """As :func:`txt_in`, of the name that was asked for."""
    short = reply.short
    if short is None:
        return txt_in(reply.message, reply.ask.question.name)
    return RRset(frozenset(text.decode("latin-1") for text in short.texts), short.ttl)


def txt_in(message: dns.message.Message, owner: Name) -> RRset:
    """The TXT values of ``owner``, the strings of each joined without separator, as Boulder joins them."""
    rrs = rrs_in(message.answer, owner, RdataType.TXT)
    values = frozenset(b"".join(rdata.strings).decode("latin-1") for rr in rrs for rdata in rr)
    return RRset(values, max((rr.ttl for rr in rrs), default=0))


def is_signed(message: dns.message.Message, owner: Name, covers: RdataType = RdataType.TXT) -> bool:
    """Whether an RRSIG over an RRset of ``owner`` came with it, by default over its TXT."""
    return bool(rrsigs_in(message, owner, covers))


def rrsigs_in(message: dns.message.Message, owner: Name, covers: RdataType = RdataType.TXT) -> list[Any]:
    """The RRSIGs over an RRset of ``owner`` that came with it, by default over its TXT."""
    return [rdata for rdata in rdatas_in(message.answer, owner, RdataType.RRSIG) if rdata.type_covered == covers]


def soa_in(message: dns.message.Message, owner: Name) -> dns.rrset.RRset | None:
    """The SOA of the zone that ``owner`` lies in, from the answer or from a negative answer's authority section."""
    # Behind an alias the authority section speaks of its target (RFC 2308 section 2.1).
    is_alias = any(r.rdtype == RdataType.CNAME for r in message.answer)
    section = message.answer if is_alias else (*message.answer, *message.authority)
    return next((r for r in section if r.rdtype == RdataType.SOA and owner.is_subdomain(r.name)), None)


def negative_ttl(soa: dns.rrset.RRset) -> int:
    """Seconds that a resolver keeps a negative answer with this SOA (RFC 2308 section 5)."""
    return int(min(soa.ttl, soa[0].minimum))


def referral_in(message: dns.message.Message, above: Name, owner: Name) -> tuple[Name, list[Name]] | None:
    """The zone cut below ``above`` on the way to ``owner``, and its servers; None when this is no such referral."""
    if message.answer or message.rcode() != 0 or soa_in(message, owner) is not None:
        return None
    for rr in message.authority:
        is_below = rr.rdtype == RdataType.NS and rr.name != above and rr.name.is_subdomain(above)
        if is_below and owner.is_subdomain(rr.name):
            return rr.name, [rdata.target for rdata in rdatas_in(message.authority, rr.name, RdataType.NS)]
    return None


def addresses_at_end(reply: Reply) -> list[str]:
    """The addresses of the name that was asked for, at the end of its aliases.

    :raises LookupFailed: as :func:`alias_in`.
    """
    if reply.short is not None:
        return list(reply.short.addresses)
    return addresses_in(reply.message.answer, end_of_alias(reply.message, reply.ask.question.name))


def addresses_in(section: Section, host: Name) -> list[str]:
    """The addresses of ``host``, IPv4 first."""
    return [rdata.address for rdtype in (RdataType.A, RdataType.AAAA) for rdata in rdatas_in(section, host, rdtype)]
