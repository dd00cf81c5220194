"""Questions by HTTP/1.1: requests one behind the other on a connection, responses in the same order (RFC 9112)."""

import http.client
import io
import ssl
import time
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult

from certbot_dns_delegate.lookup import fetch
from certbot_dns_delegate.lookup.conversation import MALFORMED
from certbot_dns_delegate.lookup.message import Ask, Outcome, Silence


def converse(
    secured: ssl.SSLSocket, url: SplitResult, waiting: deque[Ask], patience_s: float, at_once: int
) -> Iterator[Outcome]:
    """What one connection brings; a question that it does not settle goes back to those that wait.

    :param at_once: requests that may be under way. They are GET requests: only those that can be repeated may follow
        one another without waiting (RFC 9112 section 9.3.2).
    :raises HungUp: when it ends before all are settled.
    """
    asked: deque[Ask] = deque()
    incoming = _Incoming(secured)
    try:
        while waiting or asked:
            requests = b""
            while waiting and len(asked) < at_once:
                asked.append(waiting.popleft())
                requests += _request(url, asked[-1])
            secured.settimeout(patience_s)
            secured.sendall(requests)
            incoming.until = time.monotonic() + patience_s
            response = http.client.HTTPResponse(incoming)  # type: ignore[arg-type]  # as much of a socket as it needs
            try:
                response.begin()
                body = response.read(fetch.MOST_OCTETS + 1)
            except (http.client.HTTPException, ValueError) as error:  # the latter of a chunk of less than nothing
                raise fetch.HungUp(f"{MALFORMED} ({type(error).__name__})") from None
            outcome = fetch.outcome(asked[0], str(response.status), body)
            if len(asked) > 1 and isinstance(outcome, Silence) and outcome.reason == MALFORMED:
                # Perhaps the answer to another question: some servers drop requests that follow too soon.
                raise fetch.HungUp(MALFORMED)
            asked.popleft()
            yield outcome
            if response.will_close or not response.isclosed():
                return
    finally:
        waiting.extendleft(reversed(asked))


def _request(url: SplitResult, ask: Ask) -> bytes:
    lines = [f"GET {fetch.path_with(url, ask)} HTTP/1.1", f"host: {fetch.host(url)}", f"accept: {fetch.MEDIA_TYPE}"]
    return "\r\n".join([*lines, "", ""]).encode()


class _Incoming(io.RawIOBase):
    """What comes on a connection until a moment, however slowly."""

    def __init__(self, secured: ssl.SSLSocket) -> None:
        super().__init__()
        self.until = 0.0
        self._secured = secured
        self._reader = _Reader(self)

    def makefile(self, _: str) -> io.BufferedReader:
        """The same for each response, as it may have read into the next one."""
        return self._reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self.until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._secured.settimeout(left_s)
        return self._secured.recv_into(buffer)


class _Reader(io.BufferedReader):
    """Stays open when a response has been read."""

    def close(self) -> None:
        """Nothing."""
