"""What the CA's directory says: read within a bound of octets and of seconds, and nothing else on the way."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

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


def test_an_endless_directory_is_given_up() -> None:
    """After so many octets."""
    with (
        ca(HEAD + b"\r\n", b" " * 65536, endlessly=True) as url,
        pytest.raises(LookupFailed, match="cannot be read: UnusableBody"),
    ):
        account.meta_of(url)


@pytest.mark.parametrize("head", [HEAD + b"\r\n", HEAD], ids=["body", "header lines"])
def test_a_directory_that_comes_octet_by_octet_is_given_up(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many seconds in all, though none of them is silent."""
    monkeypatch.setattr(account, "DIRECTORY_S", 1)
    with (
        ca(head, b"X", between_s=0.1, endlessly=True) as url,
        pytest.raises(LookupFailed, match="cannot be read within 1 s"),
    ):
        account.meta_of(url)
