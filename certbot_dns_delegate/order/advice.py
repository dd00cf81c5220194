"""What to do about a server that does not serve the values: the advice that fits what it showed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from dns.name import Name, NameTooLong
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.message import Question, dig
from certbot_dns_delegate.model import Sighting
from certbot_dns_delegate.order.memory import State
from certbot_dns_delegate.order.watcher import Watcher
from certbot_dns_delegate.text import show
from certbot_dns_delegate.timing import DOUBTFUL_PASSES

FOREIGN = {"certbot-plugin", "lexicon", "exec"}
"""Other people's code, of which we see only that it said yes."""
KEEPS_ONE = {"httpreq", "exec"}
"""Services that may keep one value at a name, which ``single_value`` says."""
HOSTED = {"desec", "cloudflare"}
"""Services that bring the values to servers that nobody else can look into."""


@dataclass(frozen=True)
class Case:
    """One server that holds up the CA, and what is known around it."""

    watcher: Watcher
    beside: Sequence[Watcher]
    """All servers of its zone."""
    provider: str
    """The kind of service that wrote the values; empty where that is not known."""
    serials: Mapping[object, int]
    """The SOA serial that each server has now."""

    @cached_property
    def sighting(self) -> Sighting | None:
        """What it showed last of an owner whose values are missing."""
        missing = self.watcher.missing()
        return next((self.watcher.sightings[owner] for owner in missing if owner in self.watcher.sightings), None)

    @property
    def owner(self) -> Name:
        """The owner whose values are missing, or any where none is."""
        return self.sighting.owner if self.sighting else next(iter(self.watcher.values))

    def dig(self, *options: str, rdtype: RdataType = RdataType.TXT, name: Name | None = None) -> str:
        """The command that asks the server again."""
        return dig(Question(name or self.owner, rdtype), *options, server=self.watcher.server)


def advice(case: Case) -> str:
    """What to do, ready to paste; the first that fits, the surest first."""
    return next(text for each in CASES if (text := each(case)))


def _resolver(case: Case) -> str:
    if not case.watcher.recursive:
        return ""
    seen = case.sighting
    left_s = (seen.rrset.ttl if seen.rrset.values else seen.negative_ttl) if seen else 0
    until = f" for {left_s} s more" if left_s else ""
    return (
        f"{case.watcher.server} is a resolver, and may remember an answer from before{until} (of a name without records"
        f" the zone's negative TTL, the SOA minimum): order again later, or set a longer timeout: {case.dig()}"
    )


def _tcp(case: Case) -> str:
    if case.watcher.state is not State.NO_TCP:
        return ""
    return (
        f"open TCP port 53 of {case.watcher.server}, and of this host's firewall on the way there; the answer is longer"
        f" than the 512 octets that some CAs' resolvers take by UDP: {case.dig('+tcp', '+norec')}"
    )


def _signature(case: Case) -> str:
    if case.watcher.state is State.UNSIGNED:
        soa = case.dig("+dnssec", rdtype=RdataType.SOA, name=case.watcher.zone)
        return f"the parent has a DS, so signatures are needed: {soa}"
    if case.watcher.state is State.EXPIRED:
        return (
            "sign the zone again, or correct this host's clock (date -u): the RRSIG's validity period is over, or has"
            f" not begun: {case.dig('+dnssec', '+norec')}"
        )
    return ""


def _gone(case: Case) -> str:
    if not case.watcher.state.is_away:
        return ""
    return (
        f"{case.watcher.server} answered without the values before it went away, and a resolver meets it again when it"
        f" is back: start it, or take it out of the zone's NS records: {case.dig('+norec')}"
    )


def _replaced(case: Case) -> str:
    ours = case.watcher.values[case.owner]
    seen = case.sighting.rrset.values if case.sighting else frozenset()
    if case.provider not in FOREIGN | KEEPS_ONE or not ours & seen:
        return ""
    setting = "set single_value = true in the delegate's section, and " if case.provider in KEEPS_ONE else ""
    return (
        f"one value of this order has replaced another at {show(case.owner)}: the service keeps one value at a name;"
        f" {setting}order the name and its wildcard in two certificates"
    )


def _other_zone(case: Case) -> str:
    apex = case.sighting.apex if case.sighting else None
    zone, server = case.watcher.zone, case.watcher.server
    if apex is None or apex == zone:
        return ""
    soa = case.dig("+norec", rdtype=RdataType.SOA, name=zone)
    if apex.is_subdomain(zone):
        return f"{server} has a zone of its own at {show(apex)}, below {show(zone)}: delegate it, or remove it: {soa}"
    return (
        f"{server} answers from the zone {show(apex)}, so it does not have {show(zone)}: set {show(zone)} up there as a"
        f" secondary, or take it out of the NS records of {show(zone)}, at the parent too: {soa}"
    )


def _view(case: Case) -> str:
    watcher = case.watcher
    if not watcher.was_read_back or watcher.state is not State.LAGGING or watcher.needed > 2 * DOUBTFUL_PASSES:
        return ""
    return (
        f"{case.watcher.server} showed the values to the connection that wrote them, with the key where sign_query is"
        " set, and does not show them to a question like a CA's: they are in another view, or on another machine behind"
        f" its address; write with the key of the view that the world sees (BIND: match-clients): {case.dig('+norec')}"
    )


def _changes(case: Case) -> str:
    if case.watcher.needed <= max(DOUBTFUL_PASSES, case.watcher.passes):
        return ""
    return (
        f"{case.watcher.server} answers now with the values and now without: several machines share its address, and"
        f" one of them lags: compare their serials, each asked at its own address for {show(case.watcher.zone)} SOA"
    )


def _two_primaries(case: Case) -> str:
    # As it was when the values were missing: it may have caught up just now.
    mine = case.sighting.serial if case.sighting and case.sighting.serial else case.serials.get(case.watcher.server)
    for other in case.beside:
        theirs = case.serials.get(other.server)
        if other.state is not State.READY or mine is None or theirs is None:
            continue
        # RFC 1982: a secondary is behind its primary, or has the same.
        if (mine - theirs) % 2**32 < 2**31:
            return (
                f"{case.watcher.server} has the serial {mine} and {other.server}, which serves the values, {theirs}: it"
                " is not behind, so it does not copy the zone from there: two primaries, or a zone file of its own;"
                f" make one of them the other's secondary: {_soa(case)}"
            )
    return ""


def _elsewhere(case: Case) -> str:
    is_seen = any(
        sighting.rrset.values & watcher.values[sighting.owner]
        for watcher in case.beside
        for sighting in watcher.sightings.values()
    )
    if case.provider not in FOREIGN or is_seen:
        return ""
    try:
        prefixed = Name([b"_acme-challenge", *case.owner.labels])
    except NameTooLong:
        prefixed = case.owner
    who = {"certbot-plugin": "plugin", "exec": "program"}.get(case.provider, "service")
    return (
        f"the {who} said yes, and no server shows the value: it may have written elsewhere, at"
        f" {show(prefixed)} or in the parent zone: {case.dig('+norec', name=prefixed)}"
    )


def _acme_dns(case: Case) -> str:
    if case.provider != "acme-dns":
        return ""
    return (
        "acme-dns answers from its database, without delay and without secondaries, so"
        f" {case.watcher.server} is not the server of the section's url, or has another database: {case.dig('+norec')}"
    )


def _standalone(case: Case) -> str:
    if case.provider != "standalone":
        return ""
    zone = case.watcher.zone
    return (
        f"this host alone answers for {show(zone)} while an order runs: take {case.watcher.server} out of its NS"
        f" records at the parent: {dig(Question(zone, RdataType.NS), '+trace')}"
    )


def _hosted(case: Case) -> str:
    if case.provider not in HOSTED | FOREIGN:
        return ""
    return (
        f"the service has not brought the values to {case.watcher.server} in this time: set a longer timeout in the"
        f" delegate's section: {case.dig('+norec')}"
    )


def _lags(case: Case) -> str:
    return (
        f"compare the serials: {_soa(case)}; a secondary that lags needs NOTIFY from"
        " its primary (BIND: notify-delay 0, also-notify), or a longer timeout"
    )


def _soa(case: Case) -> str:
    return case.dig("+norec", rdtype=RdataType.SOA, name=case.watcher.zone)


CASES: tuple[Callable[[Case], str], ...] = (
    _resolver,
    _tcp,
    _signature,
    _gone,
    _replaced,
    _other_zone,
    _view,
    _changes,
    _elsewhere,
    _acme_dns,
    _standalone,
    _hosted,
    _two_primaries,
    _lags,
)


def cases(watchers: Sequence[Watcher], providers: Mapping[Name, str], serials: Mapping[object, int]) -> Iterator[Case]:
    """One for each server that holds up the CA.

    :param providers: the kind of service that wrote into each zone.
    """
    for watcher in watchers:
        if watcher.blocks:
            beside = [other for other in watchers if other.zone == watcher.zone]
            yield Case(watcher, beside, providers.get(watcher.zone, ""), serials)
