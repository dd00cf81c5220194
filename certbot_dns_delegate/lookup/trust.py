"""Which certificates of resolvers are believed: what this host trusts."""

import os
import ssl
from functools import lru_cache


def context(protocols: tuple[str, ...]) -> ssl.SSLContext:
    """For connections that speak one of some protocols (ALPN), the best first."""
    return _made(protocols, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=8)
def _made(protocols: tuple[str, ...], *_: str | None) -> ssl.SSLContext:
    """Once for each place of trusted certificates: reading some 140 of them takes longer than a handshake."""
    made = ssl.create_default_context()
    made.set_alpn_protocols(list(protocols))
    return made
