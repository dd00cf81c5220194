"""DNSSEC of every zone on the way to a name, from the trust anchor down: what fails now, and what fails soon."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dns.dnssectypes import Algorithm, DSDigest
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.RRSIG import RRSIG

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.port53 import HERE
from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.lookup.anchor import Anchors
from certbot_dns_delegate.lookup.descent import TOP
from certbot_dns_delegate.lookup.message import Question, dig
from certbot_dns_delegate.lookup.signatures import Bogus
from certbot_dns_delegate.lookup.validator import Link, Status, Validator
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.order.plan import Planned
from certbot_dns_delegate.text import parse_name, show

TOPIC = "DNSSEC"
AN_HOUR_S = 3600
QUARTER = 4
"""Signers renew a signature before the last quarter of its life (BIND after 64 % of it, Knot after half)."""
SHA1 = {Algorithm.RSASHA1, Algorithm.RSASHA1NSEC3SHA1}
"""Algorithms that must not be used for signing any more (RFC 9905)."""


@dataclass(frozen=True)
class Owners:
    """The names at which a CA asks for one certificate name."""

    name: str
    owners: tuple[Name, ...]
    aliases: tuple[Name, ...] = ()
    """Those that have a CNAME of their own."""

    @classmethod
    def of(cls, name: str, identifier: str, start: Name, planned: Planned | None) -> "Owners":
        """The certified name, for CAA, and the chain as far as it is known."""
        chain = [] if planned is None else planned.chain.aliases
        aliases = tuple(alias.owner for alias in chain if not alias.is_dname)
        return cls(name, (parse_name(identifier), start, *(alias.target for alias in chain)), aliases)


@dataclass(frozen=True)
class Ways:
    """What was found on the ways to some names."""

    dependent: Mapping[str, list[str]]
    """The names that depend on each zone."""
    links: Mapping[Name, Link]
    """The zones by their apexes."""
    findings: Sequence[Finding]


def look(zones: Zones, anchors: Anchors, ways: Sequence[Owners], *, is_signed: bool) -> Ways:
    """The zones on all ways, and the findings about them.

    :param is_signed: a zone is known to be signed, so that it matters when nothing can be validated.
    """
    trust = Validator(zones.descent, anchors)
    owners = dict.fromkeys(owner for way in ways for owner in way.owners)
    links = zones.rounds.all({owner: trust.look(owner) for owner in owners})
    dependent: dict[str, list[str]] = {}
    found: dict[Name, Link] = {}
    for way in ways:
        for owner in way.owners:
            link = links[owner]
            for each in link.way if isinstance(link, Link) else ():
                found[each.apex] = each
                dependent.setdefault(show(each.apex), []).append(way.name)
    findings = [*_about_anchor(trust, [*found.values()], is_signed=is_signed)]
    for link in found.values():
        findings += judge(link, anchors)
    return Ways(dependent, found, [*findings, *_about_records(zones, trust, ways, links)])


def judge(link: Link, anchors: Anchors) -> Iterator[Finding]:
    """What there is to say of one zone; of the root and top-level domains only what fails."""
    apex = show(link.apex)
    if link.status is Status.BOGUS:
        seen = f"{apex} does not validate, so a CA must refuse every name below: {link.why}"
        yield Finding(Verdict.FAIL, apex, TOPIC, seen, dig(Question(link.apex, RdataType.SOA), program="delv"))
    elif link.status is Status.INDETERMINATE and link.above is not None:
        yield Finding(Verdict.NOTE, apex, TOPIC, f"whether it validates cannot be seen from here: {link.why}")
    elif link.status is Status.SECURE and len(link.apex) > TOP:
        top = [*link.way][-1].apex
        source = f"the trust anchor of {show(top)}" if top in anchors.digests else f"the keys that {show(top)} shows"
        yield Finding(Verdict.OK, apex, TOPIC, f"validates from {source}")
        yield from _weak(link)
        for signature in link.signatures:
            yield from _ageing(signature, link.apex, time.time())


def _weak(link: Link) -> Iterator[Finding]:
    """SHA-1, which some systems refuse and others take for no signature at all."""
    apex = show(link.apex)
    if link.above is not None and all(ds.digest_type == DSDigest.SHA1 for ds in link.digests):
        seen = f"its DS records in {show(link.above.apex)} have SHA-1 digests alone, which some resolvers refuse"
        do = f"add the DS with SHA-256 (digest type 2) of the same key to {show(link.above.apex)}"
        yield Finding(Verdict.WARN, apex, TOPIC, seen, do)
    if weak := sorted({Algorithm(key.algorithm).name for key in link.keys} & {each.name for each in SHA1}):
        seen = f"it has keys of the algorithm {', '.join(weak)}, which uses SHA-1 (RFC 9905): some resolvers refuse it"
        yield Finding(Verdict.WARN, apex, TOPIC, seen, f"sign {apex} with algorithm 13 (ECDSAP256SHA256)")


def _ageing(signature: RRSIG, owner: Name, now: float) -> Iterator[Finding]:
    """A signature that its signer should have renewed."""
    life_s, left_s = signature.expiration - signature.inception, signature.expiration - now
    if len(signature.signer) <= TOP or left_s * QUARTER >= life_s:
        return
    ends = datetime.fromtimestamp(signature.expiration, UTC)
    left, life = timedelta(seconds=int(left_s)), timedelta(seconds=life_s)
    kind = RdataType(signature.type_covered).name
    seen = f"the RRSIG over {kind} at {show(owner)} ends at {ends:%Y-%m-%d %H:%M} UTC: {left} is left of {life}"
    do = f"see whether the signer of {show(signature.signer)} still works: it should have renewed this signature"
    yield Finding(Verdict.FAIL if left_s < AN_HOUR_S else Verdict.WARN, show(signature.signer), TOPIC, seen, do)


def _about_records(
    zones: Zones, trust: Validator, ways: Sequence[Owners], links: Mapping[Name, Link | DelegateError]
) -> Iterator[Finding]:
    """The signatures over the CNAME records on the way, and over the CAA records of the names themselves."""
    records = dict.fromkeys((owner, RdataType.CNAME) for way in ways for owner in way.aliases)
    records |= dict.fromkeys((way.owners[0], RdataType.CAA) for way in ways)
    at = {key: link for key in records if isinstance(link := links[key[0]], Link) and link.status is Status.SECURE}
    signatures = zones.rounds.all({key: trust.signature(link, *key) for key, link in at.items()})
    for (owner, rdtype), signature in signatures.items():
        if isinstance(signature, RRSIG):
            yield from _ageing(signature, owner, time.time())
        elif isinstance(signature, Bogus):
            seen = f"the {rdtype.name} record of {show(owner)} does not validate, so a CA must refuse: {signature}"
            do = dig(Question(owner, rdtype), program="delv")
            yield Finding(Verdict.FAIL, show(at[owner, rdtype].apex), TOPIC, seen, do)


def _about_anchor(trust: Validator, links: Sequence[Link], *, is_signed: bool) -> Iterator[Finding]:
    """Of a trust anchor that is of no use, and of a zone at the top that cannot be validated."""
    tops = [link for link in links if link.above is None]
    is_signed = is_signed or any(link.status is Status.SECURE and len(link.apex) > TOP for link in links)
    for top in tops if is_signed else ():
        apex = show(top.apex)
        if top.status is Status.SECURE and top.apex in trust.outdated:
            seen = f"{trust.anchors.source} has no key that signs what the servers of {apex} show"
            do = f"update it, or choose another with --trust-anchor FILE: {dig(Question(top.apex, RdataType.DNSKEY))}"
            yield Finding(Verdict.WARN, HERE, "trust anchor", f"{seen}: it is outdated, or not for this network", do)
        elif top.status is Status.SECURE and trust.anchors.problem:
            do = "install the package dns-root-data (Debian, Ubuntu) or unbound-libs (RHEL), or --trust-anchor FILE"
            yield Finding(Verdict.NOTE, HERE, "trust anchor", trust.anchors.problem, do)
        elif top.status is Status.INSECURE:
            yield Finding(Verdict.NOTE, apex, TOPIC, "its servers show no DNSKEY, so nothing is validated from there")
        elif top.status is Status.INDETERMINATE:
            yield Finding(Verdict.NOTE, apex, TOPIC, f"nothing is validated from there: {top.why}")
