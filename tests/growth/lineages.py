"""The series of lineages: one ``certbot renew`` of many certificates, with Pebble as the CA."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.lab import network, program
from tests.growth import world
from tests.growth.orders import Point
from tests.growth.world import World

FIRST = "l0.customer.test"
OLD = dt.timedelta(days=80)


def measure(made: World, at: int) -> Point:
    """One is issued, the others are made after it: old certificates, which are due."""
    home = made.directory / f"lineages-{at}"
    home.mkdir()
    credentials = made.credentials(f"lineages-{at}.ini", [world.zone(0)], network.BIND)
    words = ("--authenticator=dns-delegate", f"--dns-delegate-credentials={credentials}", "-d", FIRST)
    certbot(made, home, "certonly", *words)
    key = ec.generate_private_key(ec.SECP256R1())
    for number in range(at):
        clone(home / "config", f"l{number}.customer.test", key)
    begin, before = time.monotonic(), os.times()
    certbot(made, home, "renew", "--no-random-sleep-on-renew")
    took, after = time.monotonic() - begin, os.times()
    renewed = sorted((home / "config" / "archive").glob("*/cert2.pem"))
    assert len(renewed) == at, len(renewed)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    shutil.rmtree(home)
    return Point(at, took, cpu)


def certbot(made: World, home: Path, verb: str, *words: str) -> None:
    """Run it to its end."""
    if not (home / "program").exists():
        program.make(home / "program")
    folders = [f"--{kind}-dir={home / kind}" for kind in ("config", "work", "logs")]
    fixed = ["--server", made.ca.directory_url, "--agree-tos", "--register-unsafely-without-email"]
    command = [sys.executable, home / "program" / "certbot", verb, "--non-interactive", *fixed, *folders, *words]
    done = subprocess.run(
        command,
        env={**os.environ, "REQUESTS_CA_BUNDLE": str(made.ca.trust)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"certbot {verb}: {(done.stdout + done.stderr)[-2000:]}")


def clone(config: Path, name: str, key: ec.EllipticCurvePrivateKey) -> None:
    """A lineage like the first, with an old certificate for its own name."""
    archive, live = config / "archive" / name, config / "live" / name
    for folder in (archive, live):
        folder.mkdir(exist_ok=True)
    chain = (config / "archive" / FIRST / "chain1.pem").read_text()
    leaf = old_certificate(name, key)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    texts = {"cert": leaf, "chain": chain, "fullchain": leaf + chain, "privkey": private}
    for kind, text in texts.items():
        (archive / f"{kind}1.pem").write_text(text)
        if not (live / f"{kind}.pem").is_symlink():
            (live / f"{kind}.pem").symlink_to(f"../../archive/{name}/{kind}1.pem")
    renewal = (config / "renewal" / f"{FIRST}.conf").read_text()
    (config / "renewal" / f"{name}.conf").write_text(renewal.replace(FIRST, name))


def old_certificate(name: str, key: ec.EllipticCurvePrivateKey) -> str:
    """What is due: of 90 days, 80 are over."""
    subject, begun = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), dt.datetime.now(dt.UTC) - OLD
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + dt.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
