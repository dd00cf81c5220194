"""An implementation under test: what its author says about it, and what the tests of the suite share."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Set as AbstractSet
from typing import Any

import dns.name
from dns.name import Name

from certbot_dns_delegate.model import Limits, RRset, Values

TTL = 60
"""Seconds; what the suite asks for where nothing else is meant."""


def value(label: str) -> str:
    """A dns-01 value, the same for the same label: base64url of a SHA-256 digest (RFC 8555 section 8.4)."""
    return urlsafe_b64encode(hashlib.sha256(label.encode()).digest()).decode().rstrip("=")


class Subject:
    """An author sets or overrides what has no underscore in front."""

    zone: Name
    """The apex of a zone that the service serves and that the tests may write in."""
    secrets: tuple[str, ...] = ()
    """The secrets in use: no text may show them."""

    def provider(self) -> Any:
        """A new instance with working credentials."""
        raise NotImplementedError

    def wrong(self) -> Any:
        """A new instance whose credentials the service does not accept, or None."""
        return None

    def served(self, owner: Name) -> RRset:
        """The TXT RRset that the service serves at ``owner`` now; of an absent one, the empty RRset."""
        raise NotImplementedError

    def plant(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        """Put foreign values at ``owner``, past the provider."""
        raise NotImplementedError

    def owner(self, number: int) -> Name:
        """A target in :attr:`zone`; one that differs for each number below 10."""
        return dns.name.from_text(f"conformance{number}", self.zone)

    # What the tests use.

    def setup_method(self, *_: object) -> None:
        self._written: list[tuple[Any, Values]] = []

    def teardown_method(self, *_: object) -> None:
        while self._written:
            provider, values = self._written.pop()
            provider.withdraw(self.zone, values)

    def _publish(self, provider: Any, values: Values, ttl: int = TTL) -> None:
        self._written.append((provider, values))
        provider.publish(self.zone, values, ttl)

    def _limits(self) -> Limits:
        limits = self.provider().limits
        assert isinstance(limits, Limits)
        return limits

    def _values(self, owner: Name) -> frozenset[str]:
        return self.served(owner).values

    def _is_rid_of(self, texts: AbstractSet[str], owner: Name) -> None:
        """They were withdrawn: gone, or still there where nothing can be taken away."""
        assert texts & self._values(owner) == (set() if self._limits().deletes_one_value else texts)

    def _shows_no_secret(self, text: str) -> None:
        for secret in self.secrets:
            assert secret not in text
