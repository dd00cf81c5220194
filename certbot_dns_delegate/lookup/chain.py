"""Follow the CNAMEs from the challenge's owner name to the target (RFC 1034 section 3.6.2)."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import ChainLoop, ChainTooLong, DelegateError, LookupFailed
from certbot_dns_delegate.lookup.answer import alias_in, alias_of, soa_in
from certbot_dns_delegate.lookup.asker import Asker
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.origin import Origin, disagreement, origin_of, remembered
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.rounds import Rounds
from certbot_dns_delegate.lookup.step import Step, call, resolve
from certbot_dns_delegate.lookup.zone import Found, Zones
from certbot_dns_delegate.model import Alias, Chain, Content
from certbot_dns_delegate.text import show

MOST_ALIASES = 8
"""CNAMEs in a row. Unbound and BIND give up beyond 11 (max-query-restarts), and a CA's limit is not published."""


Inside = Callable[[Name, Name], Step[tuple[Found | Content, Alias | None]]]
"""What is at a name inside the delegate with a suffix, and the CNAME there, if it is to be followed."""

MOST_S = 30.0
"""Seconds after which no further CNAME is followed: a slow resolver takes 8 s for a link, and few chains have three."""


@dataclass(frozen=True)
class Followed:
    """A chain, and what is at its target."""

    chain: Chain
    found: Found | Content | None
    """What the authoritative servers, or the service itself, have at the target; None outside every delegate."""
    exists: bool = True
    """Whether the target's name exists; only known for certain outside every delegate."""
    denied_by: Name | None = None
    """The zone whose SOA came with "no such name" (RFC 2308 section 2.1)."""
    has_texts: bool = False
    """Whether the target has TXT records of its own where a CNAME is missing; only known where its servers were asked.
    """


class Follower:
    """Follows chains; knows what lies inside a delegate and therefore must not be asked at a recursive resolver."""

    def __init__(
        self,
        recursive: Recursive,
        zones: Zones | None,
        suffix_of: Callable[[Name], Name | None],
        is_own: Callable[[Name, Name], bool] | None = None,
        *,
        suffix_waits: bool = False,
        inside: Inside | None = None,
        is_shy: bool = False,
        asks_origins: bool = True,
        most_s: float = MOST_S,
    ) -> None:
        """
        :param zones: asked inside the delegates; None: a chain ends where it enters one.
        :param suffix_of: the suffix of the delegate that a name lies in; None: the resolver may be asked.
        :param is_own: whether a target belongs to one start alone, so that no wildcard has made it: a question less.
        :param suffix_waits: ``suffix_of`` asks a service.
        :param inside: looks into delegates instead of ``zones``.
        :param is_shy: ask a resolver only about CNAMEs that the servers of their zone have, so that it remembers no
            "no such name".
        :param asks_origins: ask these servers too where a resolver says that there is none.
        :param most_s: seconds after which no further CNAME of a chain is followed.
        """
        self._rounds = Rounds(Asker(), recursive) if zones is None else zones.rounds
        self._suffix_of = suffix_of
        self._inside = inside or (None if zones is None else partial(authority, zones))
        self._is_own = is_own or is_made_for
        self._suffix_waits = suffix_waits
        self._zones = zones
        self._is_shy = is_shy
        self._asks_origins = asks_origins
        self._most_s = most_s

    def follow(self, start: Name) -> Followed:
        """The whole chain from ``start``.

        :raises LookupFailed: when any link cannot be looked up; that is never taken for "no CNAME".
        :raises ChainLoop, ChainTooLong: with the chain.
        """
        return self._rounds.one(self.look(start))

    def follow_all(self, starts: Iterable[Name]) -> dict[Name, Followed | DelegateError]:
        """As :meth:`follow`, for many."""
        return dict(self.each(starts))

    def each(self, starts: Iterable[Name]) -> Iterator[tuple[Name, Followed | DelegateError]]:
        """As :meth:`follow_all`, each as soon as its end is known."""
        return self._rounds.each({start: self.look(start) for start in starts})

    def look(self, start: Name) -> Step[Followed]:
        """The look-up of one chain."""
        chain, begin = Chain(start), time.monotonic()
        while True:
            suffix = yield from self._suffix(chain.target)
            if suffix is not None and self._inside is None:
                return Followed(chain, None)
            try:
                if suffix is not None and self._inside is not None:
                    found, alias = yield from self._inside(chain.target, suffix)
                    followed = Followed(chain, found)
                else:
                    followed, alias = yield from self._ask_resolver(chain)
            except LookupFailed as error:
                problem = f"{error.problem} (chain so far: {chain})" if chain.aliases else error.problem
                raise LookupFailed(problem, error.hint, addresses=error.addresses, owner=chain.target) from error
            if alias is None:
                return followed
            chain = extended(chain, alias)
            if time.monotonic() - begin > self._most_s:
                problem = f"gave up: the CNAMEs took more than {self._most_s:.0f} s so far: {chain}"
                raise LookupFailed(problem, f"let {show(start)} lead to its target directly")

    def _suffix(self, name: Name) -> Step[Name | None]:
        if self._suffix_waits:
            return (yield from call(lambda: self._suffix_of(name)))
        return self._suffix_of(name)

    def _ask_resolver(self, chain: Chain) -> Step[tuple[Followed, Alias | None]]:
        owner, origin = chain.target, None
        if self._is_shy and self._zones is not None:
            origin = yield from origin_of(owner, self._zones)
            if origin is not None and origin.is_without:
                return Followed(chain, None, origin.exists, origin.denied_by, origin.has_texts), None
            if origin is not None and origin.only is None:
                raise disagreement(origin, None)
        key = (owner, RdataType.CNAME)
        reply = (yield from resolve([key]))[key]
        if isinstance(reply, LookupFailed):
            raise reply
        link = alias_of(reply)
        if link is None:
            if self._zones is not None and self._asks_origins:
                origin = origin or (yield from origin_of(owner, self._zones))
                if origin is not None and not origin.is_without:
                    return Followed(chain, None), (yield from self._remembered(origin, reply))
            soa = soa_in(reply.message, owner) if reply.is_denied else None
            has_texts = origin is not None and origin.has_texts
            return Followed(chain, None, not reply.is_denied, soa.name if soa is not None else None, has_texts), None
        target, is_dname = link
        may_be_wildcard = not (chain.aliases or is_dname or self._is_own(owner, target))
        is_wildcard = may_be_wildcard and (yield from self._is_below_too(owner, link))
        return Followed(chain, None), Alias(owner, target, str(reply.ask.server), is_dname, is_wildcard)

    def _remembered(self, origin: Origin, reply: Reply) -> Step[Alias]:
        """The CNAME that every server of the zone has while a resolver says that there is none.

        :raises LookupFailed: when they do not agree, or the resolver sees another view.
        """
        if origin.only is None:
            raise disagreement(origin, reply)
        remark = yield from remembered(origin, reply)
        target, is_dname = origin.only
        return Alias(origin.owner, target, str(origin.replies[0].ask.server), is_dname, remark=remark)

    def _is_below_too(self, owner: Name, link: tuple[Name, bool]) -> Step[bool]:
        """Whether a name below ``owner`` that nobody chose has the same alias: a wildcard has made both."""
        below = name_below(owner)
        if below is None:
            return False
        # One try, since no value's place depends on it.
        reply = (yield from resolve([], [(below, RdataType.CNAME)])).get((below, RdataType.CNAME))
        return isinstance(reply, Reply) and alias_of(reply) == link


def authority(zones: Zones, owner: Name, suffix: Name) -> Step[tuple[Found, Alias | None]]:
    """What the authoritative servers that the world knows have at a name inside a delegate: an :data:`Inside`."""
    found = yield from zones.look(owner, suffix)
    link = alias_in(found.reply.message, owner)
    if link is None:
        return found, None
    target, is_dname = link
    below = None if is_dname else name_below(owner)
    # A TXT record at the owner stops the synthesis (RFC 4592 section 2.2.1), so this is the place to write.
    if below and alias_in((yield from zones.look(below, suffix)).reply.message, below) == link:
        return found, None
    return found, Alias(owner, target, str(found.reply.ask.server), is_dname)


def is_made_for(start: Name, target: Name) -> bool:
    """Whether a target begins with the certificate name, as ``records`` makes them: nobody gives it to a wildcard,
    which would lead every other name there too."""
    own = [label.lower() for label in start.labels[1:-1]]
    return own == [label.lower() for label in target.labels[: len(own)]]


def name_below(owner: Name) -> Name | None:
    """A name below ``owner`` that nobody chose: a wildcard that answers for ``owner`` answers for it too, and a CNAME
    of ``owner`` itself keeps it from doing so (RFC 4592 section 3.3.1). None where it would be too long."""
    try:
        return dns.name.Name([f"_{secrets.token_hex(8)}".encode(), *owner.labels])
    except dns.name.NameTooLong:
        return None


def extended(chain: Chain, alias: Alias) -> Chain:
    """The chain with one link more.

    :raises ChainLoop, ChainTooLong: with the chain.
    """
    longer = replace(chain, aliases=(*chain.aliases, alias))
    if alias.target == chain.start or any(alias.target == passed.target for passed in chain.aliases):
        hint = f"remove one of these CNAMEs, for example the one at {show(alias.owner)}"
        raise ChainLoop(f"the CNAMEs run in a circle: {longer}", hint)
    if len(longer.aliases) > MOST_ALIASES:
        hint = f"let {show(chain.start)} point nearer to the end"
        raise ChainTooLong(f"more than {MOST_ALIASES} CNAMEs in a row, which CAs may not follow: {longer}", hint)
    return longer
