"""A connection that is begun while other things are still asked, so that an order need not wait for it later."""

import errno
import os
import select
import socket
import time

from certbot_dns_delegate.lookup.sockets import address_of
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.providers.rfc2136.connection import CONNECT_S

LASTS_S = 3.0
"""Seconds after which it is not used any more: servers close a connection that stays idle (PowerDNS after 5 s)."""


class Early:
    """One connection by TCP, for whoever takes it first."""

    def __init__(
        self, server: Server, source: str | None, *, lasts_s: float = LASTS_S, patience_s: float = CONNECT_S
    ) -> None:
        """Begin; nothing is waited for.

        :param source: the local address; None: any.
        :param lasts_s: how old it may become.
        :param patience_s: the seconds that the server has for it.
        :raises OSError: when there is no way to the server.
        """
        self.server = server
        self._lasts_s, self._patience_s = lasts_s, patience_s
        self._began = time.monotonic()
        family, where = address_of(server)
        begun = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            if source:
                begun.bind(address_of(Server(source, 0))[1])
            code = begun.connect_ex(where)
            if code not in {0, errno.EINPROGRESS}:
                raise OSError(code, os.strerror(code))
        except OSError:
            begun.close()
            raise
        self._begun = [begun]

    def take(self) -> socket.socket | None:
        """The connection; None where it failed, was taken before, is too old, or the server has closed it.

        :raises TimeoutError: when the server has not answered for as long as a connection may take.
        """
        try:
            begun = self._begun.pop()
        except IndexError:
            return None
        age_s = time.monotonic() - self._began
        is_decided = _is_decided(begun, self._patience_s - age_s)
        if is_decided and age_s < self._lasts_s and _is_open(begun):
            return begun
        begun.close()
        if not is_decided:
            raise TimeoutError
        return None

    def close(self) -> None:
        """Give it up, where nobody has taken it."""
        while self._begun:
            self._begun.pop().close()


def _is_decided(begun: socket.socket, most_s: float) -> bool:
    """Whether it is known within so many seconds whether there is a connection."""
    poll = select.poll()
    poll.register(begun, select.POLLOUT)
    return bool(poll.poll(max(0.0, most_s) * 1000))


def _is_open(begun: socket.socket) -> bool:
    """Whether there is a connection that the server has not ended; an answer cannot have come yet."""
    try:
        begun.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
