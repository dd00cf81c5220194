"""HTTP for modules that write through an HTTP API: all they need, under one name."""

from certbot_dns_delegate.providers.http.answer import Answer, segment
from certbot_dns_delegate.providers.http.client import KEYS, Client, ends_before, keys, validate
from certbot_dns_delegate.providers.http.session import unsendable

__all__ = ["KEYS", "Answer", "Client", "ends_before", "keys", "segment", "unsendable", "validate"]
