"""The URL of Certbot's ACME account: from Certbot's own files, else from the ACME server."""

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import josepy as jose
from certbot.compat import misc

from certbot_dns_delegate.errors import LookupFailed, StateError
from certbot_dns_delegate.text import command_line, listed, printable

STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
"""The server of ``--dry-run`` and ``--staging``, whose account is another one."""
URI = frozenset(string.printable.strip()) - frozenset('";\\')
"""What the value of a CAA parameter can be made of (RFC 8659 section 4.2): printable, no blank, no semicolon."""
MOST_OCTETS = 64 * 1024
"""Of one of Certbot's account files, or of a CA's directory; real ones have some 1,000."""
DIRECTORY_S = 10
"""Seconds for the whole directory, and for reaching its server."""


class AccountUnknown(StateError):
    """Which account at the CA Certbot uses is not known: it has none, or several, or its record cannot be used."""


def account_uri(config_dir: Path, server: str, account: str | None = None) -> str:
    """The URI of Certbot's account at a CA.

    :param server: the URL of the CA's directory.
    :param account: Certbot's id of the account, a directory's name; None: the only one.
    :raises AccountUnknown: when there is none, or no usable one.
    :raises PermissionError: when this user may not look.
    """
    return _uri(_files(config_dir, server, account) / "regr.json")


def _files(config_dir: Path, server: str, account: str | None) -> Path:
    """The directory of an account's files."""
    directory = _folder(config_dir, server)
    shown, at = printable(str(directory)), printable(server)
    found = sorted(path for path in _listing(directory) if account in {None, path.name} and not path.is_file())
    if not found:
        which = "" if account is None else f" {printable(account, 60)}"
        hint = command_line("certbot", "register", "--server", server)
        raise AccountUnknown(f"Certbot has no account{which} at {at} ({shown})", hint)
    if len(found) > 1:
        names = listed([printable(path.name, 40) for path in found])
        raise AccountUnknown(f"Certbot has {len(found)} accounts at {at}: {names}", f"--account {found[0].name}")
    return found[0]


def _uri(path: Path) -> str:
    hint = command_line("certbot", "show_account", "--account", path.parent.name)
    try:
        uri = json.loads(_read(path))["uri"]
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        raise AccountUnknown(f"{printable(str(path))} does not hold the account's URI", hint) from None
    if not isinstance(uri, str) or not uri or not set(uri) <= URI:
        # The CA chose it, and it would become part of a record.
        raise AccountUnknown(f"the CA's name of the account cannot be part of a CAA record: {printable(str(uri), 120)}")
    return uri


def on_record(config_dir: Path, server: str, account: str | None = None) -> str | None:
    """As :func:`account_uri`; None where it is not known, as before the first certificate."""
    try:
        return account_uri(config_dir, server, account)
    except AccountUnknown:
        return None


@dataclass
class AcmeAccount:
    """Certbot's account of one order."""

    config_dir: Path
    server: str
    """The CA's directory."""
    id: str | None
    """Certbot's name of it, a directory name; None: the only one."""
    verify: bool = True
    """Whether the CA's certificate is checked."""

    @cached_property
    def url(self) -> str:
        """:raises LookupFailed: when neither Certbot's files nor the CA say it."""
        if found := on_record(self.config_dir, self.server, self.id):
            return found
        return at_ca(self.server, self.key, verify=self.verify)

    @cached_property
    def key(self) -> jose.jwk.JWK:
        """:raises LookupFailed: when Certbot's files do not hold it."""
        name = self.id or _files(self.config_dir, self.server, None).name
        key = key_on_record(self.config_dir, self.server, name)
        if key is None:
            shown = printable(str(_folder(self.config_dir, self.server)))
            raise LookupFailed(f"{shown} does not hold the key of Certbot's account", "certbot show_account")
        return key

    @cached_property
    def thumbprint(self) -> str:
        """Of the key (RFC 7638): 43 characters of base64url."""
        return str(jose.b64.b64encode(self.key.thumbprint()).decode())

    @cached_property
    def meta(self) -> Mapping[str, Any]:
        """The ``meta`` member of the CA's directory.

        :raises LookupFailed: when the directory cannot be read.
        """
        return meta_of(self.server, verify=self.verify)


def meta_of(server: str, *, verify: bool = True) -> Mapping[str, Any]:
    """The ``meta`` member of a CA's directory (RFC 8555 section 7.1.1).

    :raises LookupFailed: when the directory cannot be read.
    """
    import requests
    from urllib3.exceptions import HTTPError

    from certbot_dns_delegate.providers.http.wire import Adapter, UnusableBody, read_body, watched

    shown = printable(server, 200)
    try:
        with requests.Session() as session, watched(DIRECTORY_S) as watch:
            session.mount("https://", Adapter())
            session.mount("http://", Adapter())
            session.trust_env = True  # a proxy; .netrc is not read where auth is set
            session.auth = _no_credentials
            with session.get(server, timeout=DIRECTORY_S, verify=verify, stream=True, allow_redirects=False) as answer:
                body = read_body(answer.raw, answer.headers, MOST_OCTETS)
        if watch.is_expired:
            raise TimeoutError
        meta = json.loads(body).get("meta", {})
    except (requests.RequestException, HTTPError, UnusableBody, OSError, ValueError, AttributeError) as error:
        within = f" within {DIRECTORY_S} s" if watch.is_expired else f": {printable(type(error).__name__)}"
        raise LookupFailed(f"the CA's directory {shown} cannot be read{within}") from None
    return meta if isinstance(meta, dict) else {}


def _no_credentials(request: Any) -> Any:
    return request


def key_on_record(config_dir: Path, server: str, account: str) -> jose.jwk.JWK | None:
    """The account's key in Certbot's files; None when it cannot be read."""
    try:
        key = jose.jwk.JWK.json_loads(_read(_folder(config_dir, server) / account / "private_key.json"))
    except (OSError, ValueError, jose.errors.Error):
        return None
    return key if isinstance(key, jose.jwk.JWK) else None


def at_ca(server: str, key: jose.jwk.JWK, *, verify: Any = True) -> str:
    """The URL as the CA says it to whoever has the key; three requests, and no account is made.

    :param verify: as for ``requests``.
    :raises LookupFailed: when the CA does not say it.
    """
    import requests
    from acme import client, errors, messages

    net = client.ClientNetwork(key, alg=_algorithm(key), verify_ssl=verify, user_agent="certbot-dns-delegate")
    shown = printable(server, 200)
    try:
        ca = client.ClientV2(client.ClientV2.get_directory(server, net), net)
        ca.new_account(messages.NewRegistration(only_return_existing=True))
    except errors.ConflictError as error:
        return str(error.location)  # how acme says that the account exists
    except (errors.Error, messages.Error, requests.RequestException, jose.errors.Error, ValueError) as error:
        raise LookupFailed(f"{shown} does not say the account's URL: {printable(str(error))}") from None
    raise LookupFailed(f"{shown} does not say the account's URL")


def _algorithm(key: jose.jwk.JWK) -> Any:
    if not isinstance(key, jose.jwk.JWKEC):
        return jose.jwa.RS256
    size = key.key.key_size
    return {256: jose.jwa.ES256, 384: jose.jwa.ES384, 521: jose.jwa.ES512}[size]


def _folder(config_dir: Path, server: str) -> Path:
    parts = urlsplit(server)
    return config_dir / "accounts" / misc.underscores_for_unsupported_characters_in_path(parts.netloc + parts.path)


def _listing(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MOST_OCTETS).decode()
