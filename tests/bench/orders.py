"""Orders as Certbot brings them, and the authenticators that take them: ours, and the floor beneath it."""

import argparse
import io
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import dns.query
import dns.update
from acme import challenges, messages
from certbot import achallenges, configuration
from certbot._internal.display import obj as display_obj
from cryptography.hazmat.primitives.asymmetric import rsa
from josepy.jwk import JWKRSA
from josepy.util import ComparableRSAKey

from certbot_dns_delegate.authenticators import Delegate
from tests.e2e.lab import Lab

NAME = "dns-delegate"
ACCOUNT = JWKRSA(key=ComparableRSAKey(rsa.generate_private_key(65537, 2048)))


class Authenticator(Protocol):
    """What is measured: Certbot's two calls."""

    def perform(self, achalls: list[Any]) -> list[Any]: ...

    def cleanup(self, achalls: list[Any]) -> None: ...


@dataclass(frozen=True)
class Timing:
    """One order, in seconds."""

    perform_s: float
    cleanup_s: float
    began: float
    """On the clock of ``time.monotonic``."""
    cpu_s: float
    """Of this process alone: what a machine that is busy with other things changes least."""

    @property
    def total_s(self) -> float:
        return self.perform_s + self.cleanup_s


def run(authenticator: Authenticator, names: Iterable[str]) -> Timing:
    """One order for NAMES through an authenticator; a name twice stands for itself and its wildcard."""
    achalls = [challenge(name) for name in names]
    begin, cpu = time.monotonic(), time.process_time()
    try:
        authenticator.perform(achalls)
    finally:
        performed = time.monotonic()
        authenticator.cleanup(achalls)
    return Timing(performed - begin, time.monotonic() - performed, begin, time.process_time() - cpu)


def challenge(name: str) -> Any:
    """A challenge as Certbot annotates it; before Certbot 5.3 it has a ``domain``."""
    body = messages.ChallengeBody(
        chall=challenges.DNS01(token=os.urandom(32)), uri="https://ca.test/challenge", status=messages.STATUS_PENDING
    )
    kind = achallenges.KeyAuthorizationAnnotatedChallenge
    if "identifier" in kind.__slots__:
        identifier = messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name)
        return kind(challb=body, identifier=identifier, account_key=ACCOUNT)
    return kind(challb=body, domain=name, account_key=ACCOUNT)


def ours(credentials: Path, work: Path) -> Delegate:
    """Our authenticator as Certbot makes it."""
    namespace = argparse.Namespace(
        config_dir=str(work / "config"),
        work_dir=str(work),
        logs_dir=str(work / "logs"),
        http01_port=80,
        https_port=443,
        domains=[],
        server="https://ca.test/directory",
        allow_subset_of_names=False,
        noninteractive_mode=True,
        quiet=True,
        dns_delegate_credentials=str(credentials),
        dns_delegate_challenge=None,
        dns_delegate_resolvers=None,
        dns_delegate_propagation_seconds=None,
    )
    display_obj.set_display(display_obj.NoninteractiveDisplay(io.StringIO()))
    plugin = Delegate(configuration.NamespaceConfig(namespace), NAME)
    plugin.prepare()
    return plugin


class Floor:
    """The least there is to do: the same UPDATEs, at owners that are known, and not a look at what they did."""

    def __init__(self, lab: Lab, zone: str) -> None:
        self.zone = zone
        delegate = next(d for d in lab.delegates.values() if d.zone == zone.rstrip("."))
        self.server, self.keyring = delegate.server, delegate.key.dnspython()

    def perform(self, achalls: Sequence[Any]) -> list[Any]:
        update = dns.update.UpdateMessage(self.zone, keyring=self.keyring)
        for achall in achalls:
            update.add(self.owner(achall), 1, "TXT", achall.validation(ACCOUNT))
        return self.send(update)

    def cleanup(self, achalls: Sequence[Any]) -> None:
        update = dns.update.UpdateMessage(self.zone, keyring=self.keyring)
        for achall in achalls:
            update.delete(self.owner(achall), "TXT", achall.validation(ACCOUNT))
        self.send(update)

    def owner(self, achall: Any) -> str:
        """The first label of the certificate name, in the zone."""
        name = achall.identifier.value if hasattr(achall, "identifier") else achall.domain
        return f"{name.partition('.')[0]}.{self.zone}"

    def send(self, update: dns.update.UpdateMessage) -> list[Any]:
        reply = dns.query.tcp(update, self.server, timeout=10)
        if reply.rcode() != 0:
            raise RuntimeError(f"the floor's UPDATE was answered {reply.rcode().name}")
        return []
