"""The conversation with a resolver by HTTPS (RFC 8484): one connection, many requests."""

import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator, Sequence
from urllib.parse import SplitResult, urlsplit

from certbot_dns_delegate.lookup import http1
from certbot_dns_delegate.lookup.conversation import WINDOW
from certbot_dns_delegate.lookup.fetch import TIMEOUT, HungUp
from certbot_dns_delegate.lookup.http2 import Http2
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question, Reply, Silence
from certbot_dns_delegate.lookup.sockets import CLOSED
from certbot_dns_delegate.lookup.trust import context
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import printable
from certbot_dns_delegate.threads import within

PROTOCOLS = ("h2", "http/1.1")
MOST_ADDRESSES = 4
"""Addresses of the resolver's host that are tried."""


def converse(server: Server, url: str, questions: Sequence[Question], patience_s: float) -> Iterator[Outcome]:
    """The outcome of each question, in any order; on another connection as long as each brings some answer."""
    waiting = deque(Ask(server, question) for question in questions)
    reason, has_progress, at_once = CLOSED, True, WINDOW
    while waiting and has_progress:
        has_progress = False
        try:
            for outcome in _connection(urlsplit(url), waiting, patience_s, at_once):
                has_progress = has_progress or isinstance(outcome, Reply)
                yield outcome
        except HungUp as error:
            reason = str(error)
        at_once = 1  # by HTTP/1.1: it may be that several were too much (RFC 9112 section 9.3.2)
    yield from (Silence(ask, reason) for ask in waiting)


def _connection(url: SplitResult, waiting: deque[Ask], patience_s: float, at_once: int) -> Iterator[Outcome]:
    """What one connection brings; a question that it does not settle goes back to those that wait.

    :raises HungUp: when it ends before all are settled.
    """
    host, port = url.hostname or "", url.port or 443
    try:
        with (
            _connected(host, port, patience_s) as plain,
            context(PROTOCOLS).wrap_socket(plain, server_hostname=host) as secured,
        ):
            secured.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if secured.selected_alpn_protocol() == "h2":
                yield from Http2(secured, url, waiting, patience_s).converse()
            else:
                yield from http1.converse(secured, url, waiting, patience_s, at_once)
    except ssl.SSLCertVerificationError as error:
        raise HungUp(f"a certificate that does not verify ({printable(error.verify_message)})") from None
    except TimeoutError:
        raise HungUp(TIMEOUT) from None
    except (OSError, UnicodeError) as error:  # the latter of a host name that is none
        why = getattr(error, "strerror", None) or type(error).__name__
        raise HungUp(f"no connection ({printable(why)})") from None


def _connected(host: str, port: int, patience_s: float) -> socket.socket:
    """A connection to the first address that answers; ``patience_s`` for looking the host up and for all addresses.

    :raises OSError: when there is none; TimeoutError is one.
    """
    until = time.monotonic() + patience_s
    # The system looks the host up: the resolver cannot be asked for itself. It may take minutes over it.
    found = within(patience_s, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), "resolver's host")
    failure: OSError = TimeoutError()
    for family, kind, protocol, _, address in found[:MOST_ADDRESSES]:
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(max(0.001, until - time.monotonic()))
            plain.connect(address)
            plain.settimeout(patience_s)
        except OSError as error:
            plain.close()
            failure = error
        else:
            return plain
    raise failure
