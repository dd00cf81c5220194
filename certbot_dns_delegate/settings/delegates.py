"""What the INI file says, as values: which delegate may be written how, for whom."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Generic, TypeVar

from dns.name import Name

from certbot_dns_delegate.errors import PlanError
from certbot_dns_delegate.lookup.recursive import Resolver
from certbot_dns_delegate.settings.spelling import AS_IS, Spelling
from certbot_dns_delegate.text import command_line, parse_name, plain, printable
from certbot_dns_delegate.timing import Watch, profile_of


class Dnssec(StrEnum):
    """What becomes of a zone that does not validate."""

    CHECK = "check"
    """Nothing is written: CAs validate."""
    IGNORE = "ignore"
    """It is written all the same, with a warning."""


@dataclass(frozen=True)
class Delegate:
    """One configured zone in which targets may live, and how to write there."""

    title: str
    """What it is called: its section's title, or the authenticator's name for a flat file."""
    provider: str
    suffix: Name | None
    """Targets at or below it are routed here; None: the service itself says what it serves."""
    options: Mapping[str, Any] = field(repr=False)
    zone: Name | None = None
    names: tuple[str, ...] = ()
    targets: str | None = None
    timeout: timedelta | None = None
    settle: timedelta | None = None
    watch: Watch = Watch.AUTHORITATIVE
    watch_servers: tuple[tuple[str, int], ...] = ()
    witnesses: tuple[Resolver, ...] = ()
    """Recursive resolvers at other places, asked when the servers that can be seen from here agree."""
    witnesses_required: bool = False
    """They are waited for."""
    dnssec: Dnssec = Dnssec.CHECK
    serving: tuple[IPv4Network | IPv6Network, ...] = ()
    """Our own networks: a name that leads elsewhere is no customer's any more."""
    serving_grace: timedelta = timedelta(days=30)
    """How long such a name is still renewed."""
    spelling: Spelling = AS_IS

    @property
    def is_self_contained(self) -> bool:
        """Whether the settings say which zone it is and who is watched, so that nobody else need be asked."""
        return self.zone is not None and (bool(self.watch_servers) or self.watch in {Watch.SERVER, Watch.NONE})

    @property
    def longest_wait(self) -> timedelta:
        """For servers, and for witnesses, to serve a value."""
        return self.timeout or profile_of(self.provider).timeout

    def setting(self, key: str, value: str) -> str:
        """A line of the file for this delegate, such as ``timeout = 300s  in [acme.example.net]``."""
        where = "" if self.spelling.prefix else f"  in [{self.title}]"
        return f"{self.spelling.of(key)} = {value}".rstrip() + where

    def serves(self, identifier: str) -> bool:
        """Whether a certificate name may use this delegate (``for``)."""
        if not self.names or identifier in self._allowed:
            return True
        labels = identifier.split(".")
        return any(f"*.{'.'.join(labels[depth:])}" in self._allowed for depth in range(1, len(labels)))

    @cached_property
    def _allowed(self) -> frozenset[str]:
        return frozenset(self.names)  # there may be ten thousand, and each name of a fleet is looked for among them

    def expected_target(self, identifier: str) -> Name | None:
        """The only target that ``identifier`` may use (``targets``); None: any.

        :raises PlanError: when that would be longer than a name can be.
        """
        return None if self.targets is None else _fill_in(self.targets, identifier, f"[{self.title}] targets")

    def suggested_target(self, identifier: str) -> Name | None:
        """The target to advise for ``identifier``: the only one it may use, else the name itself below the suffix.

        None: the suffix is not known.

        :raises PlanError: when that would be longer than a name can be.
        """
        if self.targets is not None or self.suffix is None:
            return self.expected_target(identifier)
        template = f"{{name}}.{plain(self.suffix)}"
        return _fill_in(template, identifier, f"[{self.title}] targets")


@dataclass(frozen=True)
class Settings:
    """A whole INI file."""

    path: Path
    authenticator: str
    delegates: tuple[Delegate, ...]
    overrides: tuple[tuple[str, str], ...] = ()
    timeout: timedelta | None = None
    """The longest wait that the command line gives, instead of the sections' own; zero: do not look."""

    def longest_wait(self, delegate: Delegate) -> timedelta:
        """For servers, and for witnesses, to serve a value."""
        return self.timeout or delegate.longest_wait

    def wait_setting(self, delegate: Delegate, value: str) -> str:
        """What sets that wait to ``value``, such as ``300s``."""
        if self.timeout:
            return f"--{self.authenticator}-propagation-seconds {value.removesuffix('s')}"
        return delegate.setting("timeout", value)

    @property
    def is_blind(self) -> bool:
        """Whether nobody is asked for the values, where the write itself is to be believed."""
        return self.timeout is not None and not self.timeout

    @property
    def is_flat(self) -> bool:
        """Whether the file is for one service, without sections."""
        return self.authenticator != "dns-delegate"

    def override_of(self, identifier: str) -> Name | None:
        """The target set by hand for a certificate name; an exact name wins over a pattern, a longer over a shorter.

        :raises PlanError: when that would be longer than a name can be.
        """
        matching = [(pattern, target) for pattern, target in self.overrides if _matches(pattern, identifier)]
        if not matching:
            return None
        pattern, target = max(matching, key=lambda item: (not item[0].startswith("*."), len(item[0])))
        return _fill_in(target, identifier, f"[overrides] {pattern}")

    def delegate(self, title: str) -> Delegate | None:
        return next((delegate for delegate in self.delegates if delegate.title == title), None)

    def command(self, verb: str, identifier: str) -> str:
        """The operator's command about a name under these settings, ready to paste."""
        other = ["--authenticator", self.authenticator] if self.authenticator != "dns-delegate" else []
        return command_line("certbot-dns-delegate", verb, identifier, "--credentials", self.path.absolute(), *other)

    def chosen(self, title: str) -> Delegate:
        """The delegate that a plan made from these settings names."""
        delegate = self.delegate(title)
        assert delegate is not None
        return delegate


def _matches(pattern: str, identifier: str) -> bool:
    return identifier.endswith(pattern[1:]) if pattern.startswith("*.") else identifier == pattern


def _fill_in(template: str, identifier: str, where: str) -> Name:
    try:
        return parse_name(template.replace("{name}", identifier))
    except ValueError as error:
        raise PlanError(
            f"{where} = {template} gives no name for {printable(identifier)}: {error}",
            f"[overrides]  {printable(identifier)} = a shorter name inside the delegate",
        ) from None


T = TypeVar("T")


class Suffixes(Generic[T]):
    """Things by the suffix they stand for; a look-up costs the same for one suffix and for a thousand."""

    def __init__(self, things: Iterable[tuple[Name, T]]) -> None:
        self._things = {folded(suffix): (suffix, thing) for suffix, thing in things}

    def above(self, name: Name) -> tuple[Name, T] | None:
        """The longest suffix that ``name`` is or lies below, and what belongs to it."""
        # By labels: comparing whole names with every suffix was a tenth of an order's time.
        labels = folded(name)
        cuts = (self._things.get(labels[start:]) for start in range(len(labels)))
        return next((found for found in cuts if found is not None), None)


def folded(name: Name) -> tuple[bytes, ...]:
    """A name as a key, which is quicker than the name itself.

    Names differ in ASCII case without being different (RFC 4343 section 3)."""
    return tuple(map(bytes.lower, name.labels))
