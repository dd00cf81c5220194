"""A connection that is begun before it is needed is used once, and only where the server still has it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from certbot_dns_delegate.model import Server
from certbot_dns_delegate.providers.rfc2136.early import Early


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Where it leads."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def early(listener: socket.socket, **limits: float) -> Early:
    """A connection to it."""
    return Early(Server(*listener.getsockname()), "127.0.0.1", **limits)


def test_it_is_used_once(listener: socket.socket) -> None:
    """The next one makes its own."""
    begun = early(listener)
    accepted, at = listener.accept()
    taken = begun.take()
    assert taken is not None
    with accepted, taken:
        assert taken.getsockname() == at
        assert begun.take() is None


def test_a_server_that_has_ended_it(listener: socket.socket) -> None:
    """What is sent there would be in doubt."""
    begun = early(listener)
    listener.accept()[0].close()
    assert begun.take() is None


def test_one_that_is_old(listener: socket.socket) -> None:
    """A server may end an idle connection at any moment."""
    assert early(listener, lasts_s=0.0).take() is None


def test_a_server_that_does_not_answer(listener: socket.socket) -> None:
    """It has had its time; another connection would take as long again."""
    listener.listen(0)
    with socket.create_connection(listener.getsockname()):  # the kernel ignores whoever comes behind it
        begun = early(listener, patience_s=0.0)
        with pytest.raises(TimeoutError):
            begun.take()


def test_nobody_needs_it(listener: socket.socket) -> None:
    """The server sees that it is given up."""
    begun = early(listener)
    begun.close()
    accepted, _ = listener.accept()
    with accepted:
        assert accepted.recv(1) == b""
    assert begun.take() is None


def test_nobody_listens() -> None:
    """The next connection shows why."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        server = Server(*made.getsockname())
    try:
        begun = Early(server, None)
    except ConnectionRefusedError:
        return
    assert begun.take() is None
