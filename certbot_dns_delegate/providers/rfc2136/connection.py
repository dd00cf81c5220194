"""One connection to a server that takes dynamic updates: messages out, replies in, several at once (RFC 7766)."""

import socket
import ssl
import struct
import time
from collections.abc import Sequence
from types import TracebackType

import dns.message
import dns.tsig

from certbot_dns_delegate.lookup.sockets import address_of
from certbot_dns_delegate.model import Server

CONNECT_S = 4.0
"""Seconds for the handshake, as long as a person would wait before trying the next server."""
ANSWER_S = 15.0
"""Seconds for the whole answer to an UPDATE; BIND writes its journal to disk before it answers."""
FLAT_S = 45.0
"""The same with a file of certbot-dns-rfc2136, which waits so long (its DEFAULT_NETWORK_TIMEOUT)."""
AGAIN_S = 5.0
"""The same for a server that has kept silent so long just now: who has pressed Ctrl-C waits for it."""
RESEND_S = 2.0
"""Until a datagram without an answer is sent once more."""
PIPELINE = 50
"""Queries on their way at once on one connection: BIND allows 23 clients per TCP pipeline and queues the rest."""


class NotSent(OSError):
    """Not one octet of the message left this host."""


class Connection:
    """A TCP or TLS connection, or a UDP socket connected to one server; a context manager.

    A server may close after each answer (RFC 7766 section 6.2.3 lets it); then the rest goes on a new connection.
    """

    def __init__(
        self,
        server: Server,
        *,
        transport: str = "tcp",
        source: str | None = None,
        tls: ssl.SSLContext | None = None,
        tls_hostname: str | None = None,
        patience_s: float = ANSWER_S,
        begun: socket.socket | None = None,
    ) -> None:
        """Connect.

        :param patience_s: for each answer, however slowly it comes.
        :param begun: a connection by TCP to the server that is there already.

        :raises OSError: when that fails; nothing was sent then. ssl.SSLError is one.
        """
        self.server = server
        self.key: dns.tsig.Key | None = None
        """Signs what goes over it; whoever opens it sets it."""
        self.is_stream = transport != "udp"
        self._patience_s = patience_s
        self._source = source
        self._tls = tls if transport == "tls" else None
        self._tls_hostname = tls_hostname or server.address
        self._socket = self._connected() if begun is None else self._secured(begun)
        self._answers = 0
        """Taken from this socket."""
        self._is_broken = False

    def _connected(self) -> socket.socket:
        kind = socket.SOCK_STREAM if self.is_stream else socket.SOCK_DGRAM
        family, address = address_of(self.server)
        made = socket.socket(family, kind)
        try:
            made.settimeout(CONNECT_S)
            if self._source:
                made.bind(address_of(Server(self._source, 0))[1])
            made.connect(address)
        except OSError:
            made.close()
            raise
        return self._secured(made) if self.is_stream else made

    def _secured(self, made: socket.socket) -> socket.socket:
        """A connection by TCP, with TLS where that is wanted."""
        try:
            made.settimeout(CONNECT_S)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._tls.wrap_socket(made, server_hostname=self._tls_hostname) if self._tls is not None else made
        except OSError:
            made.close()
            raise

    def _connect_again(self) -> bool:
        """A new connection where the old one was of use, and is closed.

        :raises OSError: when there is none.
        """
        if not (self.is_stream and self._answers):
            return False
        self._socket.close()
        self._answers = 0
        self._socket = self._connected()
        return True

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def exchange(self, message: dns.message.Message) -> bytes:
        """One message out, the answer's bytes back, unverified; all that we send may safely arrive twice.

        :raises NotSent: when the connection turned out to be closed already.
        :raises OSError: when the connection breaks or stays silent; the message may have arrived.
        """
        return self.exchange_all([message])[message.id]

    def exchange_all(self, messages: Sequence[dns.message.Message]) -> dict[int, bytes]:
        """Several messages at once and their answers by message id; on UDP one after the other.

        :raises OSError: as :meth:`exchange`.
        """
        if self._is_broken and self.is_stream:
            self._socket.close()
            try:
                self._socket = self._connected()
            except OSError as error:
                raise NotSent(error.strerror or type(error).__name__) from None
            self._is_broken = False
        answers: dict[int, bytes] = {}
        together = PIPELINE if self.is_stream else 1
        for start in range(0, len(messages), together):
            waiting = {message.id: message.to_wire() for message in messages[start : start + together]}
            until = time.monotonic() + self._patience_s
            while waiting:
                try:
                    self._converse(waiting, answers, until)
                except OSError as error:
                    self._is_broken = True
                    if isinstance(error, TimeoutError) or not self._connect_again():
                        raise
                    self._is_broken = False
        return answers

    def _converse(self, waiting: dict[int, bytes], answers: dict[int, bytes], until: float) -> None:
        """Send what waits for an answer, and move each that gets one."""
        is_sent = False
        while waiting:
            try:
                self._send(list(waiting.values()), until)
            except NotSent as error:
                if is_sent:
                    raise ConnectionError(str(error)) from None
                raise
            is_sent = True
            try:
                again_at = until if self.is_stream else min(until, time.monotonic() + RESEND_S)
                while waiting:
                    wire = self._receive(again_at)
                    identifier = struct.unpack_from("!H", wire)[0] if len(wire) > 1 else None
                    if identifier in waiting:
                        del waiting[identifier]
                        answers[identifier] = wire
                        self._answers += 1
                    if waiting and self.is_stream:
                        self._acknowledge()
            except TimeoutError:
                if self.is_stream or time.monotonic() >= until:
                    raise

    def _send(self, wires: Sequence[bytes], until: float) -> None:
        """:raises NotSent: when the first octets could not be handed to the network."""
        parts = [b"".join(struct.pack("!H", len(wire)) + wire for wire in wires)] if self.is_stream else wires
        is_begun = False
        for part in parts:
            left = memoryview(part)
            while left:
                self._wait_until(until)
                try:
                    left = left[self._socket.send(left) :]
                except OSError as error:
                    # TLS may have sent a part of its record.
                    if is_begun or isinstance(self._socket, ssl.SSLSocket):
                        raise
                    raise NotSent(error.strerror or type(error).__name__) from None
                is_begun = True

    def _receive(self, until: float) -> bytes:
        if self.is_stream:
            return self._read(struct.unpack("!H", self._read(2, until))[0], until)
        self._wait_until(until)
        return self._socket.recv(65535)

    def _read(self, count: int, until: float) -> bytes:
        data = bytearray()
        while len(data) < count:
            self._wait_until(until)
            chunk = self._socket.recv(count - len(data))
            if not chunk:
                raise ConnectionResetError("connection closed")
            data += chunk
        return bytes(data)

    def _acknowledge(self) -> None:
        """Confirm what has come now, and not 40 ms later (delayed acknowledgement, RFC 1122 section 4.2.3.2).

        A server that answers two questions by two small segments holds the second until the first is confirmed
        (Nagle, RFC 896).
        """
        if hasattr(socket, "TCP_QUICKACK"):  # Linux
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _wait_until(self, until: float) -> None:
        """Let the next call of the socket wait so long; one that sends octet after octet must not hold us for ever."""
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)
