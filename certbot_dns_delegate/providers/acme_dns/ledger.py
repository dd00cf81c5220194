"""The accounts of one file by target: an order for fifty names does not read fifty thousand accounts.

The targets are found in the text, which takes half a millisecond for 1000 accounts where reading all of them takes 25;
then only the accounts that are asked for are read. Whatever is unusual in a file (escapes, an account without a target)
makes it be read as a whole.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from dns.name import Name

from certbot_dns_delegate.providers.acme_dns.accounts import Account, account_of, normalise, parse
from certbot_dns_delegate.text import plain, printable

BEGIN = re.compile(r'"fulldomain"\s*:\s*"')
LABEL = 36
"""Characters of a label that acme-dns makes: a UUID."""
FULLDOMAIN = re.compile(r'"fulldomain"\s*:\s*"([^"\\]+)"')
KEY = re.compile(r'"([^"\\]*)"\s*:\s*$')
LONGEST_KEY = 300
"""Characters before an account in which the name that it is for is looked for: a name has 255 at most."""


class Ledger:
    """The accounts in the text of a file.

    :param text: as :func:`~certbot_dns_delegate.providers.acme_dns.accounts.parse` takes it, whose errors the methods
        raise.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.size = len(text)

    @cached_property
    def everything(self) -> Sequence[Account]:
        """All accounts."""
        return parse(self._text)

    def at(self, target: Name) -> list[Account]:
        """The accounts whose file says that they write at ``target``: one, under each name that it is for."""
        if (only := self._at_label(target)) is not None:
            return [only]
        if self._places is None:
            return self._by_target.get(target, [])
        text = plain(target)
        places: list[int] = []
        for spelled in (text, f"{text}."):
            found = self._places.get(spelled, ())
            places += (found,) if isinstance(found, int) else found
        accounts = [self.read(place) for place in places]
        usual = [account for account in accounts if account is not None]
        return usual if len(usual) == len(places) else self._by_target.get(target, [])

    def _at_label(self, target: Name) -> Account | None:
        """The only account at ``target``, found by the random label alone; None: look by the whole target."""
        place = self.labels.get(target.labels[0].decode("ascii", "replace").lower())
        account = None if place is None else self.read(place)
        return account if account is not None and account.fulldomain == target else None

    def labelled(self, target: Name) -> list[Account]:
        """Those whose random label ``target`` begins with, whatever domain their file says, if any."""
        label = target.labels[0].decode("ascii", "replace").lower()
        if self._places is not None and f'"{label}"' not in self._lower:
            return []
        return [account for account in self.everything if account.is_labelled(target)]

    def named(self, name: str) -> Account | None:
        """The account for a certificate name."""
        return self._by_name.get(normalise(name))

    @cached_property
    def domains(self) -> frozenset[str]:
        """The domains that targets lie in, lower case, without the final dot."""
        if self._places is None:
            return frozenset(plain(a.fulldomain.parent()) for a in self.everything if a.fulldomain is not None)
        return frozenset(target.removesuffix(".").partition(".")[2] for target in self._places)

    @cached_property
    def _by_name(self) -> Mapping[str, Account]:
        return {account.name: account for account in reversed(self.everything)}

    @cached_property
    def _by_target(self) -> Mapping[Name, list[Account]]:
        found: dict[Name, list[Account]] = {}
        for account in self.everything:
            if account.fulldomain is not None:
                found.setdefault(account.fulldomain, []).append(account)
        return found

    @cached_property
    def _lower(self) -> str:
        return self._text.lower()  # Go reads keys in any case

    @cached_property
    def _is_plain(self) -> bool:
        """Whether the text is a whole object without escapes."""
        return self._text.isascii() and "\\" not in self._text and self._text[-LONGEST_KEY:].rstrip().endswith("}")

    @cached_property
    def labels(self) -> Mapping[str, int]:
        """Where in the text targets begin, by as many characters as a random label has; none where not every account
        has a target of its own in the usual spelling. A quarter of the work of :attr:`_places`."""
        begins = [match.end() for match in BEGIN.finditer(self._text)] if self._is_plain else []
        labels = dict(zip([self._text[begin : begin + LABEL] for begin in begins], begins, strict=True))
        return labels if len(labels) == len(begins) == self._text.count("{") - 1 else {}

    @cached_property
    def _places(self) -> Mapping[str, int | tuple[int, ...]] | None:
        """Where in the text each target is, by its lower-case spelling; None: the file is unusual."""
        if not self._is_plain:
            return None
        # Plain numbers as long as no target is there twice: of tuples the garbage collector would count every one.
        places: dict[str, int | tuple[int, ...]] = {
            match[1]: match.start() for match in FULLDOMAIN.finditer(self._lower)
        }
        count = self._lower.count('"subdomain"')
        if len(places) == count:
            return places
        found: dict[str, tuple[int, ...]] = {}
        for match in FULLDOMAIN.finditer(self._lower):
            found[match[1]] = (*found.get(match[1], ()), match.start())
        return found if sum(map(len, found.values())) == count else None

    def read(self, place: int) -> Account | None:
        """The account that has its target at ``place``; None where that is inside something else.

        :raises ValueError: saying what is wrong with it.
        """
        start = self._text.rfind("{", 0, place)
        try:
            fields, end = json.JSONDecoder().raw_decode(self._text, start)
        except (ValueError, RecursionError):
            return None
        key = KEY.search(self._text, max(0, start - LONGEST_KEY), start)
        if end < place or (key is None and self._text[:start].strip()):
            return None
        name = key[1] if key else ""
        try:
            return account_of(name, fields)
        except ValueError as error:
            raise ValueError(f"{printable(name, 80)}: {error}") from None
