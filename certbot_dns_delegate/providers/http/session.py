"""A session of requests as the settings of a section want it: certificates, proxies, no .netrc, no cookies."""

import os
import ssl
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import requests

from certbot_dns_delegate import __version__
from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.providers.http.proxies import Proxy
from certbot_dns_delegate.providers.http.wire import Adapter
from certbot_dns_delegate.providers.interface import Options
from certbot_dns_delegate.schema import Secret
from certbot_dns_delegate.state.files import read_trusted
from certbot_dns_delegate.text import command_line, printable

CONNECTIONS = 64
"""Kept open by one client: more than an order or a check has threads, or urllib3 would say that it discards some."""
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that replace the usual CAs, as requests reads them."""


def open_session(base: str, proxy: Proxy | None, options: Options, warn: Callable[[str], None]) -> requests.Session:
    """A session for one API.

    :param options: with the values of :func:`certbot_dns_delegate.providers.http.keys`.
    :raises SettingsError: when a file that they name cannot be used.
    """
    session = requests.Session()
    # No .netrc: it would replace our credentials by others. Proxies and CAs of the environment are
    # taken up below.
    session.trust_env = False
    session.headers.clear()
    session.headers.update(
        {
            "User-Agent": f"certbot-dns-delegate/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
    )
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if proxy is not None:
        session.proxies = {urlsplit(base).scheme: proxy.url}
    adapter = Adapter(pool_maxsize=CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    variable = next(filter(os.environ.get, BUNDLES), "")
    session.verify = os.environ[variable] if variable else True
    if options["ca_bundle"] is None:
        if variable and not Path(os.environ[variable]).exists():
            shown = printable(os.environ[variable])
            raise SettingsError(f"{variable} = {shown} of the environment: no such file", f"unset {variable}")
    else:
        _check_pem(options["ca_bundle"], read_trusted(options["ca_bundle"], warn, is_secret=False), "ca_bundle")
        session.verify = str(options["ca_bundle"])
    certificate, key = options["client_cert"], options["client_key"]
    if certificate is not None:
        for path in filter(None, (certificate, key)):
            if "ENCRYPTED" in read_trusted(path, warn, is_secret=path == (key or certificate)):
                # OpenSSL would ask for the passphrase on the terminal, and a timer would wait for ever.
                hint = command_line("openssl", "pkey", "-in", path, "-out", "plain.pem")
                raise SettingsError(f"{printable(str(path))}: the key is encrypted", hint)
        try:
            ssl.create_default_context().load_cert_chain(certificate, key)
        except (OSError, ValueError) as error:
            shown = printable(str(certificate))
            raise SettingsError(f"client_cert {shown} cannot be used: {printable(str(error), 120)}") from None
        session.cert = (str(certificate), str(key)) if key else str(certificate)
    return session


def is_loopback(host: str) -> bool:
    """Whether what is sent to ``host`` stays on this one."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def unsendable(name: str, secret: Secret | None) -> Iterator[str]:
    """The problem of a setting that cannot be a header; the character that is wrong shows nothing of the secret."""
    for character in secret.reveal() if secret else "":
        if not character.isascii() or not character.isprintable():
            known_as = unicodedata.name(character, "a control character")
            yield f"{name} has a character that no such credential has: U+{ord(character):04X} ({known_as})"
            return


def header_lines(headers: Mapping[str, str | Secret], basic: tuple[str, Secret] | None) -> dict[str, str]:
    """Headers as they go out, the secrets revealed.

    :param basic: user and password.
    :raises SettingsError: when a credential cannot be a header.
    """
    lines = {name: value.reveal() if isinstance(value, Secret) else value for name, value in headers.items()}
    for name, value in lines.items():
        if not value.isascii() or not value.isprintable():
            raise SettingsError(f"the credential sent as {name} has characters that no such credential has")
    if basic:
        # UTF-8 (RFC 7617 section 2.1); requests would take latin-1 and fail, with the password in the text.
        lines["Authorization"] = "Basic " + b64encode(f"{basic[0]}:{basic[1].reveal()}".encode()).decode()
    return lines


def _check_pem(path: object, text: str, name: str) -> None:
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"{name} {printable(str(path))} holds no certificate: {printable(str(error), 100)}"
        ) from None
