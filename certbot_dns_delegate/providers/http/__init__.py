"""HTTP for modules that write through an HTTP API: all they need, under one name."""

from certbot_dns_delegate.providers.http.answer import Answer, segment
from certbot_dns_delegate.providers.http.client import KEYS, Client, keys, validate
from certbot_dns_delegate.providers.http.session import unsendable

__all__ = ["KEYS", "Answer", "Client", "keys", "segment", "unsendable", "validate"]
