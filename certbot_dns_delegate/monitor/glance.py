"""The first look at a name: whether its delegation is as it should be, by one reply or two, read from their octets.

A glance ends without a result where anything is unusual; :mod:`.standing` looks at that name then.
"""

import re
import secrets
from collections.abc import Generator, Mapping

from dns.name import Name
from dns.rdatatype import AAAA, CNAME, A, RdataType

from certbot_dns_delegate.command.names import PREFIX, Wanted, digest
from certbot_dns_delegate.lookup.addresses import MOST_ADDRESSES, Addresses
from certbot_dns_delegate.lookup.quick import Labels, Short, folded
from certbot_dns_delegate.monitor.standing import OK, Standing, forbidden, here
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.state.fleet import Networks
from certbot_dns_delegate.text import show

NAME = re.compile(r"(?:\*\.)?(?!-)((?:[a-z0-9_-]{1,63}\.)+[a-z][a-z0-9_-]{0,62})(?<!-)", re.ASCII)
"""Certificate names as most lists have them; others are for :mod:`certbot_dns_delegate.command.names`."""
LONGEST = 230
"""Characters of such a name: beside it there is room for the prefix, and for a label below it."""
PLAIN = re.compile(rb"[A-Za-z0-9_/.-]+")
"""Octets that are shown as they are (:func:`.show`)."""

_OWNER = PREFIX.encode()
_LENGTHS = [bytes([length]) for length in range(64)]

Glance = Generator[tuple[bytes, RdataType], Short | None, Standing | None]
"""Yields a name in the form in which it is sent, and a type; takes what the reply says, None for no ordinary reply.
Returns None for a name that needs a closer look."""


class Glances:
    """Makes a glance of each name."""

    def __init__(self, settings: Settings, serving: Mapping[str, Networks]) -> None:
        """:param serving: as in :class:`.Looks`."""
        self._suffixes = {folded(each.suffix.labels): each for each in settings.delegates if each.suffix is not None}
        self._lengths = sorted({len(suffix) for suffix in self._suffixes}, reverse=True)
        self._serving = serving
        self._is_here = here(serving)

    def at(self, text: str) -> Glance:
        """Look at one name.

        :param text: as it was given.
        """
        named = NAME.fullmatch(text)
        identifier = named[1] if named else ""
        if not 0 < len(identifier) <= LONGEST or identifier.startswith(f"{PREFIX}."):
            return None
        own = tuple(identifier.encode().split(b"."))
        name = (*own, b"")
        owner = (_OWNER, *name)
        reply = yield _wire(owner), CNAME
        if reply is None or len(reply.aliases) != 1 or self._above(owner) is not None:
            return None
        target = reply.aliases[0]
        low = folded(target)
        delegate = self._above(low)
        if delegate is None or _is_forbidden(identifier, owner, target, delegate):
            return None
        if low[: len(own)] != own and low[0] != digest(identifier).encode() and not (yield from _is_alone(owner, low)):
            return None
        addresses: Addresses | None = None
        if self._serving.get(delegate.title) and self._above(name) is None:
            addresses = yield from self._addresses(name, delegate.title)
            if addresses is None:
                return None
        return Standing(text, OK, f"{PREFIX}.{identifier}. -> {_shown(target)}", "", delegate.title, addresses)

    def _above(self, labels: Labels) -> Delegate | None:
        """The delegate with the longest suffix that a name is or lies below; of a name in lower case."""
        for length in self._lengths:
            if found := self._suffixes.get(labels[-length:]):
                return found
        return None

    def _addresses(
        self, name: Labels, title: str
    ) -> Generator[tuple[bytes, RdataType], Short | None, Addresses | None]:
        """As :func:`.addresses_of`; None where that has to ask."""
        found: Addresses = ()
        for rdtype in (A, AAAA):
            reply = yield _wire(name), rdtype
            if reply is None:
                return None
            found = (*found, *reply.addresses)
            if len(found) > MOST_ADDRESSES:
                return None
            if self._is_here(title, found):
                break
        return found


def _is_alone(owner: Labels, target: Labels) -> Generator[tuple[bytes, RdataType], Short | None, bool]:
    """Whether a name below ``owner`` that nobody chose has not the same CNAME, which a wildcard would have made."""
    reply = yield _wire((f"_{secrets.token_hex(8)}".encode(), *owner)), CNAME
    return reply is not None and target not in map(folded, reply.aliases)


def _is_forbidden(identifier: str, owner: Labels, target: Labels, delegate: Delegate) -> bool:
    if not delegate.names and delegate.targets is None:
        return False
    problem, _ = forbidden(Wanted(identifier, False, Name(owner)), Name(target), delegate)
    return bool(problem)


def _wire(labels: Labels) -> bytes:
    """A name as it is sent (RFC 1035 section 3.1)."""
    return b"".join([_LENGTHS[len(label)] + label for label in labels])


def _shown(target: Labels) -> str:
    """As :func:`.show`."""
    text = b".".join(target)
    is_plain = PLAIN.fullmatch(text) is not None and text.count(b".") == len(target) - 1
    return text.decode() if is_plain else show(Name(target))
