"""Sockets and threads: one address and port, UDP and TCP, a function that turns a message into a reply."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import selectors
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .exchange import HangUp, Several, Transport

WORKERS = 128  # messages in work at once, silent TCP connections included

React = Callable[[bytes, Transport, str, int], bytes | Several | HangUp | None]
"""What is said to a message, its transport, and the client's address and port."""

_hosts = itertools.count(1)


def fresh_address() -> str:
    """A loopback address of this process's own, so that servers on one port do not meet."""
    pid, host = os.getpid(), next(_hosts)
    return f"127.{64 + (pid >> 8) % 64}.{pid % 256}.{1 + host % 254}"


class Listener:
    """Listens from `start` to `stop`; each datagram and each connection has a thread of its own."""

    def __init__(self, address: str, port: int, react: React) -> None:
        self.address, self.port = address, port
        self.closing = threading.Event()
        self._react = react
        self._connections: set[socket.socket] = set()
        self._work: list[Future[None]] = []

    def start(self, *, tcp: bool) -> None:
        """Bind and serve; without TCP its port is taken all the same, and refuses connections."""
        self._bind()
        self._sources = [self._udp]
        if tcp:
            self._tcp.listen(WORKERS)
            self._sources.append(self._tcp)
        self._stop, self._stopped = socket.socketpair()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix=f"dns-{self.address}")
        self._thread = threading.Thread(target=self._listen, name=f"dns-{self.address}")
        self._thread.start()

    def stop(self) -> None:
        """Close everything, wait for the threads.

        :raises Exception: what went wrong in one of them: a fault of the double must fail the test.
        """
        self.closing.set()
        self._stop.close()
        self._thread.join()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._pool.shutdown()
        for opened in (self._udp, self._tcp, self._stopped):
            opened.close()
        for work in self._work:
            work.result()

    def _bind(self) -> None:
        """Take one port for both; a free TCP port may be somebody's UDP port, so try again."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        for attempt in itertools.count(1):
            self._tcp = socket.socket(family, socket.SOCK_STREAM)
            self._udp = socket.socket(family, socket.SOCK_DGRAM)
            try:
                self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._tcp.bind(_where(self.address, self.port))
                self._udp.bind(_where(self.address, self._tcp.getsockname()[1]))
            except OSError as error:
                self._tcp.close()
                self._udp.close()
                if self.port or attempt == 20 or error.errno != errno.EADDRINUSE:
                    raise
            else:
                self.port = self._tcp.getsockname()[1]
                return

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            for source in (*self._sources, self._stopped):
                selector.register(source, selectors.EVENT_READ)
            while not self.closing.is_set():
                for key, _events in selector.select():
                    if key.fileobj is self._udp:
                        wire, client = self._udp.recvfrom(65535)
                        self._work.append(self._pool.submit(self._datagram, wire, client))
                    elif key.fileobj is self._tcp:
                        connection, client = self._tcp.accept()
                        self._connections.add(connection)
                        self._work.append(self._pool.submit(self._converse, connection, client))

    def _datagram(self, wire: bytes, client: tuple[str, int]) -> None:
        reply = self._react(wire, "udp", *client[:2])
        for each in _wires(reply):
            if self.closing.is_set():
                break
            self._udp.sendto(each, client)

    def _converse(self, connection: socket.socket, client: tuple[str, int]) -> None:
        """Serve one TCP connection, message by message, until the client or the reply ends it."""
        with connection:
            while (size := int.from_bytes(_read(connection, 2), "big")) and not self.closing.is_set():
                reply = self._react(_read(connection, size), "tcp", *client[:2])
                with contextlib.suppress(OSError):  # the client may have gone
                    for each in _wires(reply):
                        if self.closing.is_set():
                            break
                        connection.sendall(len(each).to_bytes(2, "big") + each)
                if isinstance(reply, HangUp):
                    break
            self._connections.discard(connection)


def _where(address: str, port: int) -> Any:
    """What sockets take; of a link-local address with its interface's number."""
    return socket.getaddrinfo(address, port, flags=socket.AI_NUMERICHOST)[0][4]


def _wires(reply: bytes | Several | HangUp | None) -> Iterable[bytes]:
    """What goes out."""
    if isinstance(reply, Several):
        return reply.wires
    if isinstance(reply, HangUp):
        reply = reply.last
    return [reply] if isinstance(reply, bytes) else []


def _read(connection: socket.socket, size: int) -> bytes:
    """So many octets, or nothing when the client left."""
    octets = b""
    while len(octets) < size:
        try:
            more = connection.recv(size - len(octets))
        except OSError:
            return b""
        if not more:
            return b""
        octets += more
    return octets
