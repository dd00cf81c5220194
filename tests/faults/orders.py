"""Orders at the CA: by one long-lived ACME client around the engine, and by Certbot itself."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.name
from acme import challenges, client, crypto_util, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.jwk import JWKRSA
from josepy.util import ComparableRSAKey

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.lookup.recursive import parse_resolvers
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader

ISSUED, REFUSED, FAILED, WRONG = "issued", "refused before writing", "failed honestly", "wrong ready"
KILLED, UNSEEN = "killed", "CA timed out"
FOLDER = Path(__file__).resolve().parents[2] / "build" / "faults"
"""Where results go."""
PATIENCE_S = 60.0
"""For the CA's verdict."""
LOOK_S = 0.05
"""Between two looks at it: what the CA wishes is for the public ones."""


@dataclass
class Host:
    """A host that orders: its state, and its settings."""

    credentials: Path
    work: Path
    resolver: str
    warnings: list[str] = field(default_factory=list)

    def engine(self) -> Engine:
        """A run."""
        loaded = reader.load(self.credentials, "dns-delegate", self.warnings.append)
        tell = Tell(self.warnings.append)
        return Engine(loaded, self.work / "dns-delegate", parse_resolvers(self.resolver), tell)


@dataclass
class Outcome:
    """What became of an order."""

    result: str
    words: str = ""
    ready_at: float | None = None
    """When it was called ready (``time.monotonic``)."""


class Acme:
    """A client with an account of its own; it lives for many orders."""

    def __init__(self, directory_url: str, trust: Path) -> None:
        os.environ["REQUESTS_CA_BUNDLE"] = str(trust)
        self.key = JWKRSA(key=ComparableRSAKey(rsa.generate_private_key(65537, 2048)))
        network = client.ClientNetwork(self.key, user_agent="faults")
        self.client = client.ClientV2(client.ClientV2.get_directory(directory_url, network), network)
        self.client.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))
        private = ec.generate_private_key(ec.SECP256R1())
        self.pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def order(self, names: Sequence[str]) -> tuple[messages.OrderResource, list[Any]]:
        """A new order, and its dns-01 challenges."""
        order = self.client.new_order(crypto_util.make_csr(self.pem, list(names)))
        found = [
            body
            for authorization in order.authorizations
            for body in authorization.body.challenges
            if isinstance(body.chall, challenges.DNS01)
        ]
        return order, found

    def wanted(self, order: messages.OrderResource, bodies: Sequence[Any]) -> list[Challenge]:
        """What is to be published for them."""
        names = [authorization.body.identifier.value for authorization in order.authorizations]
        return [
            Challenge(name, dns.name.from_text(body.validation_domain_name(name)), body.chall.validation(self.key))
            for name, body in zip(names, bodies, strict=True)
        ]

    def finish(self, order: messages.OrderResource, bodies: Sequence[Any]) -> str:
        """Let the CA look, and take the certificate; what the CA says against it, or nothing."""
        for body in bodies:
            with contextlib.suppress(messages.Error):  # "valid already", where the CA's answer was lost
                self.client.answer_challenge(body, body.response(self.key))
        until = time.monotonic() + PATIENCE_S
        for authorization in order.authorizations:
            while True:
                seen, _ = self.client.poll(authorization)
                if seen.body.status == messages.STATUS_VALID:
                    break
                if seen.body.status != messages.STATUS_PENDING or time.monotonic() > until:
                    errors = [each.error for each in seen.body.challenges if each.error is not None]
                    return "; ".join(f"{error.typ}: {error.detail}" for error in errors) or str(seen.body.status)
                time.sleep(LOOK_S)
        self.client.begin_finalization(order)
        return ""


def by_engine(acme: Acme, host: Host, name: str, started: Any = None) -> Outcome:
    """One order through the engine.

    :param started: is called with the value that will be published, before it is.
    """
    order, bodies = acme.order([name])
    wanted = acme.wanted(order, bodies)
    if started is not None:
        started(wanted[0].value)
    engine = host.engine()
    try:
        try:
            engine.perform(wanted)
        except DelegateError as error:
            return Outcome(FAILED if engine._publishing is not None else REFUSED, str(error))
        ready_at = time.monotonic()
        words = acme.finish(order, bodies)
        return Outcome(verdict(words), words, ready_at)
    finally:
        engine.cleanup()


def by_certbot(directory_url: str, trust: Path, host: Host, name: str) -> Outcome:
    """One order by the real Certbot."""
    folders = [f"--{kind}-dir={host.work.parent / kind}" for kind in ("config", "logs")]
    command = [
        str(Path(sys.executable).with_name("certbot")),
        *("certonly", "--authenticator=dns-delegate", f"--dns-delegate-credentials={host.credentials}"),
        *(f"--dns-delegate-resolvers={host.resolver}", f"--work-dir={host.work}", *folders, "-d", name),
        *("--server", directory_url, "--agree-tos", "--register-unsafely-without-email"),
        *("--non-interactive", "--force-renewal", "--no-directory-hooks"),
    ]
    done = subprocess.run(
        command,
        env={**os.environ, "REQUESTS_CA_BUNDLE": str(trust)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return Outcome(ISSUED)
    words = done.stdout + done.stderr
    was_asked = "Certificate Authority failed to verify" in words or "Certificate Authority reported" in words
    return Outcome(verdict(words) if was_asked else FAILED, words[-2000:])


def verdict(words: str) -> str:
    """What the CA's words mean: that its own resolver took too long is no answer about the values."""
    if not words:
        return ISSUED
    return UNSEEN if "i/o timeout" in words or "EOF" in words else WRONG


def next_run(host: Host) -> None:
    """What the next run on this host does for what earlier ones left."""
    engine = host.engine()
    with contextlib.suppress(DelegateError):
        engine.cleanup()
