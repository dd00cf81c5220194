"""The conversation with one name server: its UDP socket, its TCP connection, and the questions on their way."""

import errno
import os
import selectors
import socket
import struct
from collections import deque
from collections.abc import Iterator

import dns.message
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.message import PAYLOAD, UNREACHABLE, Ask
from certbot_dns_delegate.lookup.reader import TC, Echo, Unreadable, echo, parse, question_end
from certbot_dns_delegate.model import Server

ANSWER_ENOUGH = {RdataType.TXT, RdataType.CNAME}
"""Of an answer to these nothing but the answer section is read."""
MOST_WRONG = 32
"""Messages from one server that answer nothing before no more of its are read; a real one sends none, or a few
repetitions of what it has answered, which are not counted."""
AT_ONCE = 16
"""Datagrams that are read before other servers have their turn."""


class Pending:
    """A question on its way."""

    def __init__(self, ask: Ask, patience_s: float) -> None:
        self.ask = ask
        self.patience_s = patience_s
        self.started = 0.0
        self.repeated = False
        self.use_edns = True
        self.needs_tcp = ask.by_tcp
        self.is_truncated = False

    def renew(self) -> None:
        """Render it; not before it is sent, since most questions to a zone's further servers never are."""
        identifier = os.urandom(2)
        self.id = int.from_bytes(identifier, "big")
        self.wire = self.ask.question.wire(identifier, edns=self.use_edns)
        self.question_end = question_end(self.wire)


class Conversation:
    """All questions to one server: a UDP socket, and a TCP connection once it is needed."""

    def __init__(self, server: Server, selector: selectors.BaseSelector) -> None:
        self.server = server
        self.selector = selector
        self.waiting: deque[Pending] = deque()
        self.outstanding: dict[int, Pending] = {}
        self.answered: set[int] = set()
        """Ids of questions that need no more answers; a repeated question has several."""
        self.wrong = 0
        self.udp: socket.socket | None = None
        self.udp_failure = ""
        self.tcp: socket.socket | None = None
        self.tcp_failure = ""
        self.tcp_replies = 0
        self.tcp_busy = False
        self.tcp_queue: deque[Pending] | None = None
        """Once the server has closed a connection: what waits until the question on its way by TCP is answered."""
        self.tcp_out = bytearray()
        self.tcp_in = bytearray()

    # Sending

    def send(self, pending: Pending, now: float) -> None:
        pending.renew()
        while pending.id in self.outstanding:
            pending.renew()
        pending.started = pending.started or now
        self.outstanding[pending.id] = pending
        if pending.needs_tcp:
            self._send_tcp(pending)
        else:
            self._send_udp(pending)

    def repeat(self, pending: Pending) -> None:
        """The question once more, by both transports: a dead UDP port is only seen by TCP."""
        pending.repeated = True
        self._send_udp(pending)
        self._send_tcp(pending)

    def _send_udp(self, pending: Pending) -> None:
        if self.wrong >= MOST_WRONG:
            self._send_tcp_once(pending)
            return
        try:
            if self.udp is None:
                self.udp = self._socket(socket.SOCK_DGRAM)
                self.selector.register(self.udp, selectors.EVENT_READ, self)
            self.udp.send(pending.wire)
        except BlockingIOError:
            pass  # a full buffer loses it as the network may; it is repeated
        except OSError as error:
            self.udp_failure = _reason(error)
            if not pending.needs_tcp:
                pending.needs_tcp = True
                self._send_tcp(pending)

    def _send_tcp(self, pending: Pending) -> None:
        if self.tcp_failure:
            return
        if self.tcp_queue is not None and self.tcp_busy:
            self.tcp_queue.append(pending)
        else:
            self._write(pending)

    def _write(self, pending: Pending) -> None:
        self.tcp_busy = True
        self.tcp_out += struct.pack("!H", len(pending.wire)) + pending.wire
        try:
            if self.tcp is None:
                self.tcp = self._socket(socket.SOCK_STREAM)
                self.selector.register(self.tcp, selectors.EVENT_READ | selectors.EVENT_WRITE, self)
            else:
                self.selector.modify(self.tcp, selectors.EVENT_READ | selectors.EVENT_WRITE, self)
        except OSError as error:
            self._fail_tcp(_reason(error))

    def _socket(self, kind: socket.SocketKind) -> socket.socket:
        family = socket.AF_INET6 if self.server.is_ipv6 else socket.AF_INET
        new = socket.socket(family, kind)
        try:
            new.setblocking(False)
            code = new.connect_ex((self.server.address, self.server.port))
            if code not in {0, errno.EINPROGRESS}:
                raise OSError(code, os.strerror(code))
        except OSError:
            new.close()
            raise
        return new

    # Receiving

    def ready(self, which: socket.socket, mask: int) -> Iterator[tuple[Pending, dns.message.Message, str]]:
        """The replies that ``which`` has for us now."""
        if which is self.udp:
            yield from self._read_udp(which)
        elif which is self.tcp:
            if mask & selectors.EVENT_WRITE:
                self._write_tcp(which)
            if mask & selectors.EVENT_READ and self.tcp is which:
                yield from self._read_tcp(which)

    def _read_udp(self, udp: socket.socket) -> Iterator[tuple[Pending, dns.message.Message, str]]:
        for _ in range(AT_ONCE):
            try:
                # One octet more than was offered, to see that it was too much.
                wire = udp.recv(PAYLOAD + 1)
            except BlockingIOError:
                return
            except OSError as error:
                # An ICMP error: nobody listens there. TCP may still be served.
                self._fail_udp(_reason(error))
                return
            pending = self._asked(wire)
            if pending is None:
                pass
            elif len(wire) > PAYLOAD or wire[2] & TC:
                pending.needs_tcp = pending.is_truncated = True
                self._send_tcp_once(pending)
            elif (message := self._message(pending, wire)) is not None:
                yield pending, message, "udp"
            if self.wrong >= MOST_WRONG:
                self._fail_udp("malformed")
                return

    def _fail_udp(self, reason: str) -> None:
        """From now on TCP."""
        self.udp_failure = reason
        if reason == "malformed" and self.udp is not None:
            self.selector.unregister(self.udp)
            self.udp.close()
            self.udp = None
        for pending in list(self.outstanding.values()):
            self._send_tcp_once(pending)

    def _send_tcp_once(self, pending: Pending) -> None:
        if not pending.repeated:
            pending.repeated = True
            self._send_tcp(pending)

    def _write_tcp(self, tcp: socket.socket) -> None:
        code = tcp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code in {errno.ECONNRESET, errno.EPIPE}:
            self._end_tcp()
            return
        if code:
            self._fail_tcp(_reason(OSError(code, os.strerror(code))))
            return
        try:
            sent = tcp.send(self.tcp_out)
        except BlockingIOError:
            return
        except (ConnectionResetError, BrokenPipeError):
            self._end_tcp()
            return
        except OSError as error:
            self._fail_tcp(_reason(error))
            return
        del self.tcp_out[:sent]
        if not self.tcp_out:
            self.selector.modify(tcp, selectors.EVENT_READ, self)

    def _read_tcp(self, tcp: socket.socket) -> Iterator[tuple[Pending, dns.message.Message, str]]:
        try:
            chunk = tcp.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            chunk = b""
        except OSError as error:
            self._fail_tcp(_reason(error))
            return
        if not chunk:
            self._end_tcp()
            return
        self.tcp_in += chunk
        while len(self.tcp_in) >= 2:
            length = struct.unpack_from("!H", self.tcp_in)[0]
            if len(self.tcp_in) < 2 + length:
                return
            wire = bytes(self.tcp_in[2 : 2 + length])
            del self.tcp_in[: 2 + length]
            pending = self._asked(wire)
            message = self._message(pending, wire) if pending is not None else None
            if pending is not None and message is not None:
                self.tcp_replies += 1
                self.tcp_busy = False
                yield pending, message, "tcp"
                if self.tcp_queue and not self.tcp_busy:
                    self._write(self.tcp_queue.popleft())
            elif self.wrong >= MOST_WRONG:
                self._fail_tcp("malformed")
                return

    def _asked(self, wire: bytes) -> Pending | None:
        """The question that ``wire`` answers; a datagram that answers none is ignored, as it may be forged."""
        identifier = int.from_bytes(wire[:2], "big")
        pending = self.outstanding.get(identifier)
        if pending is None and identifier in self.answered and len(wire) > 1:
            return None  # a late answer to a question that was put twice
        if pending is None or echo(wire, pending.wire, pending.question_end) is Echo.NONE:
            self.wrong += 1
            return None
        return pending

    def _message(self, pending: Pending, wire: bytes) -> dns.message.Message | None:
        try:
            return parse(wire, pending.ask.question.rdtype in ANSWER_ENOUGH)
        except Unreadable:
            self.wrong += 1
            return None

    # Ending

    def _end_tcp(self) -> None:
        """The server closed the connection; from now on one question at a time.

        Some servers answer only once or a few times, and a reset may have eaten what they said (RFC 7766 section 6.2).
        """
        is_worth_it = self.tcp_replies > 0 or self.tcp_queue is None
        self._fail_tcp("connection closed")
        if is_worth_it and (again := [p for p in self.outstanding.values() if p.needs_tcp or p.repeated]):
            self.tcp_failure = ""
            self.tcp_replies = 0
            self.tcp_queue = deque()
            for pending in again:
                self._send_tcp(pending)

    def _fail_tcp(self, reason: str) -> None:
        self.tcp_failure = reason
        self.tcp_busy = False
        self.tcp_out.clear()
        self.tcp_in.clear()
        if self.tcp is not None:
            if self.tcp.fileno() in self.selector.get_map():
                self.selector.unregister(self.tcp)
            self.tcp.close()
            self.tcp = None

    def is_hopeless(self, pending: Pending) -> bool:
        """Nothing that could still arrive would be the answer."""
        return bool(self.tcp_failure and (pending.needs_tcp or (pending.repeated and self.udp_failure)))

    def failure(self, pending: Pending) -> str:
        if pending.is_truncated:
            return f"truncated by UDP, {self.tcp_failure or 'timeout'} by TCP"
        if self.wrong:
            return "malformed"
        return self.udp_failure or (self.tcp_failure if self.tcp_failure != "connection closed" else "") or "timeout"

    def close(self) -> None:
        for each in (self.udp, self.tcp):
            if each is not None:
                each.close()


def _reason(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "connection refused"
    if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETDOWN}:
        return UNREACHABLE
    return "connection closed" if error.errno in {errno.ECONNRESET, errno.EPIPE} else f"error {error.errno}"
