"""The proxy that the environment names for an address."""

import os
from dataclasses import dataclass, field

from requests.utils import get_environ_proxies, select_proxy

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.schema import split_url, user_info

SCHEMES = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})
"""What requests can speak to a proxy; SOCKS with the package PySocks."""
CREDENTIALS = "the proxy of the environment wants credentials: HTTPS_PROXY=http://user:password@proxy:port"


@dataclass(frozen=True)
class Proxy:
    """A proxy, and what must not be shown of it."""

    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)


def proxy_for(url: str) -> Proxy | None:
    """The proxy through which ``url`` is reached; None: directly (no variable for its scheme, or ``NO_PROXY``).

    :raises SettingsError: when the variable holds no address; its value is not shown.
    """
    given = select_proxy(url, {scheme: text for scheme, text in get_environ_proxies(url).items() if text})
    if not given:
        return None
    text = given if "://" in given else f"http://{given}"  # as curl and requests read it
    try:
        split_url(text, SCHEMES)
    except ValueError as error:
        raise SettingsError(f"{_variable(url)} of the environment {error}", "unset it, or correct it") from None
    secrets, names = user_info(text)
    return Proxy(text, secrets, names)


def _variable(url: str) -> str:
    scheme = url.partition(":")[0]
    known = [name for kind in (scheme, "all") for name in (f"{kind}_proxy", f"{kind.upper()}_PROXY")]
    return next((name for name in known if os.environ.get(name)), "the proxy")
