"""Opening the server's sockets, and replying from the address that was asked."""

import socket
from collections.abc import Sequence
from typing import NamedTuple

from certbot_dns_delegate.authority.errors import explain

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 the server is there to be reached

BACKLOG = 128
"""TCP connections the kernel keeps for us until we take them: half of what ``listener`` serves at once."""

_IP_PKTINFO = 8
"""linux/in.h; Python 3.11's ``socket`` does not name it."""

ANCILLARY = socket.CMSG_SPACE(20)
"""Octets of control messages with a datagram: struct in6_pktinfo, the larger of the two."""


class Sockets(NamedTuple):
    """One listen address: the same port over UDP and TCP."""

    udp: socket.socket
    tcp: socket.socket

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()


def bind(address: str, port: int) -> Sockets:
    """Open the sockets of one listen address, none when one of them fails.

    :param address: an IPv4 or IPv6 address, which may be 0.0.0.0 or ::
    :raises ListenError: by reason
    """
    tcp = _bind(address, port, socket.SOCK_STREAM)
    try:
        return Sockets(_bind(address, port, socket.SOCK_DGRAM), tcp)
    except BaseException:  # a signal too must leave no port bound
        tcp.close()
        raise


def _bind(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = None
    try:
        opened = socket.socket(family, kind)
        opened.setblocking(False)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            # Not held up by the last run's connections in TIME_WAIT.  UDP must do without: there the option
            # lets two servers share the port.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        opened.bind(socket.getaddrinfo(address, port, family, kind, flags=socket.AI_NUMERICHOST)[0][4])
        if kind == socket.SOCK_STREAM:
            opened.listen(BACKLOG)
    except OSError as error:
        if opened:
            opened.close()
        raise explain(error, address, port, "tcp" if kind == socket.SOCK_STREAM else "udp") from error
    return opened


def from_where_asked(ancillary: Sequence[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Turn a datagram's control messages into its reply's, which then leaves from the address that was
    asked: from any other address of this host it would be ignored.  The interface is left to the routing
    table.
    """
    reply = []
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            # struct in_pktinfo (ip(7)): interface, local address, destination in the header
            reply.append((level, kind, b"\0\0\0\0" + data[4:8] + b"\0\0\0\0"))
        elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            # struct in6_pktinfo (RFC 3542 section 6): destination, interface
            reply.append((level, kind, data[:16] + b"\0\0\0\0"))
    return reply
