"""One cell of the matrix: its orders, and what became of them."""

from __future__ import annotations

import json
import math
import statistics
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.faults import orders, world
from tests.faults.killing import Killer
from tests.faults.matrix import Cell
from tests.faults.observer import Observer
from tests.faults.orders import FAILED, ISSUED, KILLED, REFUSED, UNSEEN, WRONG, Acme, Host, Outcome
from tests.faults.rig import Rig
from tests.faults.world import NAMES, World

EVERY = 7
"""Every seventh order is Certbot's: a tenth of all, with the cells in which Certbot has no part."""
LACKED = "a server that answered in the last 10 s lacked the value"
REMEMBERED_S = 60.0
"""The SOA's minimum of 30 s, and what an order takes."""


@dataclass
class Result:
    """What became of a cell's orders."""

    cell: str
    outcomes: Counter[str] = field(default_factory=Counter)
    by_certbot: int = 0
    delays_s: list[float] = field(default_factory=list)
    """From the moment when the last server had the value to our "ready"."""
    left: int = 0
    touched: int = 0
    words: list[str] = field(default_factory=list)
    """What was said of the first order that was wrong, and of the first that failed or was refused."""
    took_s: float = 0.0

    def json(self) -> dict[str, Any]:
        """For the file."""
        delays = sorted(self.delays_s)
        return {
            "cell": self.cell,
            "orders": sum(self.outcomes.values()),
            "by_certbot": self.by_certbot,
            "outcomes": dict(self.outcomes),
            "median_s": round(statistics.median(delays), 3) if delays else None,
            "p95_s": round(delays[min(len(delays) - 1, int(len(delays) * 0.95))], 3) if delays else None,
            "delays_s": [round(each, 3) for each in delays],
            "left": self.left,
            "touched": self.touched,
            "words": self.words[:4],
            "took_s": round(self.took_s, 1),
        }


class Orders:
    """The orders of a cell whose servers are up."""

    def __init__(self, rig: Rig, acme: Acme) -> None:
        self.rig, self.cell, self.acme = rig, rig.cell, acme
        self.result = Result(rig.cell.name)
        self.killer = Killer(rig)
        self.timed_out: dict[str, float] = {}
        """When the CA's resolver took too long over a name: it may have gone on asking, and remember what it heard when
        the value was gone."""

    def run(self, count: int) -> Result:
        """COUNT orders, some of them by Certbot; then the next run, and a look at what is left."""
        begin = time.monotonic()
        for number in range(count):
            if self.cell.fault == "killed":
                self._count(Outcome(KILLED if self.killer.kill(number) else ISSUED))
            elif self.cell.fault == "two-writers":
                self._two(number)
            else:
                self._one(number)
        self.rig.heal()
        for host in self.rig.hosts:
            orders.next_run(host)
        self.result.left, self.result.touched = self.rig.left_and_touched()
        self.result.took_s = time.monotonic() - begin
        return self.result

    def _one(self, number: int) -> None:
        index, rig, is_certbots = number % NAMES, self.rig, number % EVERY == EVERY - 1
        name, updates = world.name(self.cell, index), rig.first.updates
        with Observer(rig, rig.targets[index], is_told=not is_certbots) as observer:
            if is_certbots:
                self.result.by_certbot += 1
                outcome = orders.by_certbot(self.ca_url, self.trust, rig.hosts[0], name)
            else:
                outcome = orders.by_engine(self.acme, rig.hosts[0], name, observer.begin)
        is_seen_writing = self.cell.server not in {"acme-dns", "standalone"}
        if outcome.result == FAILED and is_seen_writing and rig.first.updates == updates:
            outcome.result = REFUSED
        if outcome.result in {ISSUED, UNSEEN} and outcome.ready_at is not None:
            if observer.lacks(outcome.ready_at):
                outcome = Outcome(WRONG, LACKED, outcome.ready_at)
            elif outcome.result == ISSUED and observer.ready_at is not None and not world.foreign(self.cell, index):
                self.result.delays_s.append(max(0.0, outcome.ready_at - observer.ready_at))
        self._count(self._allow_for_cache(name, outcome))

    def _allow_for_cache(self, name: str, outcome: Outcome) -> Outcome:
        now = time.monotonic()
        if outcome.result == UNSEEN:
            self.timed_out[name] = now
        is_lacking = outcome.words == LACKED
        if outcome.result == WRONG and not is_lacking and now - self.timed_out.get(name, -math.inf) < REMEMBERED_S:
            return Outcome(UNSEEN, outcome.words, outcome.ready_at)
        return outcome

    def _two(self, number: int) -> None:
        """Two hosts at once, each with a client and a state of its own."""
        name = world.name(self.cell, number % NAMES)

        def run(client: Acme, host: Host) -> None:
            self._count(orders.by_engine(client, host, name))

        pairs = zip((self.acme, self.other), self.rig.hosts, strict=True)
        threads = [threading.Thread(target=run, args=pair) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @cached_property
    def other(self) -> Acme:
        """The second host's client."""
        return Acme(self.ca_url, self.trust)

    @property
    def ca_url(self) -> str:
        return self.rig.world.ca.directory_url

    @property
    def trust(self) -> Path:
        return self.rig.world.authority.file

    def _count(self, outcome: Outcome) -> None:
        if outcome.result not in self.result.outcomes and outcome.words:
            self.result.words.append(f"{outcome.result}: {outcome.words}")
        self.result.outcomes[outcome.result] += 1


def run(made: World, cell: Cell, acme: Acme, count: int, seed: int) -> Result:
    """COUNT orders of a cell."""
    with Rig(made, cell, seed) as rig:
        return Orders(rig, acme).run(count)


def write(result: Result, folder: Path) -> None:
    """A cell's file."""
    path = folder / f"{result.cell.replace('/', '-')}.json"
    path.write_text(json.dumps(result.json(), indent=1) + "\n")
