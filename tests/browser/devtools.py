"""The DevTools protocol over a pipe: JSON messages that end with NUL, answers by number, events by the session."""

import json
import os
import select
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 120
"""Seconds for an answer; a page of 20,000 rows takes some seconds on a busy machine."""

Event = dict[str, Any]


class DevToolsError(Exception):
    """The browser has refused a command, or said nothing in time."""


class DevTools:
    """One connection; ``call`` sends a command and returns its result."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._number, self._buffer = 0, b""
        self._answers: dict[int, Event] = {}
        self.listeners: dict[str, Callable[[Event], None]] = {}
        """By session: who gets its events."""

    def call(self, method: str, session: str = "", **parameters: Any) -> Event:
        """Send a command and wait for its result.

        :param session: the page that it is for; the browser itself where it is empty.
        :raises DevToolsError: the browser refuses, or says nothing in time.
        """
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._writing, json.dumps(message).encode() + b"\0")  # a blocking pipe takes all of it
        self.wait(lambda: number in self._answers, method)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise DevToolsError(f"{method}: {answer['error']['message']}")
        return dict(answer["result"])

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        """Take in messages until something is so.

        :raises DevToolsError: it does not come in time.
        """
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._reading], [], [], left)[0]:
                raise DevToolsError(f"{what}: nothing in {PATIENCE_S} s")
            self._take_in()

    def _take_in(self) -> None:
        octets = os.read(self._reading, 1 << 20)
        if not octets:
            raise DevToolsError("the browser has ended")
        *messages, self._buffer = (self._buffer + octets).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            elif listener := self.listeners.get(message.get("sessionId", "")):
                listener(message)
