"""Runs that end themselves, or are ended, at a random moment.

``python -m tests.faults.killing [KILLS [SEED]]``, inside the lab's namespaces: that many at each server that takes
updates; then the next run, and a look at what is left.
"""

from __future__ import annotations

import json
import math
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path

import dns.name

from certbot_dns_delegate.model import Challenge
from tests.faults import orders, world
from tests.faults.matrix import Cell
from tests.faults.orders import Host
from tests.faults.rig import Rig
from tests.faults.world import NAMES, World

KILLS = 1000
SERVERS = ("bind", "knot", "powerdns")


class Killer:
    """Issues at one host without a CA, in processes that it kills."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.whole: tuple[float, int] | None = None
        """Seconds and calls of a run that nobody kills."""

    def kill(self, number: int) -> bool:
        """One run; whether it was ended before it ended. Every second one ends at a call of journal or network."""
        host, chance = self.rig.hosts[0], self.rig.chance
        name = world.name(self.rig.cell, number % NAMES)
        if self.whole is None:
            begin = time.monotonic()
            reading, writing = os.pipe()
            os.waitpid(start(host, name, None, writing), 0)
            self.whole = time.monotonic() - begin, int(os.read(reading, 20))
            os.close(reading)
            os.close(writing)
        whole_s, calls = self.whole
        at_call = chance.randint(1, calls) if number % 2 else None
        child = start(host, name, at_call)
        if at_call is None:
            time.sleep(chance.uniform(0, whole_s))
            os.kill(child, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def start(host: Host, name: str, at_call: int | None, tell: int | None = None) -> int:
    """A child that orders without a CA; its process id.

    :param at_call: the call of the journal or the network at which it ends itself.
    :param tell: where it writes how many such calls there were.
    """
    child = os.fork()
    if child:
        return child
    count = [0]

    def hook(event: str, _: object) -> None:
        if event in {"open", "os.rename", "os.remove"} or event.startswith(("socket.", "fcntl.")):
            count[0] += 1
            if count[0] == at_call:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    try:
        engine = host.engine()
        try:
            owner = dns.name.from_text(f"_acme-challenge.{name}")
            engine.perform([Challenge(name, owner, secrets.token_urlsafe(32))])
        finally:
            engine.cleanup()
        if tell is not None:
            os.write(tell, str(count[0]).encode())
    finally:
        os._exit(0)


def main() -> None:
    """Kill, look, and write down what was seen; exit 1 where something is left."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    cells = [Cell(server, "killed") for server in SERVERS]
    sums = {"killed": 0, "ended": 0, "left": 0, "touched": 0, "seed": seed}
    with tempfile.TemporaryDirectory(prefix="faults-") as directory, World(Path(directory), cells) as made:
        for cell in cells:
            with Rig(made, cell, seed) as rig:
                killer, killed, number = Killer(rig), 0, 0
                while killed < math.ceil(kills / len(cells)):
                    was_killed = killer.kill(number)
                    killed, number = killed + was_killed, number + 1
                    sums["killed" if was_killed else "ended"] += 1
                orders.next_run(rig.hosts[0])
                left, touched = rig.left_and_touched()
                sums["left"] += left
                sums["touched"] += touched
                print(f"{cell.server}: {killed} killed of {number}, {left} left, {touched} touched", flush=True)
    orders.FOLDER.mkdir(parents=True, exist_ok=True)
    (orders.FOLDER / "kills.json").write_text(json.dumps(sums) + "\n")
    sys.exit(bool(sums["left"] or sums["touched"]))


if __name__ == "__main__":
    main()
