"""The conversation with a resolver by HTTP/2 over TLS (RFC 8484, RFC 9113): one connection, many requests.

A server that speaks only HTTP/1.1 gets one request after the other on its connection.
"""

import http.client
import io
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from certbot_dns_delegate.lookup.conversation import MALFORMED, WINDOW
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question, Reply, Silence
from certbot_dns_delegate.lookup.octets import Echo, echo, question_end
from certbot_dns_delegate.lookup.reader import read
from certbot_dns_delegate.lookup.sockets import CLOSED
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import printable

MEDIA_TYPE = "application/dns-message"
MOST_OCTETS = 65_535
"""Of one reply."""
ID = b"\0\0"
"""RFC 8484 section 4.1: the same for all, so that caches know a question again."""
CHUNK = 65_536
TIMEOUT = "timeout"


class HungUp(Exception):
    """The connection has ended, and why."""


@dataclass
class Fetch:
    """A request, and what has come of its response."""

    ask: Ask
    until: float
    status: str = ""
    body: bytearray = field(default_factory=bytearray)


def converse(server: Server, url: str, questions: Sequence[Question], patience_s: float) -> Iterator[Outcome]:
    """The outcome of each question, in any order; on another connection as long as each brings some answer."""
    waiting = deque(Ask(server, question) for question in questions)
    reason, has_progress = CLOSED, True
    while waiting and has_progress:
        has_progress = False
        try:
            for outcome in _connection(urlsplit(url), waiting, patience_s):
                has_progress = has_progress or isinstance(outcome, Reply)
                yield outcome
        except HungUp as error:
            reason = str(error)
    yield from (Silence(ask, reason) for ask in waiting)


def _connection(url: SplitResult, waiting: deque[Ask], patience_s: float) -> Iterator[Outcome]:
    """What one connection brings; a question that it does not settle goes back to those that wait.

    :raises HungUp: when it ends before all are settled.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    host, port = url.hostname or "", url.port or 443
    try:
        with (
            socket.create_connection((host, port), patience_s) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            if secured.selected_alpn_protocol() == "h2":
                yield from _Http2(secured, url, waiting, patience_s).converse()
            else:
                yield from _http1(secured, url, waiting, patience_s)
    except ssl.SSLCertVerificationError as error:
        raise HungUp(f"a certificate that does not verify ({printable(error.verify_message)})") from None
    except TimeoutError:
        raise HungUp(TIMEOUT) from None
    except OSError as error:
        raise HungUp(f"no connection ({printable(error.strerror or type(error).__name__)})") from None


class _Http2:
    """An HTTP/2 connection with some requests under way."""

    def __init__(self, secured: ssl.SSLSocket, url: SplitResult, waiting: deque[Ask], patience_s: float) -> None:
        self._secured = secured
        self._url = url
        self._waiting = waiting
        self._patience_s = patience_s
        self._window = WINDOW
        self._fetches: dict[int, Fetch] = {}
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
                yield from self._expire()
                self._secured.sendall(self._connection.data_to_send())
                if self._fetches:
                    yield from self._receive()
        except h2.exceptions.ProtocolError as error:
            raise HungUp(f"{MALFORMED} ({type(error).__name__})") from None
        finally:
            self._waiting.extendleft(fetch.ask for fetch in self._fetches.values())

    def _most(self) -> int:
        return min(self._window, self._connection.remote_settings.max_concurrent_streams)

    def _request(self, ask: Ask) -> None:
        wire, number = ask.question.wire(ID), self._connection.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", _authority(self._url)),
            (":path", _path(self._url)),
            ("accept", MEDIA_TYPE),
            ("content-type", MEDIA_TYPE),
            ("content-length", str(len(wire))),
        ]
        self._connection.send_headers(number, headers)
        self._connection.send_data(number, wire, end_stream=True)
        self._fetches[number] = Fetch(ask, time.monotonic() + self._patience_s)

    def _expire(self) -> Iterator[Outcome]:
        now = time.monotonic()
        for number in [number for number, fetch in self._fetches.items() if fetch.until <= now]:
            self._connection.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
            yield Silence(self._fetches.pop(number).ask, TIMEOUT)

    def _receive(self) -> Iterator[Outcome]:
        """What arrives until the first question has waited too long."""
        until = min(fetch.until for fetch in self._fetches.values())
        self._secured.settimeout(max(0.001, until - time.monotonic()))
        try:
            chunk = self._secured.recv(CHUNK)
        except TimeoutError:
            return
        if not chunk:
            raise HungUp(CLOSED)
        for event in self._connection.receive_data(chunk):
            if isinstance(event, h2.events.ConnectionTerminated):
                raise HungUp(CLOSED)
            number = getattr(event, "stream_id", None) or 0
            if isinstance(event, h2.events.DataReceived):
                self._connection.acknowledge_received_data(event.flow_controlled_length, number)
            if number in self._fetches:
                yield from self._take(event, number, self._fetches[number])

    def _take(self, event: h2.events.Event, number: int, fetch: Fetch) -> Iterator[Outcome]:
        if isinstance(event, h2.events.ResponseReceived):
            fetch.status = _text(next((value for name, value in event.headers if _text(name) == ":status"), ""))
        elif isinstance(event, h2.events.DataReceived):
            fetch.body += event.data[: MOST_OCTETS + 1 - len(fetch.body)]
        elif isinstance(event, h2.events.StreamEnded):
            del self._fetches[number]
            yield _outcome(fetch.ask, fetch.status, bytes(fetch.body))
        elif isinstance(event, h2.events.StreamReset):
            del self._fetches[number]
            if event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM and self._fetches:
                # One too many at once (RFC 9113 section 8.7).
                self._window = len(self._fetches)
                self._waiting.append(fetch.ask)
            else:
                yield Silence(fetch.ask, CLOSED)


def _http1(secured: ssl.SSLSocket, url: SplitResult, waiting: deque[Ask], patience_s: float) -> Iterator[Outcome]:
    while waiting:
        wire = waiting[0].question.wire(ID)
        lines = [
            f"POST {_path(url)} HTTP/1.1",
            f"host: {_authority(url)}",
            f"accept: {MEDIA_TYPE}",
            f"content-type: {MEDIA_TYPE}",
            f"content-length: {len(wire)}",
        ]
        secured.settimeout(patience_s)
        secured.sendall("\r\n".join([*lines, "", ""]).encode() + wire)
        response = http.client.HTTPResponse(_Incoming(secured, time.monotonic() + patience_s))  # type: ignore[arg-type]
        try:
            response.begin()
            body = response.read(MOST_OCTETS + 1)
        except http.client.HTTPException as error:
            raise HungUp(f"{MALFORMED} ({type(error).__name__})") from None
        yield _outcome(waiting.popleft(), str(response.status), body)
        if response.will_close:
            return


class _Incoming(io.RawIOBase):
    """What comes on a connection until a moment, however slowly; as much of a socket as HTTPResponse needs."""

    def __init__(self, secured: ssl.SSLSocket, until: float) -> None:
        super().__init__()
        self._secured = secured
        self._until = until

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._secured.settimeout(left_s)
        return self._secured.recv_into(buffer)


def _authority(url: SplitResult) -> str:
    return url.netloc.rpartition("@")[2]


def _text(header: str | bytes) -> str:
    """Its type depends on the version of the library."""
    return header if isinstance(header, str) else header.decode("latin-1")


def _path(url: SplitResult) -> str:
    return f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"


def _outcome(ask: Ask, status: str, body: bytes) -> Outcome:
    if status != "200":
        return Silence(ask, f"HTTP {printable(status, 20)}" if status else CLOSED)
    sent = ask.question.wire(ID)
    if len(body) > MOST_OCTETS or body[:2] != ID or echo(body, sent, question_end(sent)) is Echo.NONE:
        return Silence(ask, MALFORMED)
    message = read(body)
    return Silence(ask, MALFORMED) if message is None else Reply(ask, message, "https")
