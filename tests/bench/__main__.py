"""``python -m tests.bench [ROW…]``, inside the lab's namespaces: the table on the terminal, the numbers in a file."""

import argparse
import json
import logging
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from tests.bench import cases, command, fleet, http, lineages, loading, ways
from tests.bench.table import Row, lines
from tests.e2e.lab import Lab
from tests.e2e.lab.programs import HOME

RESULT = HOME / "bench.json"
ROUND_TRIP_MS = 50
CONDITIONS = (
    "perform plus cleanup, medians; BIND primary and secondary on loopback, notify-delay 0"
    " (5 s in the row with the lagging secondary)"
)


def main(words: Sequence[str]) -> None:
    """Measure every case, or those that are named, in the order of the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(CASES))
    wanted = parser.parse_args(words).rows
    if not CASES.keys() >= set(wanted):
        parser.error(f"rows are {', '.join(CASES)}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    logging.getLogger("certbot_dns_delegate").setLevel(logging.ERROR)
    begun, load = time.monotonic(), os.getloadavg()[0]
    rows = [row for name, measure in CASES.items() if not wanted or name in wanted for row in measure()]
    print(CONDITIONS, *lines(rows), sep="\n")
    result = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "conditions": CONDITIONS,
        "machine": {"processors": os.cpu_count(), "load": load, "python": platform.python_version()},
        "rows": [row.json() for row in rows],
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    took = time.monotonic() - begun
    print(f"{os.cpu_count()} processors, load {load:.1f} at the start, {took:.0f} s; numbers in {RESULT}")


def near(*measures: Callable[[Lab], Row | Iterator[Row]]) -> Iterator[Row]:
    """Cases in one lab on loopback."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, Lab(Path(directory), notify_delay_s=5) as lab:
        for measure in measures:
            rows = measure(lab)
            yield from [rows] if isinstance(rows, Row) else rows


def far() -> Iterator[Row]:
    """The case in a lab whose servers are far away."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as directory,
        Lab(Path(directory), round_trip_ms=ROUND_TRIP_MS) as lab,
    ):
        yield cases.far_away(lab, ROUND_TRIP_MS)


CASES: dict[str, Callable[[], Iterator[Row]]] = {
    "one": lambda: near(cases.one_name),
    "far": far,
    "zone": lambda: near(cases.hundred_in_one_zone),
    "zones": lambda: near(cases.hundred_in_ten_zones),
    "thousand": lambda: near(cases.thousand),
    "behind": lambda: near(cases.behind),
    "http": lambda: iter([http.measure()]),
    "lineages": lambda: near(lineages.measure),
    "loading": lambda: iter([loading.measure()]),
    "ways": lambda: near(ways.measure),
    "monitor": lambda: near(fleet.monitor),
    "check": lambda: near(command.check),
    "history": command.history,
}


def end(number: int, _frame: FrameType | None) -> None:
    """End as a signal asks, by way of every context manager."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main(sys.argv[1:])
