"""What the servers of a cell serve while an order lasts."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable

import dns.message
import dns.name

from tests.faults.relay import Relay
from tests.faults.rig import Rig

LAG_S = (0.5, 4.0)
CHANCE_LAG_S = 3.0
"""Seconds by which a server lags."""
POLL_S = 0.01
"""Between two looks at the real servers."""
RECENT_S = 10.0
"""What a server answered so long before an order was called ready counts."""


class Observer:
    """What the servers of a cell serve while an order lasts; a context manager."""

    def __init__(self, rig: Rig, target: dns.name.Name, *, is_told: bool) -> None:
        """:param is_told: whether :meth:`begin` will be called; if not, any change counts for the value."""
        self.rig, self.target, self.is_told = rig, target, is_told
        self.value: str | None = None
        self.ready_at: float | None = None
        """When the last server that answers had the value."""
        self.behind_until = float("inf") if rig.late is not None else 0.0
        """Until when the server that lags may show the old zone."""
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Observer:
        rig = self.rig
        if rig.late is not None and isinstance(rig.second, Relay):
            rig.late.hold(rig.second, self.target)
        self._thread(self._follow)
        if rig.cell.fault == "lag-restarts":
            self._thread(self._restart)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.rig.late is not None:
            self.rig.late.catch_up(self.target, 0.0)

    def begin(self, value: str) -> None:
        """The value that will be published is known."""
        for relay in self._relays():
            relay.look_for(self.target, value)
        self.value = value

    def lacks(self, at: float) -> bool:
        """Whether a server that answered in the seconds before lacked the value then."""
        if self.rig.cell.fault in {"alternating", "chance"} and at < self.behind_until:
            return True
        return any(relay.lacks(self.target, at, RECENT_S) for relay in self._relays())

    def _relays(self) -> list[Relay]:
        return [each for each in (self.rig.first, self.rig.second) if isinstance(each, Relay)]

    def _thread(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run)
        thread.start()
        self._threads.append(thread)

    def _follow(self) -> None:
        """Note when the value is there, and let a server that lags catch up some time later."""
        rig = self.rig
        before = self._ask(rig.first.behind)
        for behind in dict.fromkeys(relay.behind for relay in self._relays()):
            while not self._stop.is_set():
                answer = self._ask(behind)
                changed = not self.is_told and answer[2:] != before[2:]
                if answer and (self.value.encode() in answer if self.value else changed):
                    self.ready_at = time.monotonic()
                    break
                self._stop.wait(POLL_S)
        if rig.late is not None and self.ready_at is not None:
            if rig.cell.fault == "alternating":
                return
            lag_s = CHANCE_LAG_S if rig.cell.fault == "chance" else rig.chance.uniform(*LAG_S)
            self.ready_at += lag_s
            self.behind_until = self.ready_at
            rig.late.catch_up(self.target, self.ready_at)

    def _ask(self, behind: tuple[str, int]) -> bytes:
        query = dns.message.make_query(self.target, "TXT", flags=0, use_edns=0, payload=4096)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.5)
            try:
                asking.connect(behind)
                asking.send(query.to_wire())
                return asking.recv(65535)
            except OSError:
                return b""

    def _restart(self) -> None:
        """Stop the second server and start it again, as often as it goes."""
        relay = self.rig.second
        assert isinstance(relay, Relay)
        chance = random.Random(self.rig.chance.random())
        while not self._stop.wait(chance.uniform(0.2, 0.8)):
            relay.__exit__()
            self._stop.wait(chance.uniform(0.1, 0.6))
            relay.restart()
