"""DNS over HTTPS at servers that speak only HTTP/1.1."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.conversation import WINDOW
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.recursive import Recursive, parse_resolvers
from tests.e2e.lab.certificates import Authority
from tests.long.lookup import test_encrypted
from tests.long.lookup.test_encrypted import context
from tests.long.lookup.test_recursive import MANY, server
from tests.servers import Server

authority = test_encrypted.authority
QUESTIONS = MANY[:40]


class Http1:
    """A DNS server behind HTTP/1.1, for one connection after the other.

    :param together: requests that it waits for before it answers the first of a connection.
    :param most: answers until it ends a connection.
    :param forgets: after its first answer it drops what else it has read, as servers that know no pipelining.
    """

    def __init__(self, plain: Server, *, together: int = 1, most: int = 1000, forgets: bool = False) -> None:
        self.plain, self.together, self.most, self.forgets = plain, together, most, forgets
        self.connections = 0
        self.methods: set[str] = set()

    def serve(self, client: ssl.SSLSocket) -> None:
        """Until the client leaves or has had enough."""
        self.connections += 1
        read, answered, together = b"", 0, self.together
        with socket.create_connection((self.plain.address, self.plain.port)) as behind:
            while answered < self.most and (octets := client.recv(65535)):
                read += octets
                if read.count(b"\r\n\r\n") < together:
                    continue
                together = 1
                *requests, read = read.split(b"\r\n\r\n")
                for request in requests[: 1 if self.forgets else self.most - answered]:
                    client.sendall(self.answer(request, behind))
                    answered += 1

    def answer(self, request: bytes, behind: socket.socket) -> bytes:
        """The response to one request."""
        method, target, _ = request.partition(b"\r\n")[0].decode().split(" ")
        self.methods.add(method)
        wire = base64.urlsafe_b64decode(parse_qs(urlsplit(target).query)["dns"][0] + "==")
        behind.sendall(len(wire).to_bytes(2, "big") + wire)
        length = int.from_bytes(behind.recv(2, socket.MSG_WAITALL), "big")
        reply = behind.recv(length, socket.MSG_WAITALL)
        return f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n".encode() + reply


@contextlib.contextmanager
def over_http1(front: Http1, tls: ssl.SSLContext) -> Iterator[str]:
    """The URL of an HTTP/1.1 front of a resolver."""
    with socket.create_server((front.plain.address, 0)) as listener:
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with connection, tls.wrap_socket(connection, server_side=True) as client:
                        front.serve(client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://{front.plain.address}:{listener.getsockname()[1]}/dns-query?via=here"
        finally:
            stopping.set()
            with contextlib.suppress(OSError):
                socket.create_connection(listener.getsockname(), 1).close()
            thread.join()


def answered(front: Http1, authority: Authority) -> int:
    """How many of the questions have an answer."""
    with over_http1(front, context(authority, front.plain.address)) as url:
        answers = Recursive(parse_resolvers(url), patience_s=(2.0, 2.0)).ask_all(QUESTIONS)
    return sum(isinstance(answer, Reply) and answer.transport == "https" for answer in answers.values())


def test_requests_follow_one_another(authority: Authority) -> None:
    """They do not wait for responses, and can be repeated, as those must that do not wait."""
    with server() as plain:
        front = Http1(plain, together=WINDOW)
        assert answered(front, authority) == len(QUESTIONS)
    assert front.connections == 1
    assert front.methods == {"GET"}


@pytest.mark.parametrize("options", [{"most": 1}, {"most": 7}, {"forgets": True}])
def test_servers_that_do_not_take_several(authority: Authority, options: dict[str, int]) -> None:
    """As long as each connection brings an answer, there is another one, with one request at a time."""
    with server() as plain:
        front = Http1(plain, **options)  # type: ignore[arg-type]  # of the right types
        assert answered(front, authority) == len(QUESTIONS)
    assert front.connections > 1


class Saying(Http1):
    """Answers any request with the same octets."""

    def __init__(self, plain: Server, octets: bytes) -> None:
        super().__init__(plain)
        self.octets = octets

    def answer(self, request: bytes, behind: socket.socket) -> bytes:
        return self.octets


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\nabc\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
    ],
    ids=["negative", "no number", "no status"],
)
def test_octets_that_are_no_response(authority: Authority, octets: bytes) -> None:
    """They are an error about this resolver, whatever the library makes of them, and the next one is asked."""
    with server() as plain, over_http1(Saying(plain, octets), context(authority, plain.address)) as url:
        both = parse_resolvers(f"{url}, {plain.address}@{plain.port}")
        assert Recursive(both).ask(*MANY[0]).transport == "udp"
        with pytest.raises(LookupFailed, match="malformed"):
            Recursive(both[:1]).ask(*MANY[0])
