"""Recursive resolvers by TLS (RFC 7858) and by HTTPS (RFC 8484)."""

from __future__ import annotations

import base64
import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dns.message
import dns.rcode
import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest
from dns.rdatatype import CNAME, A

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import rdatas_in
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver, parse_resolvers
from certbot_dns_delegate.model import Server as ServerAddress
from tests.e2e.lab.certificates import Authority
from tests.long.lookup.test_recursive import MANY, OWNER, server
from tests.servers import Server
from tests.unit.internet import name, resolver


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """A certificate authority that this process trusts."""
    made = Authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


def context(authority: Authority, address: str) -> ssl.SSLContext:
    """TLS as `dns.test` and as an address."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*authority.issue("dns.test", address))
    return made


@contextlib.contextmanager
def over_tls(plain: Server, tls: ssl.SSLContext, most: int = 1000) -> Iterator[int]:
    """The port of a TLS front of a resolver; it answers in reverse order, as RFC 7858 lets it.

    :param most: answers until it closes a connection.
    """
    with socket.create_server((plain.address, 0)) as listener:
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with connection, tls.wrap_socket(connection, server_side=True) as client:
                        client.settimeout(0.1)
                        relay(client)

        def relay(client: ssl.SSLSocket) -> None:
            with socket.create_connection((plain.address, plain.port)) as behind, contextlib.suppress(TimeoutError):
                replies = []
                while True:
                    try:
                        wire = client.recv(65535)
                    except TimeoutError:
                        if replies or stopping.is_set():
                            break
                        continue
                    if not wire:
                        return
                    while wire:
                        size = 2 + int.from_bytes(wire[:2], "big")
                        behind.sendall(wire[:size])
                        wire = wire[size:]
                        length = int.from_bytes(behind.recv(2, socket.MSG_WAITALL), "big")
                        replies.append(length.to_bytes(2, "big") + behind.recv(length, socket.MSG_WAITALL))
                for reply in list(reversed(replies))[:most]:
                    client.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stopping.set()
            with contextlib.suppress(OSError):
                socket.create_connection(listener.getsockname(), 1).close()
            thread.join()


@pytest.mark.parametrize("verify_as", ["dns.test", "address"])
def test_tls(authority: Authority, verify_as: str) -> None:
    """The certificate must show the name, or the address where none is given; answers may come in any order."""
    with server() as plain, over_tls(plain, context(authority, plain.address)) as port:
        suffix = "" if verify_as == "address" else f"#{verify_as}"
        ours = Recursive(parse_resolvers(f"tls://{plain.address}@{port}{suffix}"))
        answers = ours.ask_all([(OWNER, CNAME), (name("customer.test."), A)])
        assert all(isinstance(reply, Reply) and reply.transport == "tls" for reply in answers.values())
        assert rdatas_in(answers[OWNER, CNAME].message.answer, OWNER, CNAME)  # type: ignore[union-attr]  # a failure fails the test too


@pytest.mark.parametrize("most", [1, 7])
def test_tls_that_ends_after_some_answers(authority: Authority, most: int) -> None:
    """As long as each connection brings an answer, there is another one for the rest."""
    with server() as plain, over_tls(plain, context(authority, plain.address), most) as port:
        answers = Recursive(parse_resolvers(f"tls://{plain.address}@{port}#dns.test")).ask_all(MANY[:21])
    assert [answer for answer in answers.values() if not isinstance(answer, Reply)] == []


def test_tls_with_another_name(authority: Authority) -> None:
    """A certificate for another name is refused, and the error says so."""
    with server() as plain, over_tls(plain, context(authority, plain.address)) as port:
        with pytest.raises(LookupFailed) as caught:
            Recursive(parse_resolvers(f"tls://{plain.address}@{port}#dns.quad9.net")).ask(OWNER, CNAME)
        assert plain.questions == []
        assert caught.value.problem == (
            f"{OWNER} CNAME: no resolver has an answer: tls://{plain.address}@{port} said a certificate that does not"
            " verify (Hostname mismatch, certificate is not valid for 'dns.quad9.net'.)"
        )
        assert caught.value.hint.startswith(f"dig +tls @{plain.address} -p {port} {OWNER} CNAME")


def test_tls_at_a_port_without_it() -> None:
    """A server that speaks no TLS is told, and the next resolver asked."""
    with server() as plain, server() as second:
        first = Resolver(ServerAddress(plain.address, plain.port), "tls", "dns.test")
        assert Recursive([first, resolver(second)]).ask(OWNER, CNAME).transport == "udp"


def test_https(authority: Authority) -> None:
    """DNS over HTTPS, by a URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wire = base64.urlsafe_b64decode(parse_qs(urlsplit(self.path).query)["dns"][0] + "==")
            self.reply(wire)

        def do_POST(self) -> None:
            self.reply(self.rfile.read(int(self.headers["content-length"])))

        def reply(self, wire: bytes) -> None:
            answer = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
            self.send_response(200 if self.path.startswith("/dns-query") else 404)
            self.send_header("content-type", "application/dns-message")
            self.end_headers()
            self.wfile.write(answer.to_wire())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.socket = context(authority, "127.0.0.1").wrap_socket(served.socket, server_side=True)
        thread = threading.Thread(target=served.serve_forever, args=[0.01])
        thread.start()
        try:
            url = f"https://127.0.0.1:{served.server_address[1]}"
            assert Recursive(parse_resolvers(f"{url}/dns-query")).ask(OWNER, CNAME).transport == "https"
            with pytest.raises(LookupFailed, match=f"{url}/other said HTTP 404"):
                Recursive(parse_resolvers(f"{url}/other")).ask(OWNER, CNAME)
        finally:
            served.shutdown()
            thread.join()


class Http2:
    """A DNS server behind HTTP/2, for one connection after the other.

    :param most: answers until it ends a connection.
    :param goodbye: it says so before (GOAWAY).
    :param status: of every answer.
    :param streams: requests that it takes at once.
    :param closes: it then says that it takes none any more.
    """

    def __init__(
        self,
        plain: Server,
        *,
        most: int = 1000,
        goodbye: bool = True,
        status: str = "200",
        streams: int = 100,
        closes: bool = False,
    ) -> None:
        self.closes = closes
        self.plain, self.most, self.goodbye, self.status, self.streams = plain, most, goodbye, status, streams
        self.connections = 0
        self.at_once = 0

    def serve(self, client: ssl.SSLSocket) -> None:
        """Until the client leaves or has had enough."""
        self.connections += 1
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        client.sendall(connection.data_to_send())
        bodies: dict[int, bytes] = {}
        answered = 0
        with socket.create_connection((self.plain.address, self.plain.port)) as behind:
            while octets := client.recv(65535):
                for event in connection.receive_data(octets):
                    if isinstance(event, h2.events.RequestReceived) and len(bodies) == self.streams:
                        connection.reset_stream(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
                    elif isinstance(event, h2.events.RequestReceived):
                        bodies[event.stream_id] = b""
                    elif isinstance(event, h2.events.DataReceived) and event.stream_id in bodies:
                        bodies[event.stream_id] += event.data
                self.at_once = max(self.at_once, len(bodies))
                for number, body in list(bodies.items()):
                    if answered == self.most:
                        break
                    answered += 1
                    del bodies[number]
                    behind.sendall(len(body).to_bytes(2, "big") + body)
                    length = int.from_bytes(behind.recv(2, socket.MSG_WAITALL), "big")
                    reply = behind.recv(length, socket.MSG_WAITALL)
                    connection.send_headers(number, [(":status", self.status), ("content-length", str(len(reply)))])
                    connection.send_data(number, reply, end_stream=True)
                if answered == self.most and self.goodbye:
                    connection.close_connection()
                if answered and self.closes:
                    connection.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 0})
                client.sendall(connection.data_to_send())
                if answered == self.most:
                    return


@contextlib.contextmanager
def over_http2(front: Http2, tls: ssl.SSLContext) -> Iterator[str]:
    """The URL of an HTTP/2 front of a resolver."""
    tls.set_alpn_protocols(["h2"])
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
            yield f"https://{front.plain.address}:{listener.getsockname()[1]}/dns-query"
        finally:
            stopping.set()
            with contextlib.suppress(OSError):
                socket.create_connection(listener.getsockname(), 1).close()
            thread.join()


def test_https_on_one_connection(authority: Authority) -> None:
    """All questions share it, and several are under way at once."""
    with server() as plain:
        front = Http2(plain)
        with over_http2(front, context(authority, plain.address)) as url:
            answers = Recursive(parse_resolvers(url)).ask_all(MANY)
    assert {answer.transport if isinstance(answer, Reply) else str(answer) for answer in answers.values()} == {"https"}
    assert front.connections == 1
    assert front.at_once > 1


def test_https_takes_few_at_once(authority: Authority) -> None:
    """What a server refuses for being too much at once is asked for later."""
    with server() as plain:
        front = Http2(plain, streams=2)
        with over_http2(front, context(authority, plain.address)) as url:
            answers = Recursive(parse_resolvers(url)).ask_all(MANY)
    assert {type(answer) for answer in answers.values()} == {Reply}
    assert front.connections == 1


def test_https_that_says_it_takes_none(authority: Authority) -> None:
    """What is left goes over another connection, and is not waited for on one that never takes it."""
    with server() as plain:
        front = Http2(plain, streams=8, closes=True)
        with over_http2(front, context(authority, plain.address)) as url:
            answers = Recursive(parse_resolvers(url)).ask_all(MANY[:40])
    assert {type(answer) for answer in answers.values()} == {Reply}
    assert front.connections > 1


@pytest.mark.parametrize("goodbye", [True, False])
@pytest.mark.parametrize("most", [1, 7])
def test_https_that_ends_after_some_answers(authority: Authority, most: int, goodbye: bool) -> None:
    """As long as each connection brings an answer, there is another one for the rest."""
    with server() as plain:
        front = Http2(plain, most=most, goodbye=goodbye)
        with over_http2(front, context(authority, plain.address)) as url:
            answers = Recursive(parse_resolvers(url)).ask_all(MANY[:21])
    assert [answer for answer in answers.values() if not isinstance(answer, Reply)] == []
    assert front.connections >= 21 / most


@pytest.mark.parametrize(("options", "told"), [({"status": "503"}, "HTTP 503"), ({"most": 0}, "connection closed")])
def test_https_without_answers(authority: Authority, options: dict[str, Any], told: str) -> None:
    """What was seen instead is told."""
    with (
        server() as plain,
        over_http2(Http2(plain, **options), context(authority, plain.address)) as url,
        pytest.raises(LookupFailed, match=f"{url} said {told}"),
    ):
        Recursive(parse_resolvers(url)).ask(OWNER, CNAME)


def test_https_at_a_host_that_is_none() -> None:
    """Its name is longer than DNS allows: an error about this resolver."""
    with pytest.raises(LookupFailed, match="said no connection"):
        Recursive(parse_resolvers(f"https://{'a' * 64}.test/dns-query")).ask(OWNER, CNAME)


def test_https_with_another_name(authority: Authority) -> None:
    """A certificate for another name is refused, and the error says so."""
    with server() as plain, over_http2(Http2(plain), context(authority, "127.0.0.1")) as url:
        with pytest.raises(LookupFailed, match=f"{url} said a certificate that does not verify"):
            Recursive(parse_resolvers(url)).ask(OWNER, CNAME)
        assert plain.questions == []
