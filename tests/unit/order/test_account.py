"""What the CA's directory says: read within a bound of octets and of seconds, and nothing else on the way."""

from __future__ import annotations

import http.server
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import josepy
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.order import account

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
META = {"caaIdentities": ["ca.test"]}
BODY = json.dumps({"meta": META}).encode()


@contextmanager
def ca(*chunks: bytes, between_s: float = 0.0, endlessly: bool = False) -> Iterator[str]:
    """A server that sends these octets to whoever comes, with pauses; the URL of its directory.

    :param endlessly: the last chunk over and over.
    """
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    for chunk in itertools.chain(chunks, itertools.repeat(chunks[-1]) if endlessly else ()):
                        connection.sendall(chunk)
                        if stopping.wait(between_s):
                            break
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/dir"
        finally:
            stopping.set()
            listener.shutdown(socket.SHUT_RDWR)


KEY = josepy.JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
QUESTIONS = pytest.mark.parametrize("ask", [account.meta_of, partial(account.at_ca, key=KEY)], ids=["meta", "account"])
"""What is asked of a CA, each by its own requests."""


@contextmanager
def knowing(location: str | None, status: int = 200) -> Iterator[str]:
    """A CA that has an account of this URL; the URL of its directory."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            base = f"http://127.0.0.1:{self.server.server_address[1]}"
            self._answer(200, {}, json.dumps({"newNonce": f"{base}/nonce", "newAccount": f"{base}/account"}).encode())

        def do_HEAD(self) -> None:
            self._answer(200, {}, b"")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(status, {} if location is None else {"Location": location}, b"{}")

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Replay-Nonce": "AAAA", "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/dir"
        server.shutdown()


def test_the_meta_member_is_read() -> None:
    """Whole, as the CA has it."""
    with ca(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY) as url:
        assert account.meta_of(url) == META


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff"], ids=["a list", "cut", "no UTF-8"])
def test_a_directory_that_is_none(body: bytes) -> None:
    """An error with its address."""
    with ca(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body) as url, pytest.raises(LookupFailed) as caught:
        account.meta_of(url)
    assert caught.value.problem.startswith(f"the CA's directory {url} cannot be read: ")


def test_a_member_that_is_none() -> None:
    """Is as if it were not there."""
    body = b'{"meta": 5}'
    with ca(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body) as url:
        assert account.meta_of(url) == {}


@QUESTIONS
def test_an_endless_directory_is_given_up(ask: Callable[[str], object]) -> None:
    """After so many octets."""
    with (
        ca(HEAD + b"\r\n", b" " * 65536, endlessly=True) as url,
        pytest.raises(LookupFailed, match="UnusableBody"),
    ):
        ask(url)


@QUESTIONS
@pytest.mark.parametrize("body", [b"[" * 60_000, b"[]", b"5", b'"x"'], ids=["deep", "a list", "a number", "text"])
def test_json_that_is_no_directory(ask: Callable[[str], object], body: bytes) -> None:
    """Whatever the libraries make of it, it is an error about this CA."""
    with ca(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body) as url, pytest.raises(LookupFailed, match=url):
        ask(url)


@QUESTIONS
def test_a_redirect_is_not_followed(ask: Callable[[str], object]) -> None:
    """Nor is its body read without end."""
    with ca(b"") as elsewhere:
        head = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n".encode()
        with ca(head) as url, pytest.raises(LookupFailed, match="TooManyRedirects"):
            ask(url)


def test_the_ca_says_the_url_of_an_account() -> None:
    """To whoever has its key."""
    with knowing("https://ca.test/acct/1") as url:
        assert account.at_ca(url, KEY) == "https://ca.test/acct/1"


@pytest.mark.parametrize(
    ("location", "status"),
    [
        ("https://ca.test/1; validationmethods=http-01", 200),
        ("https://ca.test/\x1b[31m", 200),
        ('https://ca.test/"', 200),
        ("acct/1", 200),
        ("https://ca.test/" + "1" * 2000, 200),
        (None, 409),
    ],
)
def test_a_url_of_an_account_that_is_none(location: str | None, status: int) -> None:
    """It becomes part of records and of texts, so it has to be one, of a bounded length."""
    with knowing(location, status) as url, pytest.raises(LookupFailed) as caught:
        account.at_ca(url, KEY)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


SERVER = "https://me:S3cr/et@ca.test/dir"
"""With a password that should have been escaped."""


@pytest.mark.parametrize("accounts", [[], ["a", "b"], ["a"]], ids=["none", "two", "a damaged one"])
def test_the_user_info_of_a_ca_is_not_shown(tmp_path: Path, accounts: list[str]) -> None:
    """Not of its address, nor of the folder that Certbot names by it, nor in a hint."""
    for each in accounts:
        (account._folder(tmp_path, SERVER) / each).mkdir(parents=True)
    with pytest.raises(account.AccountUnknown) as caught:
        account.account_uri(tmp_path, SERVER)
    assert "S3cr" not in str(caught.value)
    assert "et@" not in str(caught.value)


def test_the_user_info_of_a_ca_that_cannot_be_reached_is_not_shown(tmp_path: Path) -> None:
    """Nor where its key is missing."""
    server = "http://me:S3cret@127.0.0.1:1/dir"
    (account._folder(tmp_path, server) / "a").mkdir(parents=True)
    for ask in (lambda: account.meta_of(server), lambda: account.at_ca(server, KEY)):
        with pytest.raises(LookupFailed) as caught:
            ask()
        assert "S3cret" not in str(caught.value)
    with pytest.raises(LookupFailed) as caught:
        _ = account.AcmeAccount(tmp_path, server, "a").url
    assert "S3cret" not in str(caught.value)
