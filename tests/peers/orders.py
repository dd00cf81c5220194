"""An order by one tool, and what is known of it: how long, whether issued, how many UPDATEs, what is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.e2e.lab import programs
from tests.peers.tools import Setting, Tool
from tests.peers.world import World, name

BOUND_S = 240.0
"""Seconds after which an order is ended."""
GRACE_S = 20.0
"""Seconds for what a tool does when it is ended."""
SIZES = {"1 name": 1, "name + wildcard": 1, "10 names": 10, "100 names": 100}
"""The orders; the second has both for one name."""
TRIED = ("10 names", "1 name", "name + wildcard", "100 names")
"""The same, in the order in which a setting is tried: soonest what shows that it is too fast, and last what is long."""


@dataclass(frozen=True)
class Result:
    """What became of an order."""

    order: str
    setting: str
    seconds: float
    issued: bool
    over: bool
    """It was ended after BOUND_S."""
    left: int
    """TXT records that it left."""
    updates: int
    """UPDATEs that BIND let pass."""
    load: float
    """The load average of a minute at its end."""
    words: str = ""
    """The last that the tool said, when it did not issue."""

    @property
    def is_refused(self) -> bool:
        """Whether the tool came to its end without a certificate."""
        return not (self.issued or self.over)

    def json(self) -> dict[str, Any]:
        """For the file."""
        return asdict(self)


class Orders:
    """The orders of one tool, one after the other."""

    def __init__(self, world: World, tool: Tool) -> None:
        self.world, self.tool = world, tool
        self.home = world.directory / tool.label
        self.home.mkdir()
        self.attempts = count()

    def by_default(self) -> list[Result]:
        """Every order once."""
        return [self.run(order, self.tool.default) for order in SIZES]

    def fastest(self, default: Sequence[Result]) -> tuple[list[Result], list[Result]]:
        """What was tried, and every order by the first setting that fails none which the tool can issue.

        :param default: what became of the orders by default.
        """
        tried: list[Result] = []
        was = {run.order: run for run in default}
        for setting in self.tool.faster:
            runs: dict[str, Result] = {}
            for order in TRIED:
                runs[order] = self.run(order, setting)
                tried.append(runs[order])
                if not (runs[order].issued or runs[order].over or was[order].is_refused):
                    break
            else:
                return tried, [runs[order] for order in SIZES]
        return tried, []

    def run(self, order: str, setting: Setting) -> Result:
        """One order, for names that nobody has asked for before."""
        attempt, tool = next(self.attempts), self.tool
        names = [name(tool.label, attempt, number, is_direct=tool.is_direct) for number in range(SIZES[order])]
        call = tool.call(self.world, setting, self.home, [*names, *(f"*.{n}" for n in names if "wild" in order)])
        self.world.lag(tool.label)
        left, updates = self.world.left(tool.label), self.world.updates(tool.label)
        output = self.home / f"{attempt}.log"
        begin = time.monotonic()
        code = execute(call.command, dict(call.variables), self.home, output)
        took = time.monotonic() - begin
        result = Result(
            order,
            setting.label,
            round(took, 1),
            code == 0,
            code is None,
            self.world.left(tool.label) - left,
            self.world.updates(tool.label) - updates,
            round(os.getloadavg()[0], 1),
            "" if code == 0 else output.read_text(errors="replace").replace(str(self.world.directory), ".")[-1500:],
        )
        print(f"{tool.title:26} {order:16} {setting.label:50.50} {said(result)}", flush=True)
        return result


def execute(command: tuple[str, ...], variables: dict[str, str], home: Path, output: Path) -> int | None:
    """Run a command; its exit code, or None when it was ended."""
    environment = {**programs.environment(), **variables}
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return process.wait(BOUND_S)
    except subprocess.TimeoutExpired:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        return None


def said(result: Result) -> str:
    """In a line."""
    outcome = f"more than {BOUND_S:.0f} s" if result.over else "issued" if result.issued else "not issued"
    return f"{outcome} {result.seconds} s, {result.left} left, {result.updates} UPDATEs"
