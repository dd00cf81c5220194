"""What Certbot has on record: renewal files that use our authenticators, and its accounts."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from certbot.compat import misc

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

    :param left_out: told of each renewal file that may be one and cannot be read, and why.
    """
    lineages = []
    for path in sorted((config_dir / "renewal").glob("*.conf")):
        try:
            lineage = _read(path)
        except OSError as error:
            left_out(path, printable(f"{error.filename}: {error.strerror}"))
            continue
        except ValueError as error:
            left_out(path, printable(str(error)))
            continue
        if lineage is not None:
            lineages.append(lineage)
    return lineages


def _read(path: Path) -> Lineage | None:
    sections, _ = ini.read(path.read_text())
    top = {key: entry.value for key, entry in sections[0].entries.items()}
    parameters = {key: entry.value for s in sections if s.title == "renewalparams" for key, entry in s.entries.items()}
    authenticator = parameters.get("authenticator", "")
    if authenticator != OURS and not authenticator.startswith(f"{OURS}-"):
        return None
    prefix = authenticator.replace("-", "_")
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


def account_uri(config_dir: Path, server: str, account: str | None = None) -> str | None:
    """The URI of Certbot's account at a CA; None when it has none, or several and none is named.

    :param account: Certbot's id of it.
    """
    parts = urlsplit(server)
    folder = misc.underscores_for_unsupported_characters_in_path(parts.netloc + parts.path)
    found = sorted((config_dir / "accounts" / folder).glob(f"{account or '*'}/regr.json"))
    if len(found) != 1:
        return None
    try:
        uri = json.loads(found[0].read_text())["uri"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(uri)
