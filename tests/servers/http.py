"""HTTP(S) servers on loopback: one that does what it is told, and the ways in which real ones misbehave."""

import gzip
import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What it gets."""

    status: int = 200
    body: bytes | str | dict[str, Any] | list[Any] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    misbehave: Callable[[socket.socket], None] | None = None
    """Instead of all that: does what it likes with the connection, which is closed afterwards."""


Handle = Callable[[Request], Reply]


class Server:
    """Answers every request by ``handle`` (a function, or a subclass's method), each in a thread of its own.

    :ivar requests: what came in.
    """

    def __init__(self, handle: Handle | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        if handle is not None:
            self.handle = handle  # type: ignore[method-assign]  # a function given instead of a subclass
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self._serve
                raise AttributeError(name)

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.command, self.path, self.headers, body)
                with outer._lock:
                    outer.requests.append(request)
                reply = outer.handle(request)
                if reply.misbehave is not None:
                    self.close_connection = True
                    reply.misbehave(self.connection)
                    return
                content = reply.body
                kind = "text/plain"
                if isinstance(content, dict | list):
                    content, kind = json.dumps(content), "application/json"
                content = content.encode() if isinstance(content, str) else content
                self.send_response(reply.status)
                headers = {"Content-Type": kind, "Content-Length": str(len(content))} | dict(reply.headers)
                if reply.status == 204:
                    headers.pop("Content-Length")
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, *_arguments: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_arguments: Any) -> None:
                pass  # a client that hangs up in the middle is what some tests are about

            def finish_request(self, request: Any, client_address: Any) -> None:
                if tls is not None:
                    # In the connection's own thread: a client that fails the handshake must not stop the others.
                    request.settimeout(10)
                    request = tls.wrap_socket(request, server_side=True)
                try:
                    super().finish_request(request, client_address)
                finally:
                    if tls is not None:
                        request.close()

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def handle(self, request: Request) -> Reply:
        raise NotImplementedError

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def closed_port() -> Iterator[int]:
    """A port where nobody listens, and nobody else will."""
    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        yield placeholder.getsockname()[1]


def html_page(status: int = 200) -> Reply:
    """A login page where an API was expected."""
    page = "<!DOCTYPE html><html><head><title>Sign in\x1b[31m</title></head><body>Password:</body></html>"
    return Reply(status, page, {"Content-Type": "text/html; charset=utf-8"})


def gzip_bomb() -> Reply:
    """100 MiB in 100 KiB."""
    return Reply(200, gzip.compress(b"\0" * (100 << 20)), {"Content-Encoding": "gzip"})


def cut_body(connection: socket.socket) -> None:
    """Less than was announced, then the connection is gone."""
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"txt": ')


def cut_headers(connection: socket.socket) -> None:
    """A status line that promises success, and no end of the headers."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")


def cut_chunks(connection: socket.socket) -> None:
    """A chunk without the final one."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2,\r\n")


def hang_up(connection: socket.socket) -> None:
    """Not a byte."""


def babble(connection: socket.socket) -> None:
    """Something else than HTTP."""
    connection.sendall(b"220 mail.example ESMTP\r\n")


class Dripping:
    """Bytes now and then, never an end: in the headers, or in the body."""

    def __init__(self, server: Server, start: bytes) -> None:
        self._server = server
        self._start = start

    def __call__(self, connection: socket.socket) -> None:
        connection.sendall(self._start)
        while not self._server.closing.wait(0.05):
            connection.sendall(b"x")


class Tunnel:
    """What a proxy does after CONNECT: bytes both ways until one side is done."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self._port), timeout=10) as onward:
            sides = {connection: onward, onward: connection}
            while True:
                for side in select.select(list(sides), [], [], 10)[0]:
                    data = side.recv(65536)
                    if not data:
                        return
                    sides[side].sendall(data)


class Silent:
    """Takes the request and says nothing."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __call__(self, connection: socket.socket) -> None:
        self._server.closing.wait(30)


@dataclass(frozen=True)
class Certificates:
    """A CA, a server certificate of 127.0.0.1, localhost and service.invalid, and a client certificate, as files."""

    ca: Path
    server: Path
    expired: Path
    client: Path
    client_key: Path

    def context(self, *, wants_client: bool = False, is_expired: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.expired if is_expired else self.server)
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context


def make_certificates(directory: Path) -> Certificates:
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("Test CA", ca_key, "Test CA", ca_key, is_ca=True)
    files = Certificates(
        *(directory / name for name in ("ca.pem", "server.pem", "expired.pem", "client.pem", "client.key"))
    )
    files.ca.write_bytes(_pem(ca))
    key = ec.generate_private_key(ec.SECP256R1())
    files.server.write_bytes(_pem(_certificate("server", key, "Test CA", ca_key)) + _key_pem(key))
    files.expired.write_bytes(_pem(_certificate("server", key, "Test CA", ca_key, is_expired=True)) + _key_pem(key))
    key = ec.generate_private_key(ec.SECP256R1())
    files.client.write_bytes(_pem(_certificate("client", key, "Test CA", ca_key)))
    files.client_key.write_bytes(_key_pem(key))
    files.client_key.chmod(0o600)
    return files


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool = False,
    is_expired: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    hosts = [x509.DNSName(host) for host in ("localhost", "service.invalid")]
    # Without it Python from 3.13 on does not take a CA's certificate.
    usage = x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False)
    names = x509.SubjectAlternativeName([*hosts, x509.IPAddress(ip_address("127.0.0.1"))])
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(minutes=-1 if is_expired else 1440))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption(),
    )


def encrypted_key() -> bytes:
    """A private key that needs a passphrase."""
    return _key_pem(ec.generate_private_key(ec.SECP256R1()), b"passphrase")
