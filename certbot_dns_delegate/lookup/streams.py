"""The TCP or TLS connections of a conversation: one at a time, and another as long as each brings answers."""

import time
from collections import deque
from typing import TYPE_CHECKING

from certbot_dns_delegate.lookup import sockets
from certbot_dns_delegate.lookup.awaited import Awaited
from certbot_dns_delegate.lookup.forms import Form
from certbot_dns_delegate.lookup.transport import Stream

if TYPE_CHECKING:
    from certbot_dns_delegate.lookup.conversation import Conversation


class Streams:
    """What waits for the connection to a server, and the connection."""

    def __init__(self, conversation: "Conversation", window: int) -> None:
        """:param window: questions on one connection at once."""
        self.failure = ""
        """Why there is no connection any more; empty as long as there may be one."""
        self._conversation = conversation
        self._stream: Stream | None = None
        self._waiting: deque[Awaited] = deque()
        self._window = window
        """Smaller where the server has closed a connection after fewer answers."""

    def put(self, pending: Awaited, form: Form = Form.PLAIN) -> None:
        """:param form: mixed letters and cookies are against forgers from afar, who cannot forge this."""
        pending.has_tcp = True
        if not self.failure:
            pending.tried.append(Form.PLAIN if form is Form.FULL else form)
            self._waiting.append(pending)
            self._pump()

    def answered(self, stream: Stream) -> None:
        """An answer has come there."""
        stream.replies += 1
        self._pump()

    def _pump(self) -> None:
        """Send what may be sent now."""
        while self._waiting and (self._stream is None or self._stream.in_flight() < self._window):
            pending = self._waiting.popleft()
            if not pending.is_waiting:
                continue
            try:
                self._stream = self._stream or Stream(self._conversation)
            except OSError as error:
                self.failure = sockets.reason_of(error)
                return
            self._stream.send(self._conversation.sent(pending, pending.tried[-1], self._stream))

    def end(self, stream: Stream, reason: str) -> None:
        """Connect again, as long as the server answers something each time: some close after one answer or a few, and
        a reset may have eaten what they said (RFC 7766 section 6.2)."""
        stream.close()
        self._stream = None
        again = [sent.pending for sent in stream.expected.values() if sent.pending.is_waiting]
        if reason == sockets.CLOSED:
            if not (again or self._waiting):
                return
            if stream.replies or self._window > 1:
                self._window = max(1, min(self._window, stream.replies))
                self._waiting.extendleft(reversed(again))
                if self._conversation.tls and stream.replies:
                    self._begin_anew()
                self._pump()
                return
        self.failure = reason

    def _begin_anew(self) -> None:
        """A handshake each time takes long, and it is a resolver of our choice that goes on answering."""
        for pending in self._conversation.outstanding:
            pending.started = time.monotonic()
            pending.due = pending.started + pending.patience_s

    def fail(self, reason: str) -> None:
        """There will be no connection any more."""
        if self._stream is not None:
            self.end(self._stream, reason)
        self.failure = reason

    def close(self) -> None:
        """Drop it."""
        if self._stream is not None:
            self._stream.close()
