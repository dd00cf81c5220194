"""One TCP client: its queries, its replies, and no more memory or time than it may have."""

import selectors
import socket
from collections.abc import Callable

IDLE = 5.0
"""Seconds without a complete query, after which a client has said all it had to (RFC 7766 section 6.2.3: "on
the order of a few seconds")."""

CHUNK = 16_384
"""Octets read at once: a few milliseconds of work at most, so that nobody else waits."""

UNREAD = 65_536
"""Octets of replies the client has not taken, from which on none of its queries is read."""


class TCPConnection:
    """A TCP connection; ``handle`` does what can be done without waiting.

    :param reply_to: gives the reply to a query, ``None`` for what is none
    :ivar network: what ``limit.prefix`` says of the client
    :ivar deadline: when it is closed, in seconds of the monotonic clock
    """

    def __init__(
        self, client: socket.socket, network: bytes, reply_to: Callable[[bytes], bytes | None], now: float
    ) -> None:
        self.socket = client
        self.network = network
        self._reply_to = reply_to
        self.deadline = now + IDLE
        self._received = bytearray()
        self._unsent = bytearray()
        self._behind = False  # complete queries wait until the client takes replies
        self._ending = False  # nothing more is read, and what is not sent yet still goes

    @property
    def events(self) -> int:
        """What ``handle`` is to be called for, as a selector takes it."""
        events = 0 if self._behind or self._ending else selectors.EVENT_READ
        return events | selectors.EVENT_WRITE if self._behind or self._unsent else events

    def handle(self, now: float) -> bool:
        """Send what the client takes, answer what is complete, read what came, and answer and send that.

        :return: whether the connection is still of use
        """
        try:
            self._send()
            self._answer(now)
            if not self._behind and not self._ending:
                self._receive()
                self._answer(now)
            self._send()
        except OSError:
            return False
        return not self._ending or bool(self._unsent)

    def _receive(self) -> None:
        """Read once, which keeps less than a whole message and ``CHUNK`` in memory."""
        try:
            octets = self.socket.recv(CHUNK)
        except BlockingIOError:
            return
        self._received += octets
        # The client may have closed its side alone, and wait for replies.
        self._ending = not octets

    def _answer(self, now: float) -> None:
        """Answer complete queries in their order; a client that sends anything else has said all it had to."""
        start = 0
        self._behind = False
        while not self._ending:
            begin = start + 2
            end = begin + int.from_bytes(self._received[start:begin], "big")
            if len(self._received) < max(begin, end):
                break
            if len(self._unsent) >= UNREAD:
                self._behind = True
                break
            reply = self._reply_to(bytes(self._received[begin:end]))
            if reply is None:
                self._ending = True
            else:
                self._unsent += len(reply).to_bytes(2, "big") + reply
                self.deadline = now + IDLE
            start = end
        del self._received[:start]

    def _send(self) -> None:
        try:
            if self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            pass
