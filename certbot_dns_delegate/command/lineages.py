"""The certificates that Certbot renews with our authenticators, as its renewal files say."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from certbot_dns_delegate.schema import URL
from certbot_dns_delegate.settings import ini
from certbot_dns_delegate.text import printable

if TYPE_CHECKING:
    from cryptography import x509

OURS = "dns-delegate"
MOST_OCTETS = 1 << 20
"""Of a renewal file or a certificate; real ones have some 1,000."""
DEFAULT_SERVER = "https://acme-v02.api.letsencrypt.org/directory"
"""Certbot's own default for --server."""


@dataclass(frozen=True)
class Lineage:
    """One certificate that Certbot renews with one of our authenticators."""

    title: str
    authenticator: str
    credentials: Path | None
    server: str
    account: str | None
    """Certbot's id of the account, a directory name."""
    resolvers: str | None
    challenge: str
    """How the CA checks its names, as ``--<authenticator>-challenge`` has it."""
    names: tuple[str, ...]
    """As the certificate has them."""
    renew_before: str = ""
    """How long before the certificate's end it is to be renewed, as a person wrote it; empty: as Certbot chooses."""
    life: timedelta | None = None
    """How long the certificate is valid, from its first to its last second."""


def read(config_dir: Path, left_out: Callable[[Path, str], None]) -> list[Lineage]:
    """The lineages of our authenticators.

    :param left_out: called with each renewal file that may be one and cannot be read, and why.
    :raises PermissionError: when this user may not read them.
    """
    lineages = []
    for path in sorted(path for path in listing(config_dir / "renewal") if path.suffix == ".conf"):
        try:
            lineage = _read(path)
        except PermissionError:
            raise
        except OSError as error:
            at = "" if error.filename == str(path) else f"{error.filename}: "
            left_out(path, printable(f"{at}{error.strerror}"))
            continue
        except ValueError as error:
            left_out(path, printable(str(error)))
            continue
        if lineage is not None:
            lineages.append(lineage)
    return lineages


def listing(directory: Path) -> list[Path]:
    """What is in a directory, which need not exist.

    :raises PermissionError: when this user may not look: :meth:`Path.glob` would find nothing.
    """
    try:
        return list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def contents(path: Path) -> bytes:
    """What is in one of Certbot's files.

    :raises OSError: when it cannot be read.
    :raises ValueError: when it is a pipe or a device, which could be waited for without end, or is too large.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError("is no regular file")
    with path.open("rb") as file:
        found = file.read(MOST_OCTETS + 1)
    if len(found) > MOST_OCTETS:
        raise ValueError(f"has more than {MOST_OCTETS:,} bytes")
    return found


def _read(path: Path) -> Lineage | None:
    sections, _ = ini.read(contents(path).decode())
    top = {key: entry.value for key, entry in sections[0].entries.items()}
    found = [section.entries for section in sections if section.title == "renewalparams"]
    if not found:
        # As after a full disk: Certbot passes over the file, and the certificate runs out.
        raise ValueError("is empty" if len(sections) == 1 and not top else "has no [renewalparams]")
    parameters = {key: entry.value for entries in found for key, entry in entries.items()}
    authenticator = parameters.get("authenticator", "")
    if authenticator != OURS and not authenticator.startswith(f"{OURS}-"):
        return None
    prefix = authenticator.replace("-", "_")
    if f"{authenticator}-credentials" in parameters:
        raise ValueError(f"{authenticator}-credentials is written {prefix}_credentials in a renewal file")
    credentials = parameters.get(f"{prefix}_credentials")
    server = parameters.get("server", DEFAULT_SERVER)
    URL.parse(server)
    if not top.get("cert"):
        raise ValueError("has no cert = with the path of the certificate")
    names, life = _certificate(Path(top["cert"]))
    return Lineage(
        path.stem,
        authenticator,
        Path(credentials) if credentials else None,
        server,
        parameters.get("account"),
        parameters.get(f"{prefix}_resolvers"),
        parameters.get(f"{prefix}_challenge") or "dns-01",
        names,
        top.get("renew_before_expiry", ""),
        life,
    )


def _certificate(path: Path) -> tuple[tuple[str, ...], timedelta]:
    """The DNS names of a certificate, and how long it is valid."""
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(contents(path))
    life = validity(certificate, "not_valid_after") - validity(certificate, "not_valid_before")
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return (), life
    return tuple(extension.value.get_values_for_type(x509.DNSName)), life


def validity(certificate: "x509.Certificate", edge: str) -> datetime:
    """One end of a certificate's validity, in UTC; cryptography before 42 has it without a time zone.

    :param edge: ``not_valid_before`` or ``not_valid_after``.
    """
    moment: datetime | None = getattr(certificate, f"{edge}_utc", None)
    return moment if moment is not None else getattr(certificate, edge).replace(tzinfo=UTC)
