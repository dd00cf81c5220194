"""Sockets to one server: where its address leads, how many may be open at once, and what went wrong with one."""

import errno
import os
import resource
import socket
import threading
from typing import Any

from certbot_dns_delegate.lookup.message import UNREACHABLE
from certbot_dns_delegate.model import Server

CLOSED = "connection closed"
"""The reason where a server has ended a connection."""

_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETDOWN}


class _Count:
    """Sockets that are open, in all threads of this process."""

    lock = threading.Lock()
    open = 0


def may_open() -> bool:
    """Whether there may be one more: the other half of this process's files is for everything else that it does."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft == resource.RLIM_INFINITY or _Count.open < soft // 2


def connected(server: Server, kind: socket.SocketKind) -> socket.socket:
    """A socket of a fresh local port that takes nothing from other addresses; a stream's connection is under way.

    :raises OSError: when there is no way to the server.
    """
    family, where = address_of(server)
    new = socket.socket(family, kind)
    try:
        new.setblocking(False)
        if kind == socket.SOCK_STREAM:
            new.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # a question does not wait for an earlier one's ACK
        code = new.connect_ex(where)
        if code not in {0, errno.EINPROGRESS}:
            raise OSError(code, os.strerror(code))
    except OSError:
        new.close()
        raise
    with _Count.lock:
        _Count.open += 1
    return new


def close(opened: socket.socket) -> None:
    """End a socket that :func:`connected` has made."""
    opened.close()
    with _Count.lock:
        _Count.open -= 1


def address_of(server: Server) -> tuple[socket.AddressFamily, Any]:
    """The family and the address to connect to; of a link-local one with the number of its interface (RFC 4007).

    :raises OSError: when there is no such interface.
    """
    if "%" not in server.address:
        return (socket.AF_INET6 if server.is_ipv6 else socket.AF_INET), (server.address, server.port)
    try:
        found = socket.getaddrinfo(server.address, server.port, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
    except socket.gaierror:
        raise OSError(errno.ENODEV, f"no interface {server.address.partition('%')[2]}") from None
    family, _, _, _, where = found[0]
    return family, where


def has_route(server: Server) -> bool:
    """Whether a packet to it could leave this host; none is sent."""
    try:
        family, where = address_of(server)
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(where)
    except OSError as error:
        return error.errno not in _NO_ROUTE
    return True


def reason_of(error: OSError) -> str:
    """What went wrong, in a few words."""
    if error.errno == errno.ECONNREFUSED:
        return "connection refused"
    if error.errno in _NO_ROUTE:
        return UNREACHABLE
    if error.errno in {errno.ECONNRESET, errno.EPIPE}:
        return CLOSED
    if error.errno in {errno.EPERM, errno.EACCES}:
        return f"{os.strerror(error.errno)}: a firewall on this host?"
    return error.strerror or f"error {error.errno}"
