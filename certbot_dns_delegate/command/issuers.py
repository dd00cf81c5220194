"""The names of issuers in CAA records, and the record that lets one account issue."""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.schema import split_url
from certbot_dns_delegate.text import parse_name, plain

TIMEOUT_S = 5.0
"""Seconds for the CA's directory; everything else waits for it."""
MOST = 65536
"""Bytes of a directory that are read; Let's Encrypt's has 1 KiB."""


def value(issuer: str, account: str | None) -> str:
    """The value that permits one account of one CA, with dns-01 only (RFC 8657)."""
    parameters = [f"accounturi={account}"] if account else []
    return "; ".join([issuer, *parameters, "validationmethods=dns-01"])


@lru_cache
def identities(server: str) -> Sequence[str]:
    """The names of a CA in CAA records, from its directory; empty if it has none, or cannot be read.

    Asked by the client for services: bounded in octets and seconds, no redirects, nothing of a ``.netrc``.
    """
    from certbot_dns_delegate.providers.http import KEYS, Client  # 70 ms that only a name with a CAA record costs

    defaults = {key.name: None if key.default is None else key.kind.parse(key.default) for key in KEYS}
    limits = dict.fromkeys(("connect_timeout", "read_timeout", "request_timeout"), timedelta(seconds=TIMEOUT_S))
    try:
        parts = split_url(server)
        options = defaults | limits | {"url": f"{parts.scheme}://{parts.netloc}", "allow_http": True}
        directory = Client(options).call("GET", parts.path, repeat=False, most=MOST).value(dict)
        return tuple(plain(parse_name(str(text))) for text in directory.get("meta", {}).get("caaIdentities", ()))
    except (DelegateError, ValueError, AttributeError, TypeError):
        return ()
