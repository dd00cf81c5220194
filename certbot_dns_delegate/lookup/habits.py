"""What a server was seen to do with the letters of a question, with cookies and with EDNS; remembered for a minute."""

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import dns.edns
import dns.message

from certbot_dns_delegate.model import Server

REMEMBERED_S = 60.0
"""Seconds: from one look of a watch to the next, but not so long that a server that was changed is asked wrongly."""
MOST_SERVERS = 1024
"""Servers that are remembered; an order asks some ten, ``monitor`` one."""
CLIENT_COOKIE = 8
"""Octets (RFC 7873 section 4)."""
SERVER_COOKIES = range(8, 33)
"""Octets (RFC 7873 section 4)."""


@dataclass
class Habits:
    """Of one server; what is None is not known yet."""

    keeps_case: bool | None = None
    """It repeats a question in the letters in which it came."""
    takes_all: bool | None = None
    """It answers questions with mixed letters and a cookie."""
    takes_edns: bool | None = None
    """It answers questions with EDNS."""
    client_cookie: bytes = field(default_factory=lambda: os.urandom(CLIENT_COOKIE))
    """What only this server is sent, so that its answers can be told from forged ones."""
    server_cookie: bytes = b""
    """What it sent for itself; empty where it sends none."""
    since: float = field(default_factory=time.monotonic)

    @property
    def cookie(self) -> bytes:
        """What a question to it carries."""
        return self.client_cookie + self.server_cookie


def cookie_in(message: dns.message.Message) -> bytes | None:
    """Client's and server's cookie in a reply; None where there is no whole one."""
    for option in message.options:
        if option.otype == dns.edns.OptionType.COOKIE and isinstance(option, dns.edns.GenericOption):
            return option.data if len(option.data) - CLIENT_COOKIE in SERVER_COOKIES else None
    return None


_lock = threading.Lock()
_known: OrderedDict[Server, Habits] = OrderedDict()


def habits_of(server: Server) -> Habits:
    """What is known of a server, to read and to write."""
    with _lock:
        known = _known.get(server)
        if known is None or time.monotonic() - known.since > REMEMBERED_S:
            known = _known[server] = Habits()
        _known.move_to_end(server)
        if len(_known) > MOST_SERVERS:
            _known.popitem(last=False)
    return known
