"""The URL of Certbot's ACME account: from Certbot's own files, else from the ACME server."""

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from certbot.compat import misc

from certbot_dns_delegate.errors import LookupFailed, StateError
from certbot_dns_delegate.schema import without_user_info
from certbot_dns_delegate.text import command_line, listed, printable
from certbot_dns_delegate.threads import within

if TYPE_CHECKING:
    import josepy as jose

STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
"""The server of ``--dry-run`` and ``--staging``, whose account is another one."""
URI = frozenset(string.printable.strip()) - frozenset('";\\')
"""What the value of a CAA parameter can be made of (RFC 8659 section 4.2): printable, no blank, no semicolon."""
MOST_OCTETS = 64 * 1024
"""Of one of Certbot's account files, or of a CA's directory; real ones have some 1,000."""
DIRECTORY_S = 10
"""Seconds for the whole directory, with finding and reaching its server."""
ACCOUNT_S = 30
"""Seconds for the three requests that ask a CA for an account's URL."""
LONGEST = 500
"""Characters of an account's URL; real ones have some 60."""


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
    shown, at = _shown(config_dir, server), printable(without_user_info(server))
    found = sorted(path for path in _listing(directory) if account in {None, path.name} and not path.is_file())
    if not found:
        which = "" if account is None else f" {printable(account, 60)}"
        hint = command_line("certbot", "register", "--server", without_user_info(server))
        raise AccountUnknown(f"Certbot has no account{which} at {at} ({shown})", hint)
    if len(found) > 1:
        names = listed([printable(path.name, 40) for path in found])
        raise AccountUnknown(
            f"Certbot has {len(found)} accounts at {at}: {names}", command_line("--account", found[0].name)
        )
    return found[0]


def _uri(path: Path) -> str:
    hint = command_line("certbot", "show_account", "--account", path.parent.name)
    try:
        uri = json.loads(_read(path))["uri"]
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        shown = printable(f"{path.parent.name}/{path.name}")
        raise AccountUnknown(f"{shown} does not hold the account's URI", hint) from None
    if not _is_usable(uri):
        # The CA chose it, and it would become part of a record.
        raise AccountUnknown(f"the CA's name of the account cannot be part of a CAA record: {printable(str(uri), 120)}")
    return str(uri)


def _is_usable(uri: object) -> bool:
    """Whether a text of the CA's can be an account's URL, in a CAA record too."""
    is_url = isinstance(uri, str) and uri.startswith(("https://", "http://")) and len(uri) <= LONGEST
    return is_url and set(str(uri)) <= URI


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
    def key(self) -> "jose.jwk.JWK":
        """:raises LookupFailed: when Certbot's files do not hold it."""
        name = self.id or _files(self.config_dir, self.server, None).name
        key = key_on_record(self.config_dir, self.server, name)
        if key is None:
            shown = _shown(self.config_dir, self.server)
            raise LookupFailed(f"{shown} does not hold the key of Certbot's account", "certbot show_account")
        return key

    @cached_property
    def thumbprint(self) -> str:
        """Of the key (RFC 7638): 43 characters of base64url."""
        import josepy as jose

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

    from certbot_dns_delegate.providers.http.wire import UnusableBody, watched

    def ask() -> bytes:
        # Cut a moment after nobody waits any more, so that it is the waiting that says why.
        with requests.Session() as session, watched(DIRECTORY_S + 1):
            _limit(session)
            return session.get(server, timeout=DIRECTORY_S, verify=verify).content

    shown = printable(without_user_info(server), 200)
    try:
        meta = json.loads(within(DIRECTORY_S, ask, "directory")).get("meta", {})
    except TimeoutError:
        raise LookupFailed(f"the CA's directory {shown} cannot be read within {DIRECTORY_S} s") from None
    except (
        requests.RequestException,
        HTTPError,
        UnusableBody,
        OSError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as e:
        raise LookupFailed(f"the CA's directory {shown} cannot be read: {type(e).__name__}") from None
    return meta if isinstance(meta, dict) else {}


def _limit(session: Any) -> None:
    """Let a session of requests read no endless answers, follow no redirects, and send nothing of a ``.netrc``."""
    from certbot_dns_delegate.providers.http.wire import Whole

    for scheme in ("https://", "http://"):
        session.mount(scheme, Whole(MOST_OCTETS))
    session.headers["Accept-Encoding"] = "identity"
    session.auth = _of_the_url  # proxies are taken from the environment, credentials are not
    session.max_redirects = 0


def _of_the_url(request: Any) -> Any:
    from requests.auth import HTTPBasicAuth
    from requests.utils import get_auth_from_url

    user, password = get_auth_from_url(request.url)
    return HTTPBasicAuth(user, password)(request) if user or password else request


def key_on_record(config_dir: Path, server: str, account: str) -> "jose.jwk.JWK | None":
    """The account's key in Certbot's files; None when it cannot be read."""
    import josepy as jose  # with cryptography, which most calls of the command do without

    try:
        key = jose.jwk.JWK.json_loads(_read(_folder(config_dir, server) / account / "private_key.json"))
    except (OSError, ValueError, jose.errors.Error):
        return None
    return key if isinstance(key, jose.jwk.JWK) else None


def at_ca(server: str, key: "jose.jwk.JWK", *, verify: Any = True) -> str:
    """The URL as the CA says it to whoever has the key; three requests, and no account is made.

    :param verify: as for ``requests``.
    :raises LookupFailed: when the CA does not say it, within :data:`ACCOUNT_S`.
    """
    shown = printable(without_user_info(server), 200)
    try:
        uri = within(ACCOUNT_S, partial(_asked, server, key, verify), "account")
    except TimeoutError:
        raise LookupFailed(f"{shown} does not say the account's URL within {ACCOUNT_S} s") from None
    except _Unsaid as error:
        raise LookupFailed(f"{shown} does not say the account's URL: {error}") from None
    if not _is_usable(uri):
        raise LookupFailed(f"{shown} says a URL of the account that is none: {printable(str(uri), 120)}")
    return uri


class _Unsaid(Exception):
    """Why a CA did not say the URL of an account, for people."""


def _asked(server: str, key: "jose.jwk.JWK", verify: Any) -> str:
    """What the CA says.

    :raises _Unsaid: when it says nothing.
    """
    from acme import client, errors, messages

    from certbot_dns_delegate.providers.http.wire import watched

    net = client.ClientNetwork(
        key, alg=_algorithm(key), verify_ssl=verify, user_agent="certbot-dns-delegate", timeout=DIRECTORY_S
    )
    _limit(net.session)
    try:
        with watched(ACCOUNT_S + 1):
            ca = client.ClientV2(client.ClientV2.get_directory(server, net), net)
            ca.new_account(messages.NewRegistration(only_return_existing=True))
    except errors.ConflictError as error:
        return str(error.location)  # how acme says that the account exists
    except (errors.Error, messages.Error) as error:
        raise _Unsaid(printable(str(error))) from None
    except Exception as error:  # noqa: BLE001  whatever acme and requests make of what a CA sent
        raise _Unsaid(type(error).__name__) from None
    raise _Unsaid("it gave none")


def _algorithm(key: "jose.jwk.JWK") -> Any:
    import josepy as jose

    if not isinstance(key, jose.jwk.JWKEC):
        return jose.jwa.RS256
    size = key.key.key_size
    return {256: jose.jwa.ES256, 384: jose.jwa.ES384, 521: jose.jwa.ES512}[size]


def _folder(config_dir: Path, server: str) -> Path:
    parts = urlsplit(server)
    return config_dir / "accounts" / misc.underscores_for_unsupported_characters_in_path(parts.netloc + parts.path)


def _shown(config_dir: Path, server: str) -> str:
    """The folder of a CA's accounts, for messages: its name has the user-info of the CA's address."""
    return printable(str(_folder(config_dir, without_user_info(server))))


def _listing(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MOST_OCTETS).decode()
