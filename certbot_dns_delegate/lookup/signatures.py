"""Whether a signed zone validates, from the parent's DS on (RFC 4035 section 5), without asking a resolver about it."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dns.exception
import dns.rrset
from dns.dnssectypes import Algorithm, DSDigest
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.RRSIG import RRSIG

from certbot_dns_delegate.lookup.answer import rdatas_in
from certbot_dns_delegate.lookup.cut import Allowance, Answers, Cut, Inquiry
from certbot_dns_delegate.lookup.message import Question, Reply, dig
from certbot_dns_delegate.lookup.step import Step, hear
from certbot_dns_delegate.model import About, Doubt, Server
from certbot_dns_delegate.text import listed, show

ALGORITHMS = {
    Algorithm.RSASHA1,
    Algorithm.RSASHA1NSEC3SHA1,
    Algorithm.RSASHA256,
    Algorithm.RSASHA512,
    Algorithm.ECDSAP256SHA256,
    Algorithm.ECDSAP384SHA384,
    Algorithm.ED25519,
    Algorithm.ED448,
}
"""What resolvers validate (RFC 8624 section 3.1); a zone that is signed with others alone is unsigned to them."""
DIGESTS = {DSDigest.SHA1, DSDigest.SHA256, DSDigest.SHA384}
"""The same for the digests of DS records (RFC 8624 section 3.3)."""
MOST_KEYS = 16
"""DNSKEY records that are tried, and RRSIGs of one RRset: a hostile zone could hold thousands (CVE-2023-50387)."""
EARLIEST = 1764547200
"""Seconds since the epoch: December 2025. A clock that shows less has not been set."""


class Bogus(Exception):
    """Why a resolver that validates refuses what a server sends."""


class OutOfTime(Bogus):
    """... and it is a matter of the clock."""


class Unknown(Exception):
    """A signature that cannot be computed here: it proves nothing."""


@dataclass(frozen=True)
class Validation:
    """What came of the validation."""

    is_signed: bool
    """Resolvers insist on signatures."""
    doubts: tuple[Doubt, ...] = ()
    notes: tuple[str, ...] = ()
    is_in_time: bool = True
    """This host's clock can be believed."""


def examine(cut: Cut, digests: Sequence[DS], allowance: Allowance) -> Step[Validation]:
    """Validate what each server of a zone sends: one chain that is valid is enough, at one server at least.

    :param cut: the zone, its servers and its parent.
    :param digests: the parent's DS RRset.
    """
    apex, usable = cut.apex, usable_digests(digests)
    if not usable:
        seen = f"{show(apex)} has DS records with algorithms or digests alone that resolvers do not know: it counts as"
        return Validation(is_signed=False, notes=(f"{seen} unsigned (RFC 4035 section 5.2)",))
    kinds = (RdataType.DNSKEY, RdataType.SOA)
    asked = [Inquiry(cut, Question(apex, kind, dnssec_ok=True), allowance, of_all=True) for kind in kinds]
    keys, soas = yield from hear(*asked)
    by_server = {reply.ask.server: reply for reply in soas.replies if reply.is_authoritative}
    bogus: dict[Server, Bogus] = {}
    valid = []
    for reply in keys.replies:
        server = reply.ask.server
        if not reply.is_authoritative or server not in by_server:
            continue
        try:
            validate(apex, usable, reply, by_server[server], time.time())
            valid.append(server)
        except Bogus as why:
            bogus[server] = why
        except Unknown:
            continue
    hint = f"{dig(Question(apex, RdataType.SOA), program='delv')}; compare the DS at the parent with the zone's DNSKEY"
    reasons: dict[str, list[str]] = defaultdict(list)
    for server, fault in sorted(bogus.items()):
        reasons[str(fault)].append(str(server))
    seen = "; ".join(f"{listed(servers)}: {reason}" for reason, servers in reasons.items())
    if valid and bogus:
        return Validation(True, notes=(f"{show(apex)} does not validate at every server, others are asked: {seen}",))
    if valid:
        return Validation(True)
    if not bogus:
        return Validation(
            True, notes=(f"whether {show(apex)} validates cannot be seen from here: {_silence(keys, soas)}",)
        )
    problem = f"{show(apex)} does not validate, so resolvers refuse what it serves: {seen}"
    if all(isinstance(fault, OutOfTime) for fault in bogus.values()) and not (
        yield from _is_clock_right(cut, allowance)
    ):
        return Validation(True, notes=(f"{problem}; but the clock of this host seems to be wrong",), is_in_time=False)
    return Validation(True, (Doubt(About.DNSSEC, problem, hint),))


def usable_digests(digests: Iterable[DS]) -> list[DS]:
    """The DS records that a resolver goes by: known algorithms and digests, no SHA-1 beside others (RFC 4509 3)."""
    known = [ds for ds in digests if ds.algorithm in ALGORITHMS and ds.digest_type in DIGESTS]
    better = [ds for ds in known if ds.digest_type != DSDigest.SHA1]
    return better or known


def validate(
    apex: Name, digests: Sequence[DS], key_reply: Reply, soa_reply: Reply, now: float
) -> tuple[list[DNSKEY], list[RRSIG]]:
    """Check that keys which the DS names sign the zone's keys, and that these sign its SOA.

    :param now: seconds since the epoch.
    :returns: the zone's keys, and the signatures that show it.
    :raises Bogus: when they do not.
    :raises Unknown: when that cannot be computed here.
    """
    answer = key_reply.message.answer
    keys = [key for key in rdatas_in(answer, apex, RdataType.DNSKEY) if key.protocol == 3][:MOST_KEYS]
    if not keys:
        raise Bogus("it shows no DNSKEY")
    trusted = [key for key in keys if any(_matches(apex, key, ds) for ds in digests)]
    if not trusted:
        raise Bogus("no DNSKEY has the digest that its DS at the parent names")
    by_digest = check(apex, RdataType.DNSKEY, answer, apex, trusted, now)
    return keys, [by_digest, check(apex, RdataType.SOA, soa_reply.message.answer, apex, keys, now)]


def _matches(apex: Name, key: DNSKEY, ds: DS) -> bool:
    import dns.dnssec  # 15 ms that only a signed zone costs

    if dns.dnssec.key_id(key) != ds.key_tag or key.algorithm != ds.algorithm:
        return False
    policy = dns.dnssec.allow_all_policy
    return bool(dns.dnssec.make_ds(apex, key, ds.digest_type, policy=policy, validating=True) == ds)


def check(
    owner: Name, rdtype: RdataType, answer: list[dns.rrset.RRset], apex: Name, keys: Sequence[DNSKEY], now: float
) -> RRSIG:
    """The signature that makes an RRset valid.

    :param apex: of the zone that has signed it.
    :raises Bogus: when no signature is valid.
    :raises Unknown: when that cannot be computed here.
    """
    import dns.dnssec

    rdatas = rdatas_in(answer, owner, rdtype)
    signatures = _signatures(answer, owner, rdtype)
    if not rdatas:
        raise Bogus(f"it shows no {rdtype.name}")
    if not signatures:
        raise Bogus(f"no RRSIG over {rdtype.name}")
    rrset = dns.rrset.from_rdata_list(owner, signatures[0].original_ttl, rdatas)
    node = dns.rrset.from_rdata_list(apex, 0, keys).to_rdataset()
    worst: Exception = Bogus(f"no RRSIG over {rdtype.name} is of a key that its DS or DNSKEY RRset has")
    for signature in signatures:
        if signature.signer != apex:
            continue
        if not is_in_time(signature, now):
            when = "has expired" if is_before(signature.expiration, now) else "is not valid yet"
            worst = OutOfTime(f"the RRSIG over {rdtype.name} {when}")
            continue
        try:
            dns.dnssec.validate_rrsig(rrset, signature, {apex: node}, now=now)
        except dns.exception.ValidationFailure:
            continue
        except Exception:  # noqa: BLE001  whatever cryptography says of a strange key
            worst = Unknown()
        else:
            return signature
    raise worst


def _signatures(answer: list[dns.rrset.RRset], owner: Name, covers: RdataType) -> list[RRSIG]:
    found = [rdata for rdata in rdatas_in(answer, owner, RdataType.RRSIG) if rdata.type_covered == covers]
    return found[:MOST_KEYS]


def is_in_time(signature: RRSIG, now: float) -> bool:
    """Whether a signature is valid at this time, in seconds since the epoch."""
    return not is_before(signature.expiration, now) and not is_before(now, signature.inception)


def is_before(one: float, other: float) -> bool:
    """By serial number arithmetic (RFC 4034 section 3.1.5): the times have 32 bits."""
    return 0 < (int(other) - int(one)) % 2**32 < 2**31


def _is_clock_right(cut: Cut, allowance: Allowance) -> Step[bool]:
    """Whether this host's clock can be believed: the parent's signatures, if it has any, are in time by it too."""
    now = time.time()
    if now < EARLIEST or cut.parent is None:
        return now >= EARLIEST
    apex = cut.parent.apex
    (soas,) = yield from hear(Inquiry(cut.parent, Question(apex, RdataType.SOA, dnssec_ok=True), allowance))
    signatures = [s for reply in soas.replies for s in _signatures(reply.message.answer, apex, RdataType.SOA)]
    return not signatures or any(is_in_time(signature, now) for signature in signatures)


def _silence(*heard: Answers) -> str:
    failures = [answers.failure.problem for answers in heard if not answers.replies]
    return "; ".join(failures) or "no server answers both questions with authority"
