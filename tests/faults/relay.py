"""A name server's address as the world sees it: a relay to the real server behind it, at which faults are made.

Whatever is not faulty is the real server's own octets. The faults are the doubles' behaviours (tests/servers) and those
here, which need a real server's answer.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.tsig

from tests.servers import Behaviour, Server
from tests.servers.exchange import Handler, HangUp, Reply, Request, Several, Transport
from tests.servers.listener import Listener

PATIENCE_S = 20.0
"""For the real server's answer: on a busy machine an update that is written to disk takes seconds."""
YESTERDAY = 86400


class Seen(NamedTuple):
    """A usable answer to a TXT question, and whether it had the value that was looked for."""

    at: float
    has_value: bool


class Relay(Server):
    """One address in front of one real server; faults go into ``behaviour``.

    :param behind: the real server; it may answer by UDP alone.
    """

    def __init__(
        self,
        address: str,
        behind: tuple[str, int],
        behaviour: Behaviour | None = None,
        keys: Iterable[dns.tsig.Key] = (),
        *,
        has_tcp: bool = True,
    ) -> None:
        super().__init__((), behaviour=behaviour, address=address, port=53, keys=keys)
        self.behind = behind
        self.has_tcp = has_tcp
        self.updates = 0
        self.wanted: dict[dns.name.Name, bytes] = {}
        """The value that is looked for at each target."""
        self.seen: dict[dns.name.Name, list[Seen]] = {}
        self._local = threading.local()

    def look_for(self, target: dns.name.Name, value: str) -> None:
        """Note from now on whether answers about TARGET have VALUE."""
        self.wanted[target], self.seen[target] = value.encode(), []

    def lacks(self, target: dns.name.Name, at: float, recent_s: float) -> bool:
        """Whether the last usable answer in the RECENT_S seconds before AT had not the value."""
        recent = [seen for seen in list(self.seen.get(target, ())) if at - recent_s <= seen.at <= at]
        return bool(recent) and not recent[-1].has_value

    def forward(self, wire: bytes, transport: Transport = "udp") -> bytes | HangUp | None:
        """The real server's answer."""
        kind = socket.SOCK_STREAM if transport == "tcp" and self.has_tcp else socket.SOCK_DGRAM
        try:
            with socket.socket(socket.AF_INET, kind) as connection:
                connection.settimeout(PATIENCE_S)
                connection.connect(self.behind)
                if kind == socket.SOCK_DGRAM:
                    connection.send(wire)
                    return connection.recv(65535)
                connection.sendall(len(wire).to_bytes(2, "big") + wire)
                size = int.from_bytes(_exactly(connection, 2), "big")
                return _exactly(connection, size) if size else HangUp()
        except OSError:
            return HangUp()

    def restart(self) -> None:
        """Listen again, after it was stopped."""
        self._listener = Listener(self.address, self.port, self._react)
        self.__enter__()

    def _react(self, wire: bytes, transport: Transport, client: str, port: int) -> bytes | Several | HangUp | None:
        self._local.wire = wire
        reply = super()._react(wire, transport, client, port)
        if isinstance(reply, bytes):
            self._note(reply)
        self.questions.clear()
        return reply

    def _honest(self, request: Request) -> Reply:
        self.updates += request.is_update
        return self.forward(self._local.wire, request.transport)

    def _note(self, reply: bytes) -> None:
        rcode, flags = reply[3] & 15, int.from_bytes(reply[2:4], "big")
        if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN} or not flags & dns.flags.AA or flags & dns.flags.TC:
            return
        name, end = dns.name.from_wire(reply, 12)
        rdtype = int.from_bytes(reply[12 + end : 14 + end], "big")
        if rdtype == dns.rdatatype.TXT and name in self.wanted:
            self.seen[name].append(Seen(time.monotonic(), self.wanted[name] in reply))


def _exactly(connection: socket.socket, size: int) -> bytes:
    octets = b""
    while len(octets) < size:
        more = connection.recv(size - len(octets))
        if not more:
            return b""
        octets += more
    return octets


class Late(Behaviour):
    """Shows a target as it was when it was held, until it catches up: a secondary that lags.

    :param shows_old: whether a question is answered so; called once for each, by default always.
    """

    def __init__(self, shows_old: Callable[[], bool] = lambda: True) -> None:
        self.shows_old = shows_old
        self._until: dict[dns.name.Name, float] = {}
        self._old: dict[tuple[dns.name.Name, bool], bytes] = {}
        self._lock = threading.Lock()

    def hold(self, relay: Relay, target: dns.name.Name) -> None:
        """Remember how the real server answers about TARGET now, and answer so until :meth:`catch_up`."""
        for dnssec in (False, True):
            query = dns.message.make_query(target, "TXT", flags=0, use_edns=0, want_dnssec=dnssec)
            old = relay.forward(query.to_wire())
            if isinstance(old, bytes):
                self._old[target, dnssec] = old
        self._until[target] = float("inf")

    def catch_up(self, target: dns.name.Name, at: float) -> None:
        """Answer as the real server does from AT on (``time.monotonic``)."""
        self._until[target] = at

    def is_behind(self, target: dns.name.Name) -> bool:
        """Whether it has not caught up."""
        return time.monotonic() < self._until.get(target, 0.0)

    def answer(self, request: Request, honest: Handler) -> Reply:
        if request.is_update or request.qtype != dns.rdatatype.TXT or not self.is_behind(request.qname):
            return honest(request)
        with self._lock:
            is_old = self.shows_old()
        old = self._old.get((request.qname, bool(request.message.ednsflags & dns.flags.DO)))
        now = honest(request)
        if not is_old or old is None or not isinstance(now, bytes):
            return now
        # With what belongs to this question: its letters, the server's cookie.
        reply, before = dns.message.from_wire(now), dns.message.from_wire(old)
        reply.answer, reply.authority = before.answer, before.authority
        reply.set_rcode(before.rcode())
        return reply


class Cutting(Behaviour):
    """Sets TC on every UDP answer, of a real server."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        if request.transport == "tcp":
            return honest(request)
        response = request.reply(authoritative=True)
        response.flags |= dns.flags.TC
        return response


class Expired(Behaviour):
    """Signatures that ended yesterday."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if request.is_update or not isinstance(reply, bytes):
            return reply
        message = dns.message.from_wire(reply)
        past = int(time.time()) - YESTERDAY
        for section in (message.answer, message.authority, message.additional):
            for rrset in section:
                if rrset.rdtype == dns.rdatatype.RRSIG:
                    expired = [rdata.replace(inception=past - YESTERDAY, expiration=past) for rdata in rrset]
                    rrset.clear()
                    for rdata in expired:
                        rrset.add(rdata)
        return message


class Lossy(Behaviour):
    """Loses datagrams on the way there and on the way back.

    :param share: of the questions that get no answer.
    """

    def __init__(self, share: float, chance: random.Random) -> None:
        self.share, self.chance = share, chance

    def answer(self, request: Request, honest: Handler) -> Reply:
        if request.transport == "udp" and self.chance.random() < self.share:
            return None
        return honest(request)
