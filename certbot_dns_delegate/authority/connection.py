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


class Connection:
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

    @property
    def events(self) -> int:
        """What ``handle`` is to be called for, as a selector takes it."""
        events = 0 if self._behind else selectors.EVENT_READ
        return events | selectors.EVENT_WRITE if self._behind or self._unsent else events

    def handle(self, now: float) -> bool:
        """Send what the client takes, answer what is complete, read what came, and answer and send that.

        :return: whether the connection is still of use
        """
        try:
            self._send()
            useful = self._answer(now)
            if useful and not self._behind:
                useful = self._receive() and self._answer(now)
            self._send()
        except OSError:
            return False
        return useful

    def _receive(self) -> bool:
        """Read once, which keeps less than a whole message and ``CHUNK`` in memory; ``False`` at the end."""
        try:
            octets = self.socket.recv(CHUNK)
        except BlockingIOError:
            return True
        self._received += octets
        return bool(octets)

    def _answer(self, now: float) -> bool:
        """Answer complete queries in their order; ``False`` for a client that sends anything else."""
        start = 0
        self._behind = False
        useful = True
        while useful:
            begin = start + 2
            end = begin + int.from_bytes(self._received[start:begin], "big")
            if len(self._received) < max(begin, end):
                break
            if len(self._unsent) >= UNREAD:
                self._behind = True
                break
            reply = self._reply_to(bytes(self._received[begin:end]))
            if reply is None:
                useful = False
            else:
                self._unsent += len(reply).to_bytes(2, "big") + reply
                self.deadline = now + IDLE
            start = end
        del self._received[:start]
        return useful

    def _send(self) -> None:
        try:
            if self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            pass
