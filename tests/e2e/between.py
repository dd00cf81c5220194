"""A forwarder of DNS messages in front of a primary, which lets something happen in between."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.e2e.lab import network


class Between:
    """Forwards over TCP to BIND; calls ACT before it passes on message number BEFORE, from 1."""

    def __init__(self, act: Callable[[], object], before: int) -> None:
        self.act = act
        self.before = before
        self.passed = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve)

    @property
    def server(self) -> str:
        """As the settings name it."""
        return f"127.0.0.1@{self.listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def serve(self) -> None:
        """One connection after the other; where the primary is gone, the client's ends."""
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            with client, contextlib.suppress(OSError, EOFError):
                self.forward(client)

    def forward(self, client: socket.socket) -> None:
        """Message and answer in turn, until one side ends."""
        with socket.create_connection((network.BIND, 53)) as primary:
            while True:
                message = receive(client)
                self.passed += 1
                if self.passed == self.before:
                    self.act()
                primary.sendall(message)
                client.sendall(receive(primary))


def receive(connection: socket.socket) -> bytes:
    """One message with its length before it.

    :raises EOFError: when the other side has closed the connection.
    """
    head = exactly(connection, 2)
    return head + exactly(connection, struct.unpack("!H", head)[0])


def exactly(connection: socket.socket, count: int) -> bytes:
    """So many octets."""
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data
