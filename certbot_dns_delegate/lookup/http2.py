"""Questions by HTTP/2: many requests at once on one connection (RFC 9113)."""

import ssl
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from certbot_dns_delegate.lookup import fetch
from certbot_dns_delegate.lookup.conversation import ENCRYPTED_WINDOW, MALFORMED
from certbot_dns_delegate.lookup.message import Ask, Outcome, Silence
from certbot_dns_delegate.lookup.sockets import CLOSED

CHUNK = 65_536
"""Octets that are read at once."""


@dataclass
class _Fetch:
    """A request, and what has come of its response."""

    ask: Ask
    until: float
    status: str = ""
    body: bytearray = field(default_factory=bytearray)


class Http2:
    """An HTTP/2 connection with some requests under way."""

    def __init__(self, secured: ssl.SSLSocket, url: SplitResult, waiting: deque[Ask], patience_s: float) -> None:
        self._secured = secured
        self._url = url
        self._waiting = waiting
        self._patience_s = patience_s
        self._window = ENCRYPTED_WINDOW
        self._fetches: dict[int, _Fetch] = {}
        """By the number of their stream."""
        self._connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )

    def converse(self) -> Iterator[Outcome]:
        """:raises HungUp: when the connection ends before all questions are settled."""
        try:
            self._connection.initiate_connection()
            while self._waiting or self._fetches:
                while self._waiting and len(self._fetches) < self._most():
                    self._request(self._waiting.popleft())
                if not self._fetches:  # a server may lower what it takes to nothing (RFC 9113 section 6.5.2)
                    raise fetch.HungUp("takes no requests")
                yield from self._expire()
                self._secured.sendall(self._connection.data_to_send())
                if self._fetches:
                    yield from self._receive()
        except h2.exceptions.ProtocolError as error:
            raise fetch.HungUp(f"{MALFORMED} ({type(error).__name__})") from None
        finally:
            self._waiting.extendleft(each.ask for each in self._fetches.values())

    def _most(self) -> int:
        return min(self._window, self._connection.remote_settings.max_concurrent_streams)

    def _request(self, ask: Ask) -> None:
        wire, number = fetch.content(ask), self._connection.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", fetch.host(self._url)),
            (":path", fetch.path(self._url)),
            ("accept", fetch.MEDIA_TYPE),
            ("content-type", fetch.MEDIA_TYPE),
            ("content-length", str(len(wire))),
        ]
        self._connection.send_headers(number, headers)
        self._connection.send_data(number, wire, end_stream=True)
        self._fetches[number] = _Fetch(ask, time.monotonic() + self._patience_s)

    def _expire(self) -> Iterator[Outcome]:
        now = time.monotonic()
        for number in [number for number, each in self._fetches.items() if each.until <= now]:
            self._connection.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
            yield Silence(self._fetches.pop(number).ask, fetch.TIMEOUT)

    def _receive(self) -> Iterator[Outcome]:
        """What arrives until the first question has waited too long."""
        until = min(each.until for each in self._fetches.values())
        self._secured.settimeout(max(0.001, until - time.monotonic()))
        try:
            chunk = self._secured.recv(CHUNK)
        except TimeoutError:
            return
        if not chunk:
            raise fetch.HungUp(CLOSED)
        for event in self._connection.receive_data(chunk):
            if isinstance(event, h2.events.ConnectionTerminated):
                raise fetch.HungUp(CLOSED)
            number = getattr(event, "stream_id", None) or 0
            if isinstance(event, h2.events.DataReceived):
                self._connection.acknowledge_received_data(event.flow_controlled_length, number)
            if number in self._fetches:
                yield from self._take(event, number, self._fetches[number])

    def _take(self, event: h2.events.Event, number: int, wanted: _Fetch) -> Iterator[Outcome]:
        if isinstance(event, h2.events.ResponseReceived):
            wanted.status = _text(next((value for name, value in event.headers if _text(name) == ":status"), ""))
        elif isinstance(event, h2.events.DataReceived):
            wanted.body += event.data[: fetch.MOST_OCTETS + 1 - len(wanted.body)]
        elif isinstance(event, h2.events.StreamEnded):
            del self._fetches[number]
            yield fetch.outcome(wanted.ask, wanted.status, bytes(wanted.body))
        elif isinstance(event, h2.events.StreamReset):
            del self._fetches[number]
            if event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM and self._fetches:
                # One too many at once (RFC 9113 section 8.7).
                self._window = len(self._fetches)
                self._waiting.append(wanted.ask)
            else:
                yield Silence(wanted.ask, CLOSED)


def _text(header: str | bytes) -> str:
    """Its type depends on the version of the library."""
    return header if isinstance(header, str) else header.decode("latin-1")
