"""A question as an HTTP request, and what its response says (RFC 8484)."""

import base64
from urllib.parse import SplitResult

from certbot_dns_delegate.lookup.conversation import MALFORMED
from certbot_dns_delegate.lookup.message import Ask, Outcome, Reply, Silence
from certbot_dns_delegate.lookup.octets import Echo, echo, question_end
from certbot_dns_delegate.lookup.reader import read
from certbot_dns_delegate.lookup.sockets import CLOSED
from certbot_dns_delegate.text import printable

MEDIA_TYPE = "application/dns-message"
MOST_OCTETS = 65_535
"""Of one reply."""
TIMEOUT = "timeout"

_ID = b"\0\0"
"""RFC 8484 section 4.1: the same for all, so that caches know a question again."""


class HungUp(Exception):
    """The connection has ended, and why."""


def content(ask: Ask) -> bytes:
    """What a POST request carries."""
    return ask.question.wire(_ID)


def host(url: SplitResult) -> str:
    """For the header of that name."""
    return url.netloc.rpartition("@")[2]


def path(url: SplitResult) -> str:
    """Of a POST request."""
    return f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"


def path_with(url: SplitResult, ask: Ask) -> str:
    """Of a GET request, with the question in it (RFC 8484 section 6)."""
    question = base64.urlsafe_b64encode(content(ask)).decode().rstrip("=")
    return f"{path(url)}{'&' if url.query else '?'}dns={question}"


def outcome(ask: Ask, status: str, body: bytes) -> Outcome:
    """What a response says."""
    if status != "200":
        return Silence(ask, f"HTTP {printable(status, 20)}" if status else CLOSED)
    sent = content(ask)
    if len(body) > MOST_OCTETS or body[:2] != _ID or echo(body, sent, question_end(sent)) is Echo.NONE:
        return Silence(ask, MALFORMED)
    message = read(body)
    return Silence(ask, MALFORMED) if message is None else Reply(ask, message, "https")
