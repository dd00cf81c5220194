"""Answers in a row on one connection: the kernel's own count of the acknowledgements that it held back."""

import os
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dns.message
import pytest

from certbot_dns_delegate.model import Server
from certbot_dns_delegate.providers.rfc2136.connection import Connection
from tests.e2e.lab import namespace, network

pytestmark = pytest.mark.skipif(
    os.environ.get(namespace.VARIABLE) != "namespace",
    reason="makes a network of its own, as the lab's namespaces allow",
)
ROUNDS, TOGETHER = 20, 3


def messages(connection: socket.socket) -> Iterator[bytes]:
    """What a client sends until it closes."""
    with connection.makefile("rb") as stream:
        while length := stream.read(2):
            yield stream.read(struct.unpack("!H", length)[0])


def serve(listener: socket.socket) -> None:
    """Answer each question by a small segment of its own, as a server without TCP_NODELAY does."""
    connection, _ = listener.accept()
    with connection:
        for wire in messages(connection):
            reply = dns.message.make_response(dns.message.from_wire(wire)).to_wire()
            connection.send(struct.pack("!H", len(reply)) + reply)


def delayed() -> int:
    """How many acknowledgements the kernel sent late in this thread's network (RFC 1122 section 4.2.3.2)."""
    lines = [line.split() for line in Path("/proc/thread-self/net/netstat").read_text().splitlines()]
    names, values = (line for line in lines if line[0] == "TcpExt:")
    return int(values[names.index("DelayedACKs")])


def conversed() -> int:
    """Ask several questions at once, several times, in a network where nobody else is; what was acknowledged late."""
    namespace.call(namespace.libc.unshare, namespace.CLONE_NEWNET)
    network.set_up(b"lo", up=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=[listener])
        server.start()
        with Connection(Server(*listener.getsockname())) as connection:
            for _ in range(ROUNDS):
                questions = [dns.message.make_query(f"{number}.acme.test.", "TXT") for number in range(TOGETHER)]
                assert len(connection.exchange_all(questions)) == TOGETHER
        server.join()
    return delayed()


def test_no_answer_waits_for_our_acknowledgement() -> None:
    """A server holds the next small answer until the last is acknowledged (Nagle, RFC 896): done at once."""
    # A thread can leave the lab's network alone; none of its successors would come back.
    with ThreadPoolExecutor(1) as alone:
        assert alone.submit(conversed).result() == 0
