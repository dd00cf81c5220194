"""The addresses of names, at the end of their aliases, as a recursive resolver has them."""

from collections.abc import Callable, Sequence
from functools import partial

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import addresses_at_end
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.step import Step, resolve

Addresses = tuple[str, ...]
MOST_ADDRESSES = 8
"""Addresses of one name that are kept; a name may have thousands."""
FAMILIES = (RdataType.A, RdataType.AAAA)


def addresses_of(name: Name, is_enough: Callable[[Addresses], bool]) -> Step[Addresses | None]:
    """A and AAAA of a name; None where it could not be asked.

    Of more than :data:`MOST_ADDRESSES` those are kept that are enough, before others.

    :param is_enough: whether these addresses tell enough of the name: AAAA is not asked then.
    """
    found: Addresses = ()
    for rdtype in FAMILIES:
        reply = (yield from resolve([(name, rdtype)]))[name, rdtype]
        try:
            found = _kept((*found, *_addresses(reply)), is_enough)
        except LookupFailed:
            return None
        if is_enough(found):
            break
    return found


def addresses_of_all(
    recursive: Recursive, names: Sequence[Name], is_enough: Callable[[Name, Addresses], bool]
) -> dict[Name, Addresses]:
    """As :func:`addresses_of`, of each name; one that could not be asked is not there."""
    found: dict[Name, Addresses] = {}
    asked = list(names)
    for rdtype in FAMILIES:
        replies = recursive.ask_all([(name, rdtype) for name in asked]) if asked else {}
        for (name, _), reply in replies.items():
            try:
                more = _addresses(reply)
            except LookupFailed:
                found.pop(name, None)
                continue
            found[name] = _kept((*found.get(name, ()), *more), partial(is_enough, name))
        asked = [name for name in found if not is_enough(name, found[name])]
    return found


def _kept(found: Addresses, is_enough: Callable[[Addresses], bool]) -> Addresses:
    if len(found) > MOST_ADDRESSES:
        found = tuple(sorted(found, key=lambda each: not is_enough((each,))))
    return found[:MOST_ADDRESSES]


def _addresses(reply: Reply | LookupFailed) -> list[str]:
    """:raises LookupFailed: when there is no answer, or none that a correct server gives."""
    if isinstance(reply, LookupFailed):
        raise reply
    return addresses_at_end(reply)
