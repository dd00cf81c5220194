"""Follow the CNAMEs from where the CA looks to where the value must stand (RFC 1034 section 3.6.2)."""

import contextlib
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import dns.name
import dns.rcode
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import ChainLoop, ChainTooLong, DelegateError, LookupFailed
from certbot_dns_delegate.lookup.answer import alias_in, soa_in
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.zone import Found, Zones
from certbot_dns_delegate.model import Alias, Chain
from certbot_dns_delegate.text import show

MOST_ALIASES = 8
"""CNAMEs in a row. Unbound and BIND give up beyond 11 (max-query-restarts), and a CA's limit is not published."""


@dataclass(frozen=True)
class Followed:
    """A chain, and what stands at its target."""

    chain: Chain
    found: Found | None
    """What the authoritative servers say about the target; None outside every delegate."""
    exists: bool = True
    """Whether the target's name exists; only known for certain outside every delegate."""
    denied_by: Name | None = None
    """The zone whose SOA came with "no such name" (RFC 2308 section 2.1)."""


class Follower:
    """Follows chains; knows what lies inside a delegate and therefore must not be asked at a recursive resolver."""

    def __init__(self, recursive: Recursive, zones: Zones, suffix_of: Callable[[Name], Name | None]) -> None:
        """:param suffix_of: the suffix of the delegate that a name lies in; None: the resolver may be asked."""
        self._recursive = recursive
        self._zones = zones
        self._suffix_of = suffix_of
        self._replies: dict[Name, Reply | LookupFailed] = {}
        """What a resolver said about CNAME at a name."""
        self._below: dict[Name, Reply | None] = {}
        """And what it said about a name below."""

    def foresee(self, starts: Sequence[Name], pool: Executor) -> None:
        """Ask about the first links of many chains together, then about the targets, so that :meth:`follow` is quick.

        What fails here is asked for again, and told, by :meth:`follow`.
        """
        outside = [start for start in starts if self._suffix_of(start) is None]
        self._replies |= pool.submit(self._ask, outside).result()
        targets = [start for start in starts if start not in self._replies]
        shared = []
        for owner, reply in self._replies.items():
            with contextlib.suppress(LookupFailed):
                if link := alias_in(_usable(reply).message, owner):
                    targets.append(link[0])
                    shared += [] if _is_real(owner, *link) else [owner]
        inside: dict[Name, list[Name]] = defaultdict(list)
        for target in dict.fromkeys(targets):
            if (suffix := self._suffix_of(target)) is not None:
                inside[suffix].append(target)
        futures = [pool.submit(self._zones.foresee, suffix, owners) for suffix, owners in inside.items()]
        self._below |= pool.submit(self._ask_below, shared).result()
        for future in futures:
            future.result()

    def follow(self, start: Name) -> Followed:
        """The whole chain from ``start``.

        :raises LookupFailed: when any link cannot be looked up; that is never taken for "no CNAME".
        :raises ChainLoop, ChainTooLong: with the chain.
        """
        chain = Chain(start)
        while True:
            suffix = self._suffix_of(chain.target)
            try:
                followed, alias = self._ask_authority(chain, suffix) if suffix else self._ask_resolver(chain)
            except LookupFailed as error:
                raise LookupFailed(f"{error.problem} (chain so far: {chain})", error.hint) from error
            if alias is None:
                return followed
            chain = extended(chain, alias)

    def _ask_resolver(self, chain: Chain) -> tuple[Followed, Alias | None]:
        owner = chain.target
        reply = _usable(self._replies.get(owner) or self._ask([owner])[owner])
        link = alias_in(reply.message, owner)
        if link is None:
            is_denied = reply.message.rcode() == dns.rcode.NXDOMAIN
            soa = soa_in(reply.message, owner) if is_denied else None
            return Followed(chain, None, not is_denied, soa.name if soa is not None else None), None
        target, is_dname = link
        is_wildcard = not chain.aliases and not _is_real(owner, target, is_dname) and self._is_below_too(owner, link)
        return Followed(chain, None), Alias(owner, target, str(reply.ask.server), is_dname, is_wildcard)

    def _ask(self, owners: Sequence[Name]) -> dict[Name, Reply | LookupFailed]:
        replies = self._recursive.ask_all([(owner, RdataType.CNAME) for owner in owners])
        return {owner: reply for (owner, _), reply in replies.items()}

    def _is_below_too(self, owner: Name, link: tuple[Name, bool]) -> bool:
        """Whether a name below ``owner`` that nobody chose has the same alias: a wildcard has made both."""
        if owner not in self._below:
            self._below |= self._ask_below([owner])
        reply = self._below[owner]
        return reply is not None and alias_in(reply.message, reply.ask.question.name) == link

    def _ask_below(self, owners: Sequence[Name]) -> dict[Name, Reply | None]:
        """What a resolver says about a name below each; one try, since no value's place depends on it."""
        below = {owner: name_below(owner) for owner in owners}
        replies = self._recursive.ask_all([], [(name, RdataType.CNAME) for name in below.values() if name])
        said = {name: reply for (name, _), reply in replies.items() if isinstance(reply, Reply)}
        return {owner: said.get(name) if name else None for owner, name in below.items()}

    def _ask_authority(self, chain: Chain, suffix: Name) -> tuple[Followed, Alias | None]:
        owner = chain.target
        found = self._zones.find(owner, suffix)
        followed = Followed(chain, found)
        link = alias_in(found.reply.message, owner)
        if link is None:
            return followed, None
        target, is_dname = link
        below = None if is_dname else name_below(owner)
        # A TXT record at the owner stops the synthesis (RFC 4592 section 2.2.1), so this is the place to write.
        if below and alias_in(self._zones.find(below, suffix).reply.message, below) == link:
            return followed, None
        return followed, Alias(owner, target, str(found.reply.ask.server), is_dname)


def _usable(answer: Reply | LookupFailed) -> Reply:
    if isinstance(answer, LookupFailed):
        raise answer
    return answer


def _is_real(owner: Name, target: Name, is_dname: bool) -> bool:
    """Whether a CNAME needs no asking to be known for no wildcard's."""
    return is_dname or is_made_for(owner, target)


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


def follow_all(
    recursive: Recursive,
    starts: Iterable[Name],
    is_inside: Callable[[Name], bool],
    is_own: Callable[[Name, Name], bool],
) -> dict[Name, Followed | DelegateError]:
    """Each chain as far as it leads outside the delegates; nothing inside one is asked about.

    :param is_inside: whether a name lies inside a delegate.
    :param is_own: whether a target belongs to one start alone, so that no wildcard can have made it: a question less.
    """
    ended: dict[Name, Followed | DelegateError] = {}
    moving = {start: Chain(start) for start in starts}
    while moving:
        for start, chain in list(moving.items()):
            if is_inside(chain.target):
                ended[start] = Followed(moving.pop(start), None)
        owners = dict.fromkeys(chain.target for chain in moving.values())
        replies = recursive.ask_all([(owner, RdataType.CNAME) for owner in owners])
        for start, chain in list(moving.items()):
            step: Chain | Followed | DelegateError
            try:
                step = _step(chain, replies[chain.target, RdataType.CNAME])
            except DelegateError as error:
                step = error
            if isinstance(step, Chain):
                moving[start] = step
            else:
                del moving[start]
                ended[start] = step
        first = [chain for chain in moving.values() if len(chain.aliases) == 1]
        _mark_wildcards(recursive, [chain for chain in first if not is_own(chain.start, chain.target)], moving)
    return ended


def _step(chain: Chain, reply: Reply | LookupFailed) -> Chain | Followed:
    if isinstance(reply, LookupFailed):
        raise reply
    link = alias_in(reply.message, chain.target)
    if link is None:
        return Followed(chain, None, reply.message.rcode() != dns.rcode.NXDOMAIN)
    return extended(chain, Alias(chain.target, link[0], str(reply.ask.server), is_dname=link[1]))


def _mark_wildcards(recursive: Recursive, chains: Iterable[Chain], moving: dict[Name, Chain]) -> None:
    """Ask for a name below each start that nobody chose; what answers it in the same way is a wildcard."""
    below = {chain: name for chain in chains if (name := name_below(chain.start)) and not chain.aliases[0].is_dname}
    replies = recursive.ask_all([(name, RdataType.CNAME) for name in below.values()])
    for chain, name in below.items():
        reply = replies[name, RdataType.CNAME]
        alias = chain.aliases[0]
        try:
            link = alias_in(reply.message, name) if isinstance(reply, Reply) else None
        except LookupFailed:
            continue
        if link is not None and link[0] == alias.target:
            moving[chain.start] = replace(chain, aliases=(replace(alias, is_wildcard=True),))
