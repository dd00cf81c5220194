"""Put many questions to one resolver by UDP, and take the replies that :mod:`.quick` reads.

A lane asks each question once. What it brings no ordinary answer to is asked again in the usual way, by whoever put it:
silence, truncation, an rcode, a reply that may be forged.
"""

import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Generic, TypeVar

from dns.rdataclass import IN

from certbot_dns_delegate.lookup import forms, quick
from certbot_dns_delegate.lookup.conversation import SILENCE_S
from certbot_dns_delegate.lookup.forgery import is_doubtful
from certbot_dns_delegate.lookup.forms import Form
from certbot_dns_delegate.lookup.habits import CLIENT_COOKIE, Habits, habits_of
from certbot_dns_delegate.lookup.message import PAYLOAD, mixed_case, opt
from certbot_dns_delegate.lookup.octets import HEADER, PAIR, Echo, echo
from certbot_dns_delegate.lookup.quick import Short
from certbot_dns_delegate.lookup.sockets import address_of
from certbot_dns_delegate.model import Server

T = TypeVar("T")

ROOM = 50
"""Questions under way: half of what dnsperf has by default."""
MOST_DECLINED = ROOM
"""Questions in a row without an ordinary answer; then this resolver has none to give."""

USES = 32
"""Questions that leave from one port, one after the other; then another is opened. A port of its own for each question
(RFC 5452 section 9.2) would take a quarter of the time. Which port a question leaves from is as hard to guess."""

CHANCE = 16 * 1024
"""Octets by chance that are taken from the system at once; a question needs some 50."""

_REFUSED = 5
_FLAGS = b"\x01\0\0\1\0\0\0\0"
"""RD, one question, no answer, no authority."""


class _Port(Generic[T]):
    """A socket, and the question that is under way from it."""

    __slots__ = (
        "form",
        "is_mixed",
        "number",
        "question",
        "question_end",
        "rdtype",
        "socket",
        "tag",
        "until",
        "uses",
        "wire",
    )
    wire: bytes
    question: bytes
    """In our letters."""
    question_end: int
    """The offset behind it."""
    is_mixed: bool
    form: Form
    rdtype: int
    until: float
    tag: T

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.number = opened.fileno()
        self.uses = 0
        """Questions that have left from here."""


class Lane(Generic[T]):
    """The way to one resolver. A port has one question at a time."""

    def __init__(self, server: Server) -> None:
        """:raises OSError: when there is no way to it."""
        self.server = server
        self._family, self._where = address_of(server)
        self._epoll = select.epoll()
        self._idle: list[_Port[T]] = []
        """They may be used again."""
        self._under_way: dict[int, _Port[T]] = {}
        """By the number of its port, the oldest first."""
        self._declined = 0
        self.is_refusing = False
        """It has refused a question, as some resolvers do where too many come at once. It is no longer asked so."""
        self._chance, self._used = b"", 0
        self._learn()

    def _learn(self) -> None:
        """How to ask, by what is known of the resolver by now."""
        self._habits = habits = habits_of(self.server)
        self._form = forms.first(habits, dnssec_ok=False)
        self._is_mixed = habits.keeps_case is True or (self._form is Form.FULL and habits.keeps_case is None)
        is_bare = self._form is Form.BARE
        self._flags = _FLAGS + (b"\0\0" if is_bare else b"\0\1")
        self._opt = b"" if is_bare else opt(PAYLOAD, habits.cookie if self._form is Form.FULL else b"")

    @property
    def room(self) -> int:
        """How many more questions may be put now."""
        return ROOM - len(self._under_way)

    @property
    def is_empty(self) -> bool:
        return not self._under_way

    @property
    def is_useless(self) -> bool:
        """Too many questions in a row had no ordinary answer, or one was refused."""
        return self.is_refusing or self._declined >= MOST_DECLINED

    def put(self, name: bytes, rdtype: int, tag: T) -> None:
        """Ask.

        :param name: in the form in which it is sent, without compression.
        :param tag: comes back with the answer.
        :raises OSError: when that is not possible now.
        """
        kind = PAIR.pack(rdtype, IN)
        chance = self._octets(2 + len(name))
        asked = mixed_case(name, chance[2:]) if self._is_mixed else name
        port = self._idle.pop() if self._idle else self._open()
        port.wire = chance[:2] + self._flags + asked + kind + self._opt
        port.question = name + kind
        port.question_end = HEADER + len(port.question)
        port.form, port.is_mixed, port.rdtype, port.tag = self._form, self._is_mixed, rdtype, tag
        port.until = time.monotonic() + SILENCE_S
        port.uses += 1
        try:
            port.socket.send(port.wire)
        except OSError:
            port.socket.close()
            raise
        self._under_way[port.number] = port

    def _octets(self, count: int) -> bytes:
        """By chance; taken from the system many at a time, since each call of it takes as long as reading a reply."""
        if self._used + count > len(self._chance):
            self._chance, self._used = os.urandom(CHANCE), 0
        self._used += count
        return self._chance[self._used - count : self._used]

    def _open(self) -> _Port[T]:
        opened = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            opened.connect(self._where)
            self._epoll.register(opened, select.EPOLLIN)
        except OSError:
            opened.close()
            raise
        return _Port(opened)

    def take(self, most_s: float) -> Iterator[tuple[T, Short | None]]:
        """What has arrived, and what arrives within so many seconds; None for what has no ordinary answer."""
        now = time.monotonic()
        self._learn()
        while self._under_way:
            port = next(iter(self._under_way.values()))
            if port.until > now:
                break
            yield self._end(port, None)
        for number, _ in self._epoll.poll(most_s) if self._under_way else ():
            under_way = self._under_way.get(number)
            if under_way is None:
                self._drop(number)
                continue
            try:
                wire = under_way.socket.recv(PAYLOAD + 1)
            except BlockingIOError:
                continue
            except OSError:
                wire = b""
            if wire[:2] == under_way.wire[:2] and len(wire) > HEADER and wire[3] & 0x0F == _REFUSED:
                self.is_refusing = True
            yield self._end(under_way, _read(wire, under_way, self._habits))

    def _end(self, port: _Port[T], short: Short | None) -> tuple[T, Short | None]:
        del self._under_way[port.number]
        if short is None or port.uses >= USES:
            # What may still come must not meet the next question. This takes it out of the epoll instance too.
            port.socket.close()
        else:
            self._idle.append(port)
        self._declined = self._declined + 1 if short is None else 0
        return port.tag, short

    def _drop(self, number: int) -> None:
        """Close a port at which something arrives that was not asked for."""
        for index, port in enumerate(self._idle):
            if port.number == number:
                port.socket.close()
                del self._idle[index]
                return

    def close(self) -> None:
        """Drop everything."""
        for port in (*self._under_way.values(), *self._idle):
            port.socket.close()
        self._under_way.clear()
        self._idle.clear()
        with suppress(OSError):
            self._epoll.close()


def _read(wire: bytes, sent: _Port[T], habits: Habits) -> Short | None:
    """What a datagram says, if it is certainly a reply to this question."""
    if wire[:2] != sent.wire[:2] or len(wire) > PAYLOAD:
        return None
    end = sent.question_end
    same = echo(wire, sent.wire, end)
    if same is not Echo.EXACT and same is not Echo.OTHER_CASE:
        return None
    # Names that refer to the question come in the letters in which we have it.
    short = quick.read(wire[:HEADER] + sent.question + wire[end:], end, sent.rdtype)
    if short is None:
        return None
    cookie = short.cookie
    if sent.form is Form.FULL and cookie is not None and cookie[:CLIENT_COOKIE] != habits.client_cookie:
        return None
    return None if is_doubtful(cookie, sent, same, habits) else short
