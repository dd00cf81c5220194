"""Follow many chains at once, one link of all of them after the other: for fleets, up to the delegates' doors."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import dns.rcode
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import DelegateError, LookupFailed
from certbot_dns_delegate.lookup.answer import alias_in
from certbot_dns_delegate.lookup.chain import Followed, extended, name_below
from certbot_dns_delegate.lookup.question import Reply
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.model import Alias, Chain


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
