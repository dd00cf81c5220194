"""The names of issuers in CAA records, and the record that lets one account issue."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.lookup.caa import DNS01
from certbot_dns_delegate.schema import split_url
from certbot_dns_delegate.text import parse_name, plain

TIMEOUT_S = 5.0
"""Seconds for the CA's directory; everything else waits for it."""
MOST = 65536
"""Bytes of a directory that are read; Let's Encrypt's has 1 KiB."""


def value(issuer: str, account: str | None, methods: Sequence[str] = DNS01) -> str:
    """The value that permits one account of one CA, with these challenge types only (RFC 8657)."""
    parameters = [f"accounturi={account}"] if account else []
    return "; ".join([issuer, *parameters, f"validationmethods={','.join(methods)}"])


def identities(server: str) -> Sequence[str]:
    """The names of a CA in CAA records, from its directory; empty if it has none, or cannot be read."""
    try:
        return tuple(plain(parse_name(str(text))) for text in meta(server).get("caaIdentities", ()))
    except (ValueError, TypeError):
        return ()


@lru_cache
def meta(server: str) -> Mapping[str, Any]:
    """What a CA's directory says of the CA (RFC 8555 section 7.1.1); empty if it says nothing, or cannot be read.

    Asked by the client for services: bounded in octets and seconds, no redirects, nothing of a ``.netrc``.
    """
    from certbot_dns_delegate.providers.http import KEYS, Client  # 70 ms that only a name with a CAA record costs

    defaults = {key.name: None if key.default is None else key.kind.parse(key.default) for key in KEYS}
    limits = dict.fromkeys(("connect_timeout", "read_timeout", "request_timeout"), timedelta(seconds=TIMEOUT_S))
    try:
        parts = split_url(server)
        options = defaults | limits | {"url": f"{parts.scheme}://{parts.netloc}", "allow_http": True}
        directory = Client(options).call("GET", parts.path, repeat=False, most=MOST).value(dict)
        said = directory.get("meta")
    except (DelegateError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
