"""What the servers of a name's own zone say of its alias, beside what a resolver says or still remembers."""

from dataclasses import dataclass, replace
from functools import partial

import dns.rcode
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import alias_in, negative_ttl, soa_in, txt_in
from certbot_dns_delegate.lookup.cut import Allowance, Cut, Inquiry
from certbot_dns_delegate.lookup.message import Question, Reply
from certbot_dns_delegate.lookup.step import Step, call, hear, resolve
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Server, Zone
from certbot_dns_delegate.text import listed, show
from certbot_dns_delegate.threads import pause

A_SECOND_S = 1.1
"""After it, what a resolver remembers has a lower TTL: these are whole seconds."""

Link = tuple[Name, bool]
"""A CNAME's target, and whether a DNAME made it."""


@dataclass(frozen=True)
class Origin:
    """What the servers of a zone say of the CNAME at one owner."""

    owner: Name
    zone: Zone
    replies: tuple[Reply, ...]
    """Those with authority."""
    has_texts: bool = False
    """Whether it has TXT records of its own and no CNAME, so that none can be added (RFC 1034 section 3.6.2)."""

    @property
    def links(self) -> dict[Server, Link | None]:
        """The CNAME by each server.

        :raises LookupFailed: where one has several.
        """
        return {reply.ask.server: alias_in(reply.message, self.owner) for reply in self.replies}

    @property
    def is_without(self) -> bool:
        """Whether every server that answers has none."""
        return not any(self.links.values())

    @property
    def exists(self) -> bool:
        """Whether a server knows the name."""
        return any(reply.message.rcode() != dns.rcode.NXDOMAIN for reply in self.replies)

    @property
    def denied_by(self) -> Name | None:
        """The zone whose SOA came with "no such name"."""
        return None if self.exists else self.zone.apex

    @property
    def only(self) -> Link | None:
        """The CNAME that every server has that answers; None where they do not agree."""
        links = set(self.links.values())
        return links.pop() if len(links) == 1 else None

    def __str__(self) -> str:
        by_link: dict[str, list[str]] = {}
        for server, link in sorted(self.links.items()):
            shown = "no CNAME" if link is None else f"CNAME {show(link[0])}"
            by_link.setdefault(shown, []).append(str(server))
        return "; ".join(f"{listed(servers)}: {shown}" for shown, servers in by_link.items())


def origin_of(owner: Name, zones: Zones) -> Step[Origin | None]:
    """What the servers of the owner's zone say; None where none of them can be asked from here.

    No resolver is asked about the owner, so none remembers that there is nothing.
    """
    try:
        found = yield from zones.look(owner, owner)
        zone = yield from zones.determine(found)
    except LookupFailed:
        return None
    cut, allowance = Cut(zone.apex, zone.servers), Allowance(zones.budget)
    (answers,) = yield from hear(Inquiry(cut, Question(owner, RdataType.CNAME), allowance, of_all=True))
    replies = tuple(reply for reply in answers.replies if reply.is_authoritative)
    if not replies:
        return None
    origin = Origin(owner, zone, replies)
    if not (origin.is_without and txt_in(found.reply.message, owner).values):
        return origin
    return replace(origin, has_texts=(yield from zones.types_behind(found)) is None)


def remembered(origin: Origin, said: Reply) -> Step[str]:
    """Why a resolver may say "no" where every server of the zone has the CNAME: it remembers an older answer.

    :param said: the resolver's answer.
    :returns: a sentence for a warning.
    :raises LookupFailed: when it is no memory, but another view of the DNS.
    """
    owner, resolver = origin.owner, said.ask.server
    ttl_s, full_s = _left_s(said), origin.zone.negative_ttl
    if ttl_s is None or ttl_s >= full_s:
        # It may have looked just now; what it remembers grows older.
        yield from call(partial(pause, A_SECOND_S))
        again = (yield from resolve([(owner, RdataType.CNAME)]))[owner, RdataType.CNAME]
        left_s = _left_s(again) if isinstance(again, Reply) and alias_in(again.message, owner) is None else 0
        if ttl_s is None or left_s is None or left_s >= ttl_s:
            raise LookupFailed(
                f"{show(owner)} has two views: {resolver} says that it has no CNAME; {origin}",
                "name resolvers that see the public view, which the CA sees, or set the target in [overrides]",
            )
        ttl_s = left_s
    shown = f"{resolver} still remembers that {show(owner)} has no CNAME, for {ttl_s} s at most"
    return f"{shown}; the servers of {show(origin.zone.apex)} have it, and these a CA asks ({origin})"


def disagreement(origin: Origin, said: Reply | None) -> LookupFailed:
    """The error where some servers of the zone have the CNAME and others do not.

    :param said: a resolver's answer, where one was asked.
    """
    ttl_s = None if said is None else _left_s(said)
    memory = f"; {said.ask.server} remembers for {ttl_s} s more that there is none" if said and ttl_s else ""
    return LookupFailed(
        f"the servers of {show(origin.zone.apex)} do not agree about {show(origin.owner)}: {origin}{memory}",
        "wait until they do: the secondary servers need NOTIFY from the primary, or their SOA refresh time",
    )


def _left_s(said: Reply) -> int | None:
    """Seconds for which a resolver remembers its negative answer; None where it does not say."""
    soa = soa_in(said.message, said.ask.question.name)
    return None if soa is None else min(int(soa.ttl), negative_ttl(soa))
