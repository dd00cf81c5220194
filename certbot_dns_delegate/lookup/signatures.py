"""Whether a signed zone validates, from the parent's DS on (RFC 4035 section 5), without asking a resolver about it."""

import dns.dnssec
import dns.exception
import dns.rdataclass
import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import rrs_in
from certbot_dns_delegate.lookup.cut import Asker, Cut
from certbot_dns_delegate.lookup.message import Question, dig
from certbot_dns_delegate.model import Zone
from certbot_dns_delegate.text import printable, show


def verify(asker: Asker, zone: Zone, parent: Cut) -> None:
    """Check that the zone's keys are those the parent's DS names, and that they sign its SOA.

    :raises LookupFailed: saying what does not validate.
    """
    apex = zone.apex
    cut = Cut(apex, zone.servers, parent)
    trusted = asker.ask(parent, Question(apex, RdataType.DS)).message.answer
    digests = [rdata for rr in rrs_in(trusted, apex, RdataType.DS) for rdata in rr]
    answer = asker.ask(cut, Question(apex, RdataType.DNSKEY, dnssec_ok=True)).message.answer
    keys, key_signatures = _rrset(answer, apex, RdataType.DNSKEY), _signatures(answer, apex, RdataType.DNSKEY)
    matching = [
        key
        for key in keys
        for ds in digests
        if dns.dnssec.key_id(key) == ds.key_tag and dns.dnssec.make_ds(apex, key, ds.digest_type) == ds
    ]
    hint = f"{dig(Question(apex, RdataType.SOA), program='delv')}; compare the DS at the parent with the zone's DNSKEY"
    if not matching:
        raise LookupFailed(f"no DNSKEY of {show(apex)} has the digest that its DS at the parent names", hint)
    soa = asker.ask(cut, Question(apex, RdataType.SOA, dnssec_ok=True)).message.answer
    try:
        entry = dns.rrset.from_rdata_list(apex, 0, matching)
        dns.dnssec.validate(keys, key_signatures, {apex: entry.to_rdataset()})
        dns.dnssec.validate(
            _rrset(soa, apex, RdataType.SOA), _signatures(soa, apex, RdataType.SOA), {apex: keys.to_rdataset()}
        )
    except dns.exception.DNSException as error:
        raise LookupFailed(f"{show(apex)} does not validate: {printable(str(error), 120)}", hint) from None


def _rrset(answer: list[dns.rrset.RRset], owner: Name, rdtype: RdataType) -> dns.rrset.RRset:
    found = rrs_in(answer, owner, rdtype)
    if not found:
        raise LookupFailed(f"{show(owner)} shows no {rdtype.name}", dig(Question(owner, rdtype), "+dnssec"))
    return dns.rrset.from_rdata_list(owner, found[0].ttl, [rdata for rr in found for rdata in rr])


def _signatures(answer: list[dns.rrset.RRset], owner: Name, covers: RdataType) -> dns.rrset.RRset:
    found = [r for r in answer if r.rdtype == RdataType.RRSIG and r.covers == covers and r.name == owner]
    rrset = dns.rrset.RRset(owner, dns.rdataclass.IN, RdataType.RRSIG, covers)
    rrset.update_ttl(found[0].ttl if found else 0)
    for rr in found:
        for rdata in rr:
            rrset.add(rdata)
    return rrset
