"""What questions travel on: a UDP port of their own, or a TCP or TLS connection that they share."""

import contextlib
import errno
import os
import selectors
import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certbot_dns_delegate.lookup import sockets
from certbot_dns_delegate.lookup.forms import Form
from certbot_dns_delegate.lookup.message import Outcome
from certbot_dns_delegate.text import printable

if TYPE_CHECKING:
    from certbot_dns_delegate.lookup.awaited import Awaited
    from certbot_dns_delegate.lookup.conversation import Conversation

AT_ONCE = 16
"""Messages that are read before other servers have their turn."""
MOST_WRONG = 16
"""Messages that answer nothing before no more are read here; a real server sends none, or repetitions of what it has
answered, which are not counted."""
CHUNK = 65536
"""Octets of a stream that are read at once."""


@dataclass(slots=True, eq=False)
class Sent:
    """A question in the form in which it was sent once."""

    pending: "Awaited"
    wire: bytes
    question_end: int
    form: Form
    is_mixed: bool
    """The letters are in mixed case."""


class Way:
    """Where answers arrive; the id says which question each is to."""

    def __init__(self, conversation: "Conversation") -> None:
        self.conversation = conversation
        self.expected: dict[int, Sent] = {}
        self.answered: set[int] = set()
        """A question may be answered more than once, if it was put more than once."""
        self.wrong = 0
        self.socket: socket.socket | None = None

    def fresh_id(self) -> bytes:
        """An id that no question has here."""
        while True:
            identifier = os.urandom(2)
            if (number := int.from_bytes(identifier, "big")) not in self.expected and number not in self.answered:
                return identifier

    def expect(self, sent: Sent) -> None:
        """An answer to it may come."""
        self.expected[int.from_bytes(sent.wire[:2], "big")] = sent

    def done(self, sent: Sent) -> None:
        """Its answer has come."""
        identifier = int.from_bytes(sent.wire[:2], "big")
        self.expected.pop(identifier, None)
        self.answered.add(identifier)

    @property
    def is_closed(self) -> bool:
        return self.socket is None

    def close(self) -> None:
        """Nothing arrives here any more."""
        if self.socket is not None:
            self.conversation.selector.unregister(self.socket)
            sockets.close(self.socket)
            self.socket = None


class Port(Way):
    """A UDP port, opened for one question (RFC 5452 section 9.2), and closed once nothing is expected there."""

    def __init__(self, conversation: "Conversation") -> None:
        """:raises OSError: when there is no way to the server."""
        super().__init__(conversation)
        self._most = 0
        """The largest payload that was offered from here."""
        self.socket = sockets.connected(conversation.server, socket.SOCK_DGRAM)
        conversation.selector.register(self.socket, selectors.EVENT_READ, self)

    def send(self, sent: Sent) -> None:
        """:raises OSError: when that fails at once."""
        self.expect(sent)
        self._most = max(self._most, sent.pending.ask.question.payload)
        assert self.socket is not None
        with contextlib.suppress(BlockingIOError):  # a full buffer loses it as the network may; it is repeated
            self.socket.send(sent.wire)

    def ready(self, _: int) -> Iterator[Outcome]:
        """What has arrived."""
        for _ in range(AT_ONCE):
            if self.socket is None:
                return
            try:
                # One octet more than was offered, to see that it was too much.
                wire = self.socket.recv(self._most + 1)
            except BlockingIOError:
                return
            except OSError as error:
                # An ICMP error: nobody listens there. TCP may still be served.
                self.conversation.fail_udp(sockets.reason_of(error))
                return
            yield from self.conversation.take(self, wire)
            if self.wrong >= MOST_WRONG:
                self.conversation.give_up(self)
                return


class Stream(Way):
    """A TCP connection, or a TLS one, that is made when the first question is sent."""

    def __init__(self, conversation: "Conversation") -> None:
        """:raises OSError: when there is no way to the server."""
        super().__init__(conversation)
        self.replies = 0
        self._out = bytearray()
        self._in = bytearray()
        self._is_connected = False
        self._is_secured = conversation.tls is None
        plain = sockets.connected(conversation.server, socket.SOCK_STREAM)
        self.socket = plain
        if conversation.tls is not None:
            context, name = conversation.tls
            self.socket = context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
        conversation.selector.register(self.socket, _BOTH, self)

    def in_flight(self) -> int:
        """Questions that still wait for what comes here."""
        return sum(1 for sent in self.expected.values() if sent.pending.is_waiting)

    def send(self, sent: Sent) -> None:
        """Send it as soon as the connection takes it."""
        self.expect(sent)
        self._out += struct.pack("!H", len(sent.wire)) + sent.wire
        if self._is_secured:
            self._watch(_BOTH)

    def ready(self, mask: int) -> Iterator[Outcome]:
        """Send what waits and read what has arrived."""
        try:
            if self._is_set_up():
                if self._out:
                    self._write()
                if mask & selectors.EVENT_READ:
                    yield from self._read()
                self._watch(_BOTH if self._out else selectors.EVENT_READ)
        except ssl.SSLWantWriteError:
            self._watch(_BOTH)
        except (ssl.SSLWantReadError, BlockingIOError):
            self._watch(_BOTH if self._out and self._is_secured else selectors.EVENT_READ)
        except ssl.SSLCertVerificationError as error:
            why = f"a certificate that does not verify ({printable(error.verify_message)})"
            self.conversation.end_stream(self, why)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.conversation.end_stream(self, sockets.CLOSED)
        except ssl.SSLError as error:
            self.conversation.end_stream(self, f"no TLS ({printable(error.reason or 'it failed')})")
        except OSError as error:
            self.conversation.end_stream(self, sockets.reason_of(error))

    def _is_set_up(self) -> bool:
        """Whether questions can be sent.

        :raises OSError: when they never will.
        """
        assert self.socket is not None
        if not self._is_connected:
            code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            self._is_connected = True
        if not self._is_secured:
            assert isinstance(self.socket, ssl.SSLSocket)
            self.socket.do_handshake()
            self._is_secured = True
        return True

    def _write(self) -> None:
        assert self.socket is not None
        sent = self.socket.send(self._out)
        del self._out[:sent]

    def _read(self) -> Iterator[Outcome]:
        while True:
            assert self.socket is not None
            chunk = self.socket.recv(CHUNK)
            if not chunk:
                raise ConnectionResetError(errno.ECONNRESET, sockets.CLOSED)
            self._in += chunk
            while len(self._in) >= 2 and len(self._in) >= (end := 2 + struct.unpack_from("!H", self._in)[0]):
                wire = bytes(self._in[2:end])
                del self._in[:end]
                yield from self.conversation.take(self, wire)
                if self.wrong >= MOST_WRONG:
                    self.conversation.end_stream(self, "malformed")
                if self.is_closed:
                    return
            if not isinstance(self.socket, ssl.SSLSocket) or not self.socket.pending():
                return

    def _watch(self, events: int) -> None:
        if self.socket is not None:
            self.conversation.selector.modify(self.socket, events, self)


_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE
