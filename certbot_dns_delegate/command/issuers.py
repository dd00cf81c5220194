"""How a CA is called in CAA records, and the record that lets one account of it issue."""

import json
from collections.abc import Sequence
from functools import lru_cache

from certbot_dns_delegate.text import parse_name, plain

TIMEOUT_S = 5.0
"""For the CA's directory, beside which everything else waits."""
MOST = 65536
"""Bytes of a directory that are read; Let's Encrypt's has 1 KiB."""


def value(issuer: str, account: str | None) -> str:
    """What lets one account of one CA issue, by dns-01 alone (RFC 8657)."""
    parameters = [f"accounturi={account}"] if account else []
    return "; ".join([issuer, *parameters, "validationmethods=dns-01"])


@lru_cache
def identities(server: str) -> Sequence[str]:
    """The names that a CA goes by in CAA records, as its directory says; none when it does not say, or not to us."""
    import requests  # 70 ms that only a name with a CAA record costs
    from urllib3.exceptions import HTTPError  # what a body that is cut off or badly packed raises

    try:
        with requests.get(server, timeout=TIMEOUT_S, stream=True) as reply:
            reply.raise_for_status()
            body = reply.raw.read(MOST, decode_content=True)
        meta = json.loads(body).get("meta", {})
        return tuple(plain(parse_name(str(text))) for text in meta.get("caaIdentities", ()))
    except (requests.RequestException, HTTPError, ValueError, AttributeError, TypeError, OSError, RecursionError):
        return ()
