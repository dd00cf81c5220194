"""HTTP for providers: what a provider for an HTTP API needs, under one name."""

from certbot_dns_delegate.providers.http.answer import Answer, segment
from certbot_dns_delegate.providers.http.client import KEYS, Client, keys, validate

__all__ = ["KEYS", "Answer", "Client", "keys", "segment", "validate"]
