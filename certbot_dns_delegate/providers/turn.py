"""The turn of an order at the ports of this host: orders that listen come one after the other."""

import errno
import logging
import socket
from contextlib import ExitStack

from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.text import command_line

log = logging.getLogger(__name__)

TURN = "\0certbot-dns-delegate-standalone"
"""A name in the abstract namespace of Unix sockets (unix(7)), which a network namespace has to itself as it has its
ports; the kernel frees it with the process. Nothing is ever sent to it or read from it: it is only a lock, where a file
would have to lie in a directory that all users of the host share."""
TURN_S = 0.2
"""Seconds between looks whether another order on this host has ended."""
MOST_TURNS = 3000
"""Looks until this order tries all the same: ten minutes, more than a CA at its slowest takes. A stranger who holds the
name can cause this delay, and nothing more."""
LONG = 50
"""Looks after which the wait is worth a warning: ten seconds, more than most orders take."""


def take(context: Context, linger_s: float) -> ExitStack:
    """Wait until no other order on this host listens; what is returned holds the turn until it is closed.

    :param linger_s: seconds to wait besides where there was another: a resolver may hold its values for that long.
    """
    with ExitStack() as held:
        try:
            turn = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        except OSError as error:  # forbidden, or no file left: then the port itself says whether it is taken
            log.info("orders on this host do not take turns: %s", error.strerror)
            return held.pop_all()
        for turns in range(MOST_TURNS):
            try:
                turn.bind(TURN)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    log.info("orders on this host do not take turns: %s", error.strerror)
                    break
                if turns == 0:
                    log.info("another order on this host is being answered; waiting for its end")
                if turns == LONG:
                    context.warn(
                        "another order on this host is still being answered; waiting for its end, ten minutes at most;"
                        f" hint: ss -xap | {command_line('grep', TURN[1:])}  shows its process"
                    )
                context.wait(TURN_S)
            else:
                if turns:
                    context.wait(linger_s)
                break
        return held.pop_all()
