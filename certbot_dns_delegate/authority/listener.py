"""The server itself: one thread that answers on its addresses until it is stopped."""

import errno
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from certbot_dns_delegate.authority.answer import TCP, UDP, answer
from certbot_dns_delegate.authority.binding import ANCILLARY, EVERYWHERE, Sockets, bind, from_where_asked
from certbot_dns_delegate.authority.connection import TCPConnection
from certbot_dns_delegate.authority.errors import NoIPv6Error, NoSuchAddressError, explain
from certbot_dns_delegate.authority.limit import Limiter, prefix
from certbot_dns_delegate.authority.zone import ServedZones

PORT = 53

CONNECTIONS = 256
"""TCP clients at once: far more than a CA's resolvers open, far fewer than the files a process may have
(1024)."""

PAUSE = 1.0
"""Seconds without new connections after the system had no room for one, so as not to be asked again at
once."""

BATCH = 64
"""Datagrams taken from one socket in a row: under a flood the other sockets wait for about a millisecond."""

LONGEST = 4096
"""Octets of a query over UDP, many times what a question and EDNS take; a longer one is dropped."""

_CUT = int(socket.MSG_TRUNC)  # as a plain integer: arithmetic with the enumeration costs as much as a look-up
_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listener:
    """A server: listening once it is made, answering from ``start`` until ``stop``.

    :ivar zones: what is served; assign other ``ServedZones`` at any time, from any thread, and every query sent
        after that is answered from them
    """

    def __init__(self, zones: ServedZones, addresses: Sequence[str] | None = None, port: int = PORT) -> None:
        """
        :param addresses: IPv4 and IPv6 addresses; ``None`` for all that this host has, be they IPv4 alone
        :raises ListenError: when it cannot listen on one of them
        """
        self.zones = zones
        self._limiter = Limiter()
        self._connections: dict[socket.socket, TCPConnection] = {}
        self._paused: dict[socket.socket, float] = {}
        self._bound: list[Sockets] = []
        wanted = EVERYWHERE if addresses is None else addresses
        with ExitStack() as opened:  # a signal too must leave no port bound
            for address in wanted:
                try:
                    self._bound.append(bind(address, port))
                except (NoIPv6Error, NoSuchAddressError):
                    if addresses is not None or ":" not in address:
                        raise
                else:
                    opened.callback(self._bound[-1].close)
            try:
                self._selector = opened.enter_context(selectors.DefaultSelector())
                self._stop, self._stopped = socket.socketpair()
            except OSError as error:
                raise explain(error, wanted[0], port, "tcp") from error
            opened.pop_all()
        # A daemon: a process that ends without having called stop() does end.
        self._thread = threading.Thread(target=self._serve, name="authority", daemon=True)
        self._is_threads = False  # what is open is the thread's to close

    @property
    def bound(self) -> list[tuple[str, int]]:
        """The addresses and ports it listens on."""
        return [sockets.udp.getsockname()[:2] for sockets in self._bound]

    def start(self) -> None:
        """Answer, from another thread, whatever has come since the server was made."""
        self._is_threads = True
        try:
            self._thread.start()
        except RuntimeError:  # the system has no room for a thread
            self._is_threads = False
            raise

    def stop(self) -> None:
        """Answer no longer.  On return everything is closed; a second call does nothing."""
        self._stop.close()
        if not self._is_threads:
            self._close_all()
        elif self._thread.is_alive():  # not yet where a signal has interrupted start(): then it ends by itself
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _close_all(self) -> None:
        self._selector.close()
        things: list[Sockets | socket.socket] = [*self._bound, *self._connections, self._stopped]
        for thing in things:
            thing.close()

    def _serve(self) -> None:
        # Closed here, so that neither an interrupted stop() nor a fault leaves a port bound where nobody answers, and
        # nothing is closed that this thread still uses.
        try:
            self._answer_all()
        finally:
            self._close_all()

    def _answer_all(self) -> None:
        self._selector.register(self._stopped, selectors.EVENT_READ)
        for sockets in self._bound:
            self._selector.register(sockets.udp, selectors.EVENT_READ, self._answer_datagrams)
            self._selector.register(sockets.tcp, selectors.EVENT_READ, self._accept)
        while True:
            due = [connection.deadline for connection in self._connections.values()] + [*self._paused.values()]
            ready = self._selector.select(max(0.0, min(due) - time.monotonic()) if due else None)
            now = time.monotonic()
            for key, _ in ready:
                if key.fileobj is self._stopped:
                    return
                key.data(key.fileobj, now)
            self._expire(now)

    def _answer_datagrams(self, server: socket.socket, now: float) -> None:
        for _ in range(BATCH):
            try:
                query, ancillary, flags, source = server.recvmsg(LONGEST, ANCILLARY)
            except OSError:
                return  # nothing left
            if flags & _CUT:
                continue
            network = prefix(source[0])
            # With no room the reply sends the client to TCP, where a source address is proven.
            # The zones of this moment, not of the batch's start: who asks after a change must see it.
            reply = answer(self.zones, query, 0 if self._limiter.exhausted(network, now) else UDP)
            if reply is None:
                continue
            if len(reply) > len(query):  # a shorter one amplifies nothing
                self._limiter.charge(network, now)
            with suppress(OSError):  # no route back, or no room: a resolver asks again
                server.sendmsg((reply,), from_where_asked(ancillary), 0, source)

    def _accept(self, server: socket.socket, now: float) -> None:
        try:
            client, source = server.accept()
            client.setblocking(False)
            # Pipelined replies go out one by one; none shall wait for the acknowledgement of the last.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            if error.errno in _FULL:
                self._selector.unregister(server)
                self._paused[server] = now + PAUSE
            return  # else the client was faster in going away
        if len(self._connections) >= CONNECTIONS:
            self._make_room()
        self._connections[client] = TCPConnection(client, prefix(source[0]), self._reply_over_tcp, now)
        self._selector.register(client, selectors.EVENT_READ, self._handle)

    def _make_room(self) -> None:
        """Close the connection that has been silent longest in the network that has most: a flood from one
        network closes its own."""
        share = Counter(connection.network for connection in self._connections.values())
        self._close(min(self._connections.values(), key=lambda each: (-share[each.network], each.deadline)))

    def _handle(self, client: socket.socket, now: float) -> None:
        connection = self._connections.get(client)
        if connection is None:
            return  # closed to make room since the selector named it
        if connection.handle(now):
            self._selector.modify(client, connection.events, self._handle)
        else:
            self._close(connection)

    def _reply_over_tcp(self, query: bytes) -> bytes | None:
        return answer(self.zones, query, TCP)

    def _close(self, connection: TCPConnection) -> None:
        self._selector.unregister(connection.socket)
        del self._connections[connection.socket]
        connection.socket.close()

    def _expire(self, now: float) -> None:
        for connection in [each for each in self._connections.values() if each.deadline <= now]:
            self._close(connection)
        for server in [each for each, until in self._paused.items() if until <= now]:
            del self._paused[server]
            self._selector.register(server, selectors.EVENT_READ, self._accept)
