"""The conversation with one server: when a question goes out, by which transport, and what its replies are worth."""

import random
import selectors
import ssl
import time
from collections import deque
from collections.abc import Iterator

from certbot_dns_delegate.lookup import forms, sockets
from certbot_dns_delegate.lookup.awaited import Awaited
from certbot_dns_delegate.lookup.forgery import cookie_of, is_doubtful, read_reply
from certbot_dns_delegate.lookup.forms import Form
from certbot_dns_delegate.lookup.habits import habits_of
from certbot_dns_delegate.lookup.message import Content, Outcome, Reply, Silence
from certbot_dns_delegate.lookup.octets import HEADER, TC, Echo, echo
from certbot_dns_delegate.lookup.quick import Brief
from certbot_dns_delegate.lookup.streams import Streams
from certbot_dns_delegate.lookup.transport import Port, Sent, Stream, Way
from certbot_dns_delegate.model import Server

WINDOW = 20
"""Questions outstanding at one server: below the burst that response rate limiting tolerates in use."""
ENCRYPTED_WINDOW = 100
"""The same by TLS, where no rate of answers is limited: what HTTP/2 servers take at least (RFC 9113 section 6.5.2)."""
SILENCE_S = 0.5
"""Seconds without a reply until the question is repeated in a plainer form, by UDP and the first time by TCP too."""
MOST_WRONG = 64
"""Messages from one server that answer nothing, on all its ports, before it is given up."""
PAUSE = 10
"""How many times as long as between two questions is waited before the first of those that go out at a pace."""
MALFORMED = "malformed"


class Conversation:
    """All questions to one server."""

    def __init__(
        self,
        server: Server,
        selector: selectors.BaseSelector,
        tls: tuple[ssl.SSLContext, str] | None = None,
        pace_s: float = 0.0,
    ) -> None:
        """:param tls: how to secure TCP, and the name that the certificate must show; no UDP then.

        :param pace_s: as in :func:`.exchange`.
        """
        self.server = server
        self.selector = selector
        self.tls = tls
        self.waiting: deque[Awaited] = deque()
        self.outstanding: dict[Awaited, None] = {}
        self._pace_s = pace_s
        self._next_at = time.monotonic() + PAUSE * pace_s
        self._habits = habits_of(server)
        self._wrong = 0
        self._ports: dict[Port, None] = {}
        self._udp_failure = ""
        self._window = ENCRYPTED_WINDOW if tls else WINDOW
        self._streams = Streams(self, self._window)

    # What the loop calls

    def tick(self, now: float) -> Iterator[Outcome]:
        """Give up what waits in vain, repeat what is not answered, and put what has its turn."""
        for pending in list(self.outstanding):
            if now - pending.started >= pending.patience_s or self._is_hopeless(pending):
                self._end(pending)
                yield self._failed(pending)
            elif now >= pending.due:
                self._repeat(pending, now)
        while self.waiting and now >= self._next_at and self._has_room():
            self._next_at = now + self._pace_s
            self._put(self.waiting.popleft(), now)

    def due(self, now: float) -> float:
        """When :meth:`tick` has something to do."""
        due = min((0.0 if self._is_hopeless(p) else p.due for p in self.outstanding), default=float("inf"))
        return min(due, self._next_at) if self.waiting and self._next_at > now else due

    def close(self) -> None:
        """Drop everything."""
        for port in self._ports:
            port.close()
        self._streams.close()

    # Sending

    def _has_room(self) -> bool:
        if len(self.outstanding) >= self._window:
            return False
        # An exchange that has no socket at all may always have one, or it would never end.
        return bool(self._ports) or sockets.may_open() or not self.selector.get_map()

    def _put(self, pending: Awaited, now: float) -> None:
        pending.started = now
        pending.due = now + pending.patience_s
        self.outstanding[pending] = None
        form = forms.first(self._habits, pending.ask.question.dnssec_ok)
        if pending.needs_tcp:
            self._streams.put(pending, form)
        else:
            pending.due = now + min(SILENCE_S, pending.patience_s)
            self._by_udp(pending, form)

    def _repeat(self, pending: Awaited, now: float) -> None:
        """By both transports: a dead UDP port is only seen by TCP. The next time without EDNS, if that may be it."""
        pending.due = pending.started + pending.patience_s
        question, is_first = pending.ask.question, not pending.has_tcp
        may_be_bare = not question.dnssec_ok and self._habits.takes_edns is not True and not pending.needs_tcp
        if is_first:
            form = Form.BARE if Form.BARE in pending.tried else Form.PLAIN
            self._by_udp(pending, form)
            self._streams.put(pending, form)
        elif may_be_bare:
            self._by_udp(pending, Form.BARE)
            self._streams.put(pending, Form.BARE)
        if is_first and may_be_bare and Form.BARE not in pending.tried:
            pending.due = min(pending.due, now + SILENCE_S)

    def _by_udp(self, pending: Awaited, form: Form) -> None:
        if self._udp_failure:
            self._streams.put(pending, form)
            return
        try:
            port = self._port()
            pending.ports.append(port)
            port.send(self.sent(pending, form, port))
        except OSError as error:
            self.fail_udp(sockets.reason_of(error))

    def _port(self) -> Port:
        """A fresh one; where this process has too many sockets, one that is open, whichever."""
        if self._ports and not sockets.may_open():
            return random.SystemRandom().choice(list(self._ports))
        port = Port(self)
        self._ports[port] = None
        return port

    def sent(self, pending: Awaited, form: Form, channel: Way) -> Sent:
        """The question in a form, for one way."""
        question, habits, is_full = pending.ask.question, self._habits, form is Form.FULL
        is_mixed = habits.keeps_case is True or (is_full and habits.keeps_case is None)
        is_mixed = is_mixed and isinstance(channel, Port)
        cookie = habits.cookie if is_full else b""
        wire = question.wire(channel.fresh_id(), edns=form is not Form.BARE, mixed=is_mixed, cookie=cookie)
        if isinstance(channel, Port):
            pending.tried.append(form)
        return Sent(pending, wire, HEADER + len(question.section), form, is_mixed)

    # Receiving

    def take(self, channel: Way, wire: bytes) -> Iterator[Outcome]:
        """What came of a message; one that answers nothing is ignored, as it may be forged."""
        sent = channel.expected.get(int.from_bytes(wire[:2], "big")) if len(wire) > 1 else None
        if sent is None:
            if len(wire) < 2 or int.from_bytes(wire[:2], "big") not in channel.answered:
                for each in channel.expected.values():
                    each.pending.is_malformed = True
                self._count_wrong(channel)
            return
        pending = sent.pending
        same = echo(wire, sent.wire, sent.question_end)
        if same is Echo.NONE:
            pending.is_malformed = True
            self._count_wrong(channel)
        elif not pending.is_waiting:
            self._has_answered(channel, sent)
        elif isinstance(channel, Port) and (len(wire) > pending.ask.question.payload or wire[2] & TC):
            pending.is_truncated = pending.needs_tcp = True
            self._has_answered(channel, sent)
            if not pending.has_tcp:
                self._streams.put(pending, sent.form)
        else:
            content = read_reply(wire, sent, self._habits)
            if content is None:
                self._unreadable(channel, sent)
            elif isinstance(channel, Port) and is_doubtful(cookie_of(content), sent, same, self._habits):
                self._doubt(pending, content, same, sent.form)
            else:
                yield from self._judge(channel, sent, content, same)

    def _unreadable(self, channel: Way, sent: Sent) -> None:
        sent.pending.is_malformed = True
        self._count_wrong(channel)
        if isinstance(channel, Stream):
            # A datagram may be forged, and another one be the answer; here there will be no other.
            self._has_answered(channel, sent)
            if sent.pending.needs_tcp:
                sent.pending.patience_s = 0.0

    def _doubt(self, pending: Awaited, content: Content, same: Echo, form: Form) -> None:
        """Let TCP decide, which is not forged from afar."""
        pending.doubtful = Reply(pending.ask, content, "udp", keeps_case=same is not Echo.OTHER_CASE)
        pending.needs_tcp = True
        if not pending.has_tcp:
            self._streams.put(pending, form)

    def _judge(self, channel: Way, sent: Sent, content: Content, same: Echo) -> Iterator[Outcome]:
        """Ask in another form, or hand it out."""
        pending, by_udp = sent.pending, isinstance(channel, Port)
        self._has_answered(channel, sent)
        tried = pending.tried if by_udp else [sent.form]
        dnssec_ok = pending.ask.question.dnssec_ok
        again = None if isinstance(content, Brief) else forms.after(content, tried, self._habits, dnssec_ok)
        if again is not None:
            is_cookie_trouble = again is Form.PLAIN and tried.count(Form.FULL) > 1
            (self._by_udp if by_udp and not is_cookie_trouble else self._streams.put)(pending, again)
            return
        self._end(pending)
        transport = "udp" if by_udp else "tls" if self.tls else "tcp"
        keeps_case = same is not Echo.OTHER_CASE
        reply = Reply(pending.ask, content, transport, keeps_case=keeps_case, doubtful=pending.doubtful)
        if not reply.complaint:
            forms.learn(self._habits, sent.form, pending.tried, has_edns=reply.has_edns, by_udp=by_udp)
        yield reply

    # Ending

    def _has_answered(self, channel: Way, sent: Sent) -> None:
        channel.done(sent)
        if isinstance(channel, Stream):
            self._streams.answered(channel)
        elif isinstance(channel, Port) and not channel.expected:
            self._close(channel)

    def _end(self, pending: Awaited) -> None:
        pending.is_waiting = False
        del self.outstanding[pending]
        for port in pending.ports:
            for sent in [sent for sent in port.expected.values() if sent.pending is pending]:
                port.done(sent)
            if not port.expected:
                self._close(port)

    def _close(self, port: Port) -> None:
        port.close()
        self._ports.pop(port, None)

    def _count_wrong(self, channel: Way) -> None:
        channel.wrong += 1
        self._wrong += 1
        if self._wrong >= MOST_WRONG:
            self.fail_udp(MALFORMED)
            self._streams.fail(MALFORMED)

    def give_up(self, port: Port) -> None:
        """Too much arrives there that answers nothing: TCP for what was asked from it."""
        self._close(port)
        for pending in {sent.pending for sent in port.expected.values() if sent.pending.is_waiting}:
            pending.needs_tcp = True
            if not pending.has_tcp:
                self._streams.put(pending)

    def fail_udp(self, reason: str) -> None:
        """From now on TCP."""
        self._udp_failure = reason
        for port in list(self._ports):
            self._close(port)
        for pending in self.outstanding:
            if not pending.has_tcp:
                self._streams.put(pending, pending.tried[-1] if pending.tried else Form.PLAIN)

    def end_stream(self, stream: Stream, reason: str) -> None:
        """A connection has ended, and why."""
        self._streams.end(stream, reason)

    def _is_hopeless(self, pending: Awaited) -> bool:
        """Nothing that could still arrive would be the answer."""
        return bool(self._streams.failure) and pending.has_tcp and (pending.needs_tcp or bool(self._udp_failure))

    def _failed(self, pending: Awaited) -> Outcome:
        if pending.doubtful is not None:
            # There is no other answer to be had, so this server's are not what they seemed to be.
            self._habits.keeps_case, self._habits.server_cookie = False, b""
            return pending.doubtful
        by_tcp = self._streams.failure or (MALFORMED if pending.is_malformed else "timeout")
        if pending.is_truncated:
            return Silence(pending.ask, f"truncated by UDP, {by_tcp} by TCP", is_truncated=True)
        if pending.is_malformed or MALFORMED in {self._udp_failure, self._streams.failure}:
            return Silence(pending.ask, MALFORMED)
        told = self._streams.failure if self.tls or self._streams.failure != sockets.CLOSED else ""
        return Silence(pending.ask, self._udp_failure or told or "timeout")
