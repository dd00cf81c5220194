"""The servers of a target's zone, each by its address: reachable, authoritative, in step, signing."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.lookup.answer import is_signed, rdatas_in, soa_in, txt_in
from certbot_dns_delegate.lookup.cut import Cut
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question, Reply, dig
from certbot_dns_delegate.model import About, Askable, Server, Target, Zone
from certbot_dns_delegate.order.report import unasked
from certbot_dns_delegate.settings.delegates import Delegate, Dnssec
from certbot_dns_delegate.text import listed, plain, show, show_all
from certbot_dns_delegate.timing import AS_CERTBOT, PATIENCE, Watch

MOST_WELL = 26
"""Servers that are named where all are well: as many addresses as the root has."""
LONG_NEGATIVE_S = 60
"""Seconds; with more, a resolver that asked too early causes failures for a noticeable time."""


@dataclass(frozen=True)
class Look:
    """What one server answered."""

    udp: Outcome
    tcp: Outcome
    target: Outcome


def look(survey: Survey, delegate: Delegate, target: Target) -> Iterator[Finding]:
    """Everything about the zone of a target."""
    zone, apex = target.zone, show(target.zone.apex)
    if delegate.watch is Watch.RESOLVERS:
        seen = "not checked: with watch = resolvers only resolvers are asked"
        yield Finding(Verdict.NOTE, apex, "servers", seen)
        return
    looks = ask(sorted(zone.servers), zone.apex, target.owner)
    yield reachable(apex, looks) if looks else _unwatched(delegate, zone)
    yield from _in_step(apex, target, looks)
    if not delegate.is_self_contained:
        try:
            cut = survey.zones.find(target.owner, delegate.suffix or zone.apex).cut
            yield from _delegation(survey, target, cut)
        except DelegateError as error:
            yield from Finding.each_of(error, apex, "delegation", Verdict.WARN)
    yield from _lives_where_configured(delegate, target, looks)
    yield _negative(apex, zone.negative_ttl, delegate.provider)
    yield from _doubts(target)
    if zone.is_signed and not any(doubt.about is About.DNSSEC for doubt in zone.doubts):
        yield _signed(delegate, target, looks)


def _unwatched(delegate: Delegate, zone: Zone) -> Finding:
    """What an order goes by, where it looks at no server."""
    apex = show(zone.apex)
    if zone.askable is Askable.NOBODY:
        wait = f"an order waits {AS_CERTBOT.total_seconds():.0f} s instead, as certbot-dns-rfc2136 does"
        hint = f"{delegate.spelling.of('watch')} = server ends that"
        return Finding(Verdict.WARN, apex, "servers", f"{unasked(zone)}: {wait}", hint)
    if zone.askable is Askable.WRITER:
        seen = "the server that takes the updates shows the zone to the key; an order asks it, and nobody else"
    elif delegate.watch is Watch.NONE:
        seen = "not checked: with watch = none nobody is asked"
    else:
        seen = "not checked: with watch = server only the server that takes the updates is asked"
    return Finding(Verdict.NOTE, apex, "servers", seen)


def ask(servers: Sequence[Server], apex: Name, owner: Name) -> dict[Server, Look]:
    """All questions to all servers at once."""
    mixed = dns.name.Name([_mixed(label) for label in apex.labels])
    soa, txt = Question(mixed, RdataType.SOA, dnssec_ok=True), Question(owner, RdataType.TXT, dnssec_ok=True)
    asks = {
        (server, part): ask
        for server in servers
        for part, ask in (("udp", Ask(server, soa)), ("tcp", Ask(server, soa, 0.0, True)), ("target", Ask(server, txt)))
    }
    outcomes = {id(outcome.ask): outcome for outcome in exchange(asks.values(), PATIENCE.total_seconds())}
    return {
        server: Look(*(outcomes[id(asks[server, part])] for part in ("udp", "tcp", "target"))) for server in servers
    }


def _mixed(label: bytes) -> bytes:
    """Upper and lower case in turn, as resolvers send names to recognise forged replies (0x20)."""
    return bytes(c ^ 0x20 if i % 2 == 0 and chr(c).isalpha() and c < 128 else c for i, c in enumerate(label))


def reachable(apex: str, looks: dict[Server, Look]) -> Finding:
    """Whether each server is of use to a CA's resolver."""
    problems: dict[str, list[str]] = defaultdict(list)
    well = []
    for server, each in looks.items():
        found = list(_problems(each))
        for problem in found:
            problems[problem].append(str(server))
        if not found:
            well.append(str(server))
    if not problems:
        return Finding(
            Verdict.OK,
            apex,
            "servers",
            f"{listed(well, most=MOST_WELL)}: answer by UDP and TCP, with authority, and keep the case of the query",
        )
    told = "; ".join(f"{listed(servers)}: {problem}" for problem, servers in problems.items())
    if not any(isinstance(outcome, Reply) for each in looks.values() for outcome in (each.udp, each.target)):
        hint = "if outbound port 53 is blocked here, set watch = resolvers in the delegate's section"
        return Finding(Verdict.FAIL, apex, "servers", f"no server answers: {told}", hint)
    verdict = Verdict.WARN if any(map(_is_usable, looks.values())) else Verdict.FAIL
    hint = "a CA may ask any of them, by UDP and by TCP: open port 53 for both, and load the zone on each"
    return Finding(verdict, apex, "servers", told, hint)


def _is_usable(look: Look) -> bool:
    """Whether an order could see there what the zone serves."""
    return isinstance(look.target, Reply) and look.target.is_authoritative and not look.target.complaint


def _problems(look: Look) -> Iterator[str]:
    if not isinstance(look.udp, Reply):
        yield f"{look.udp.reason} on UDP and TCP"
        return
    if look.udp.transport != "udp":
        yield "no answer by UDP"
    if not isinstance(look.tcp, Reply):
        yield f"{look.tcp.reason} by TCP"
    if look.udp.rcode != "NOERROR":
        yield f"{look.udp.rcode} to SOA"
    elif not look.udp.is_authoritative:
        yield "no authority (lame)"
    if look.udp.rcode == "NOERROR" and not look.udp.keeps_case:
        yield "changes the case of the query name; resolvers that use 0x20 then take the reply for a forgery"


def _answers(looks: dict[Server, Look]) -> dict[Server, Reply]:
    """Answers with authority about the target."""
    return {
        server: each.target
        for server, each in looks.items()
        if isinstance(each.target, Reply) and each.target.is_authoritative
    }


def _in_step(apex: str, target: Target, looks: dict[Server, Look]) -> Iterator[Finding]:
    texts: dict[frozenset[str], list[str]] = defaultdict(list)
    for server, reply in _answers(looks).items():
        texts[txt_in(reply.message, target.owner).values].append(str(server))
    serials: dict[int, list[str]] = defaultdict(list)
    for server, each in looks.items():
        soa = soa_in(each.udp.message, target.zone.apex) if isinstance(each.udp, Reply) else None
        if soa is not None:
            serials[soa[0].serial].append(str(server))
    told = "; ".join(f"{listed(servers)}: serial {serial}" for serial, servers in serials.items())
    if len(texts) > 1:
        differ = "; ".join(f"{listed(servers)}: {len(values)} TXT" for values, servers in texts.items())
        hint = "let the primary send NOTIFY to its secondaries (BIND: notify-delay 0, also-notify)"
        seen = f"different answers for {show(target.owner)}: {differ} ({told})"
        yield Finding(Verdict.WARN, apex, "in step", seen, hint)
    elif len(serials) > 1:
        yield Finding(Verdict.NOTE, apex, "in step", f"same answers, different serials: {told}")


def _delegation(survey: Survey, target: Target, cut: Cut) -> Iterator[Finding]:
    """Parent and child should name the same servers."""
    apex = show(target.zone.apex)
    if cut.apex != target.zone.apex or cut.parent is None:
        return  # its servers hold the parent too, and never show where the cut is
    parent = _hosts(survey, cut.parent, target.zone.apex)
    child = _hosts(survey, Cut(target.zone.apex, target.zone.servers), target.zone.apex)
    if parent != child:
        only = [f"only the parent has {listed(sorted(parent - child))}"] if parent - child else []
        only += [f"only the zone itself has {listed(sorted(child - parent))}"] if child - parent else []
        hint = f"make the NS records of {apex} in the zone itself and in {show(cut.parent.apex)} the same"
        yield Finding(Verdict.WARN, apex, "delegation", f"the NS sets differ: {'; '.join(only)}", hint)


def _hosts(survey: Survey, cut: Cut, apex: Name) -> set[str]:
    """The NS set of ``apex`` as the servers of one side of its zone cut have it; the parent's is in a referral."""
    message = survey.zones.ask(cut, Question(apex, RdataType.NS)).message
    rdatas = rdatas_in([*message.answer, *message.authority], apex, RdataType.NS)
    return {plain(rdata.target) for rdata in rdatas}


def _lives_where_configured(delegate: Delegate, target: Target, looks: dict[Server, Look]) -> Iterator[Finding]:
    if delegate.zone is None:
        return
    real = {soa.name for r in _answers(looks).values() if (soa := soa_in(r.message, target.owner)) is not None}
    if real - {target.zone.apex}:
        yield Finding(
            Verdict.FAIL,
            f"[{delegate.title}]",
            "zone",
            f"zone = {show(delegate.zone)}, but the servers have {show(target.owner)} in {show_all(real)}",
            f"{delegate.setting('zone', plain(min(real)))}, or leave it out",
        )


def _negative(apex: str, seconds: int, provider: str) -> Finding:
    if seconds <= LONG_NEGATIVE_S:
        return Finding(Verdict.OK, apex, "negative TTL", f"{seconds} s")
    if provider == "acme-dns":
        seen = f"{seconds} s, which acme-dns sets itself; no resolver is asked about a target before its value is there"
        return Finding(Verdict.OK, apex, "negative TTL", seen)
    seen = f"a resolver that asks too early remembers for {seconds} s that there is no value"
    return Finding(Verdict.WARN, apex, "negative TTL", seen, f"set the SOA minimum of {apex} to 60 or less")


def _doubts(target: Target) -> Iterator[Finding]:
    """What the plan found out of order, and let pass."""
    apex = show(target.zone.apex)
    for doubt in target.zone.doubts:
        yield Finding(Verdict.WARN, apex, "zone", doubt.problem, doubt.hint)
    for note in target.zone.notes:
        yield Finding(Verdict.NOTE, apex, "zone", note)


def _signed(delegate: Delegate, target: Target, looks: dict[Server, Look]) -> Finding:
    zone, apex = target.zone, show(target.zone.apex)
    # A server that refuses, fails or is lame is routed around, and reported as such.
    unsigned = [
        server
        for server, each in looks.items()
        if isinstance(each.udp, Reply)
        and each.udp.is_authoritative
        and not each.udp.complaint
        and not is_signed(each.udp.message, zone.apex, RdataType.SOA)
    ]
    if unsigned:
        seen = f"the parent has a DS, but no signature came from {listed([str(server) for server in unsigned])}"
        soa = Question(zone.apex, RdataType.SOA)
        hint = "sign the zone on every server, or remove the DS: " + dig(soa, "+dnssec", server=min(unsigned))
        is_minded = delegate.dnssec is Dnssec.CHECK and delegate.watch is Watch.AUTHORITATIVE
        return Finding(Verdict.FAIL if is_minded else Verdict.WARN, apex, "DNSSEC", seen, hint)
    return Finding(Verdict.OK, apex, "DNSSEC", "every server sends signatures, and they match the DS at the parent")
