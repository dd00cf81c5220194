"""Behaviours of the way to the server, and of messages that come back other than they should."""

from __future__ import annotations

import threading
import time
from collections import deque

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from .behaviour import Behaviour, When
from .exchange import Handler, HangUp, Reply, Request


class Silent(Behaviour):
    """Takes questions by UDP and TCP and never answers: a filtered address."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        return None


class HangingUp(Behaviour):
    """Closes the TCP connection instead of answering; silent on UDP."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        return HangUp()


class OneEach(Behaviour):
    """Answers one message on each TCP connection, and closes it."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        return HangUp(reply.to_wire()) if isinstance(reply, dns.message.Message) else reply


class UdpDead(When):
    """Answers by TCP only; UDP is silent, as dnspython sees a closed UDP port too."""

    def __init__(self) -> None:
        super().__init__(lambda request: request.transport == "udp", Silent())


class TcpDead(Behaviour):
    """Answers by UDP only; the TCP port refuses connections. Must be there when the server starts."""

    listens_on_tcp = False


class SlowBy(Behaviour):
    """Answers rightly, that many seconds late."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def answer(self, request: Request, honest: Handler) -> Reply:
        return None if request.closing.wait(self.seconds) else honest(request)


class RateLimited(Behaviour):
    """Response rate limiting: over UDP, at most so many answers per second to one question of one client.

    :param per_second: answers to the same name and type within a second.
    :param truncating: what exceeds it gets TC ("slip") instead of silence.
    """

    def __init__(self, per_second: int, *, truncating: bool = False) -> None:
        self.per_second, self.truncating = per_second, truncating
        self._lock, self._answered = threading.Lock(), {}  # type: ignore[var-annotated]  # filled below

    def answer(self, request: Request, honest: Handler) -> Reply:
        if request.transport == "tcp":
            return honest(request)
        now, what = time.monotonic(), (request.client, request.qname, request.qtype)
        with self._lock:
            times = self._answered.setdefault(what, deque())
            while times and times[0] <= now - 1:
                times.popleft()
            if len(times) < self.per_second:
                times.append(now)
                return honest(request)
        return _truncated(request) if self.truncating else None


class Truncating(Behaviour):
    """Sets TC on every UDP answer.

    :param partial: leave the first record in, as some servers do; a reader must not take it for all.
    """

    def __init__(self, *, partial: bool = False) -> None:
        self.partial = partial

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if request.transport == "tcp" or not isinstance(reply, dns.message.Message):
            return reply
        cut = _truncated(request)
        if self.partial and reply.answer:
            first = reply.answer[-1]
            cut.answer = [*reply.answer[:-1], dns.rrset.from_rdata_list(first.name, first.ttl, [first[0]])]
        return cut


def _truncated(request: Request) -> dns.message.Message:
    response = request.reply(authoritative=True)
    response.flags |= dns.flags.TC
    return response


class Garbage(Behaviour):
    """Answers with bytes that are no DNS message."""

    def __init__(self, octets: bytes = b"\xff\x00 garbage") -> None:
        self.octets = octets

    def answer(self, request: Request, honest: Handler) -> Reply:
        return self.octets


class WrongId(Behaviour):
    """Answers rightly, under another message ID."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if isinstance(reply, dns.message.Message):
            reply.id ^= 0xFFFF
        return reply


class WrongQuestion(Behaviour):
    """Answers rightly, but repeats another question."""

    def __init__(self, qname: str = "another.question.") -> None:
        self.qname = dns.name.from_text(qname)

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if isinstance(reply, dns.message.Message):
            reply.question = [dns.rrset.RRset(self.qname, q.rdclass, q.rdtype) for q in reply.question]
        return reply


class Lowercasing(Behaviour):
    """Repeats the question in lower case, which 0x20 readers take for a forgery."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if isinstance(reply, dns.message.Message):
            reply.question = [dns.rrset.RRset(q.name.canonicalize(), q.rdclass, q.rdtype) for q in reply.question]
        return reply


class MixedCaseDropping(When):
    """Never answers a question with a capital letter in its name."""

    def __init__(self) -> None:
        super().__init__(lambda request: request.qname.to_text() != request.qname.to_text().lower(), Silent())


class NoEdns(Behaviour):
    """Knows no EDNS: FORMERR to an OPT, without one of its own (RFC 6891 7)."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        if request.message.edns < 0:
            return honest(request)
        response = request.reply(dns.rcode.FORMERR)
        response.use_edns(False)
        return response
