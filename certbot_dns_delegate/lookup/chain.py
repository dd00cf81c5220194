"""Follow the CNAMEs from where the CA looks to where the value must stand (RFC 1034 section 3.6.2)."""

import contextlib
import secrets
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import dns.name
import dns.rcode
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import ChainLoop, ChainTooLong, LookupFailed
from certbot_dns_delegate.lookup.answer import alias_in
from certbot_dns_delegate.lookup.question import Reply
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.zone import Found, Zones
from certbot_dns_delegate.model import Alias, Chain
from certbot_dns_delegate.text import show

Link = tuple[Reply | LookupFailed, Reply | None]
"""What a resolver says about CNAME at a name, and about a name below it; the latter is not always asked for."""

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


class Follower:
    """Follows chains; knows what lies inside a delegate and therefore must not be asked at a recursive resolver."""

    def __init__(self, recursive: Recursive, zones: Zones, suffix_of: Callable[[Name], Name | None]) -> None:
        """:param suffix_of: the suffix of the delegate that a name lies in; None: the resolver may be asked."""
        self._recursive = recursive
        self._zones = zones
        self._suffix_of = suffix_of
        self._links: dict[Name, Link] = {}

    def foresee(self, starts: Sequence[Name], pool: Executor) -> None:
        """Ask about the first links of many chains together, then about the targets, so that :meth:`follow` is quick.

        What fails here is asked for again, and told, by :meth:`follow`.
        """
        outside = [start for start in starts if self._suffix_of(start) is None]
        self._links |= pool.submit(self._look_up, outside, first=True).result()
        targets = [start for start in starts if start not in self._links]
        for owner, (reply, _) in self._links.items():
            with contextlib.suppress(LookupFailed):
                link = alias_in(_usable(reply).message, owner)
                targets += [link[0]] if link else []
        inside: dict[Name, list[Name]] = defaultdict(list)
        for target in dict.fromkeys(targets):
            if (suffix := self._suffix_of(target)) is not None:
                inside[suffix].append(target)
        for future in [pool.submit(self._zones.foresee, suffix, owners) for suffix, owners in inside.items()]:
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
        answer, below = self._links.get(owner) or self._look_up([owner], first=not chain.aliases)[owner]
        reply = _usable(answer)
        link = alias_in(reply.message, owner)
        if link is None:
            return Followed(chain, None, reply.message.rcode() != dns.rcode.NXDOMAIN), None
        target, is_dname = link
        is_wildcard = not is_dname and below is not None and alias_in(below.message, below.ask.question.name) == link
        return Followed(chain, None), Alias(owner, target, str(reply.ask.server), is_dname, is_wildcard)

    def _look_up(self, owners: Sequence[Name], *, first: bool) -> dict[Name, Link]:
        belows = {owner: name_below(owner) if first else None for owner in owners}
        keys = [(owner, RdataType.CNAME) for owner in owners]
        replies = self._recursive.ask_all(keys, [(below, RdataType.CNAME) for below in belows.values() if below])
        links: dict[Name, Link] = {}
        for owner, below in belows.items():
            other = replies.get((below, RdataType.CNAME)) if below else None
            links[owner] = replies[owner, RdataType.CNAME], other if isinstance(other, Reply) else None
        return links

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
