"""The certificates that Certbot renews with our authenticators, as its renewal files say."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from certbot_dns_delegate.schema import URL
from certbot_dns_delegate.settings import ini
from certbot_dns_delegate.text import printable

OURS = "dns-delegate"
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
    names: tuple[str, ...]
    """As the certificate has them."""


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
            left_out(path, printable(f"{error.filename}: {error.strerror}"))
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


def _read(path: Path) -> Lineage | None:
    sections, _ = ini.read(path.read_text())
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
    return Lineage(
        path.stem,
        authenticator,
        Path(credentials) if credentials else None,
        server,
        parameters.get("account"),
        parameters.get(f"{prefix}_resolvers"),
        _names(Path(top.get("cert", ""))),
    )


def _names(path: Path) -> tuple[str, ...]:
    """The DNS names of a certificate."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(extension.value.get_values_for_type(x509.DNSName))
