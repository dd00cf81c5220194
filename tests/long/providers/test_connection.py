"""Servers that lose a datagram, or answer octet by octet."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import dns.message
import pytest

from certbot_dns_delegate.model import Server
from certbot_dns_delegate.providers.rfc2136.connection import Connection
from tests.servers import First, Silent
from tests.servers import Server as Double
from tests.unit.providers.test_connection import QUERY


@contextmanager
def dripping(count: int) -> Iterator[Server]:
    """A server that announces COUNT octets and sends them one after the other, each soon enough for a patient reader;
    then it hangs up."""
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(struct.pack("!H", count))
            for _ in range(count):
                if ended.wait(0.1):
                    return
                try:
                    connection.sendall(b"\0")
                except OSError:
                    return  # the client has gone

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Server(*listener.getsockname())
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize("how", ["exchange", "exchange_all"])
def test_a_server_that_answers_octet_by_octet(how: str) -> None:
    """The patience is for the whole answer, or such a server would hold a run for hours."""
    with dripping(30) as server, Connection(server, patience_s=0.5) as connection:
        call = partial(connection.exchange, QUERY) if how == "exchange" else partial(connection.exchange_all, [QUERY])
        with pytest.raises(TimeoutError):
            call()


def test_a_datagram_is_sent_again() -> None:
    """What the network has lost on the way is not waited for in vain."""
    with (
        Double({"acme.test.": ""}, behaviour=First(1, Silent())) as double,
        Connection(Server(double.address, double.port), transport="udp") as connection,
    ):
        assert dns.message.from_wire(connection.exchange(QUERY)).id == QUERY.id
        assert len(double.questions) == 2
