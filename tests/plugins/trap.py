"""Every service at once: a resolver with one address for all names, and there a TLS server that notes what is asked.

It answers all requests alike: as a service that does not know the key, or with objects that have a zone in them.
"""

import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dns.exception
import dns.message
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from dns.rdatatype import RdataType

from tests.e2e.lab import network
from tests.plugins.verdict import APEX, IDS

HERE = "127.0.0.9"
ZONES: Any = [{"id": number, "name": zone, "domain": zone, "zone": zone} for zone, number in IDS.items()]
FAT = {
    **dict.fromkeys(("zones", "domains", "data", "result", "results", "items", "records", "response"), ZONES),
    "success": True,
    "status": "success",
    "token": "t",
    "access_token": "t",
    "id": 7,
    "name": APEX,
    "ttl": 60,
}
ANSWERS: Mapping[str, tuple[int, Any]] = {
    "no": (401, {"error": "unauthorized"}),
    "object": (200, {}),
    "list": (200, []),
    "zones": (200, ZONES),
    "fat": (200, FAT),
}
"""What is answered to every request of one attempt."""
LISTS = frozenset({"publicsuffix.org", "raw.githubusercontent.com"})
"""Where tldextract gets the list of public suffixes; without an answer it has its own copy."""


class Trap:
    """What was asked, as text: method, host, path and body."""

    def __init__(self, directory: Path, answer: str) -> None:
        self.asked: list[str] = []
        self.ca = directory / "ca.pem"
        self._directory = directory
        self._answer = ANSWERS[answer]
        self._lock = threading.Lock()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign("Trap CA", is_ca=True)
        self.ca.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self._contexts: dict[str, ssl.SSLContext] = {}

    @contextmanager
    def set(self) -> Iterator[None]:
        """Listen on ports 80 and 443, and answer as the resolver."""
        servers = [ThreadingHTTPServer((HERE, port), self._handler()) for port in (80, 443)]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self._choose
        context.load_cert_chain(self._files("nobody.invalid"))
        servers[1].socket = context.wrap_socket(servers[1].socket, server_side=True, do_handshake_on_connect=False)
        closing = threading.Event()
        threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
        threads.append(threading.Thread(target=_resolve, args=(closing,), daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            closing.set()
            for server in servers:
                server.shutdown()
                server.server_close()

    def _choose(self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        name = name or "nobody.invalid"
        with self._lock:
            if name not in self._contexts:
                self._contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._contexts[name].load_cert_chain(self._files(name))
            connection.context = self._contexts[name]

    def _files(self, name: str) -> Path:
        path = self._directory / f"{len(list(self._directory.iterdir()))}.pem"
        key = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(self._sign(name).public_bytes(serialization.Encoding.PEM) + key)
        return path

    def _sign(self, name: str, *, is_ca: bool = False) -> x509.Certificate:
        now, subject = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trap CA")])
        builder = x509.CertificateBuilder(issuer, subject, self._key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        if not is_ca:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        trap = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self._serve
                raise AttributeError(name)

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8", "replace")
                host, (status, said) = self.headers.get("Host", ""), trap._answer
                if host in LISTS:
                    status, said = 404, {}
                else:
                    trap.asked.append(f"{self.command} {host}{unquote(self.path)} {unquote(body)}")
                content = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Nothing: what was asked is noted."""

        return Handler


def _resolve(closing: threading.Event) -> None:
    """Say of every name that it is here."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((network.RESOLVER, 53))
        listening.settimeout(0.2)
        while not closing.is_set():
            try:
                wire, peer = listening.recvfrom(4096)
                query = dns.message.from_wire(wire)
            except (TimeoutError, dns.exception.DNSException):
                continue
            answer = dns.message.make_response(query)
            if query.question[0].rdtype == RdataType.A:
                answer.answer.append(dns.rrset.from_text(query.question[0].name, 1, "IN", "A", HERE))
            listening.sendto(answer.to_wire(), peer)
