"""An HTTP service for tests: a real listener on loopback; a subclass answers requests, a fault stands in its way.

with PowerDns(...) as service:
    service.next(lost_reply, "PATCH")       # the next PATCH is done, and its answer never arrives
    service.url, service.calls
"""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.servers import http


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    path: tuple[str, ...]
    """The parts between slashes, unquoted; a trailing slash makes a last empty part."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case name."""
    body: Any
    """The JSON of the body; None where there was none; the text where it was no JSON."""


@dataclass(frozen=True)
class Answer:
    """What the service says: JSON, or text where ``body`` is a str; no body where it is None."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Fault = Callable[[Request, Callable[[Request], Answer]], Answer | None]
"""Takes the request and what would answer it; None hangs up without an answer."""


def lost_reply(request: Request, handle: Callable[[Request], Answer]) -> None:
    """The request is done and the connection cut before the answer."""
    handle(request)


def cut(request: Request, handle: Callable[[Request], Answer]) -> None:
    """The connection is cut and nothing is done."""


def says(status: int, body: Any = None, **headers: str) -> Fault:
    """Nothing is done; this is answered. Header names are written with underscores."""
    return lambda request, handle: Answer(status, body, {k.replace("_", "-"): v for k, v in headers.items()})


def after(action: Callable[[], object]) -> Fault:
    """The request is done, then ``action`` (another host's write, say), then it is answered."""

    def fault(request: Request, handle: Callable[[Request], Answer]) -> Answer:
        answer = handle(request)
        action()
        return answer

    return fault


class Service(http.Server):
    """Answers one request at a time by :meth:`answer`, or as a fault has it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Request] = []
        self._faults: list[tuple[str, str, Fault]] = []
        self._answering = threading.Lock()

    def answer(self, request: Request) -> Answer:
        """Answer one request; calls never overlap."""
        raise NotImplementedError

    def next(self, fault: Fault, method: str = "", part: str = "", times: int = 1) -> None:
        """Let ``fault`` meet the next requests of ``method`` (any, if empty) that have ``part`` in their path."""
        self._faults += [(method, part, fault)] * times

    def asked(self, method: str, part: str = "") -> list[Request]:
        """The requests of ``method`` that had ``part`` in their path."""
        return [r for r in self.calls if r.method == method and (not part or part in r.path)]

    def handle(self, request: http.Request) -> http.Reply:
        parts = urlsplit(request.path)
        # A reverse proxy merges slashes and dots before its application sees the path.
        path = tuple(unquote(p) for p in parts.path.split("/") if p) + (("",) if parts.path.endswith("/") else ())
        try:
            body = request.json() if request.body else None
        except ValueError:
            body = request.body.decode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Request(request.method, path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers, body)
        with self._answering:
            self.calls.append(call)
            fault = self._take(call)
            answer = fault(call, self.answer) if fault else self.answer(call)
        if answer is None:
            return http.Reply(misbehave=lambda _: None)
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        kind = "text/plain" if isinstance(answer.body, str) else "application/json"
        return http.Reply(answer.status, "" if answer.body is None else text, {"Content-Type": kind, **answer.headers})

    def _take(self, call: Request) -> Fault | None:
        for index, (method, part, fault) in enumerate(self._faults):
            if method in {"", call.method} and (not part or part in call.path):
                del self._faults[index]
                return fault
        return None


def main(service: Service) -> None:
    """Serve until standard input ends, as ``python -m tests.servers.NAME``; the URL is printed."""
    with service:
        print(service.url, flush=True)
        sys.stdin.read()
