"""``python -m tests.shards [--shards N] [--seed S] [PYTEST'S ARGUMENTS]``: the tests, side by side.

It fails when a shard fails, and when not every test that was collected has ended. A unit test that is
skipped in the lab's namespaces, in which there is one user alone, is tried once more outside. A few tests that failed
are run once more, with nothing beside them: one that passes then is shown as unsteady with its first output, so that a
busy machine does not hold up a change, and nobody overlooks it. With one shard pytest runs as it would alone, on this
terminal.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Container, Sequence
from pathlib import Path

from tests.e2e.lab import namespace
from tests.shards import packing
from tests.shards.report import Reader

SHARDS_PER_CPU = 4
"""Most of a test's time is waiting, so that four of them keep a processor busy."""
LIMIT_S = 240.0
"""Seconds without any test ending, after which a shard is ended: the longest takes 20 s on an idle machine."""
INTERVAL_S = 0.1
TELL_S = 30
"""Seconds between two lines of progress, where there is no terminal."""
SLOWEST = 20
AGAIN = 5
"""Failed tests that are run once more; where more have failed, the machine is not the reason."""
FAILED = "failed"
SKIPPED = "skipped"
PLAIN = ("tests/unit/", "tests/properties/", "tests/long/")
"""Tests that need no lab."""


class Process:
    """One shard at work."""

    def __init__(
        self, shard: packing.Shard, options: Sequence[str], folder: Path, limit_s: float, *, in_lab: bool = True
    ) -> None:
        self.shard = shard
        self.limit_s = limit_s
        self.folder = folder / str(shard.number)
        self.folder.mkdir()
        self.reader = Reader(self.folder / "report")
        self.begun = self.last = time.monotonic()
        self.took_s = 0.0
        self.is_hung = False
        lab = [sys.executable, "-m", "tests.e2e.lab", "run", "--"] if in_lab else []
        command = [*lab, *pytest(options, shard.paths)]
        # Pytest shows the stacks of a test that goes on, before the shard is ended.
        command += ["-o", f"faulthandler_timeout={limit_s / 2}", "--continue-on-collection-errors"]
        command += [f"--basetemp={self.folder / 't'}", "-o", f"cache_dir={self.folder / 'cache'}"]
        command += ["-p", "tests.shards.report", f"--report={self.reader.file}"]
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=packing.ROOT,
                start_new_session=True,
            )

    def look(self) -> bool:
        """Read what was reported; whether the shard still runs. One that hangs is ended."""
        code = self.process.poll()
        before = self.reader.running
        for test in self.reader.read():
            self.last = time.monotonic()
            if test.outcome == FAILED:
                print(f"failed: {test.node}", flush=True)
        if self.reader.running != before:  # the limit is for a test, not for the lab's start before it
            self.last = time.monotonic()
        if code is not None:
            self.took_s = self.took_s or time.monotonic() - self.begun
            return False
        if time.monotonic() - self.last > self.limit_s:
            self.is_hung = True
            self.end()
        return True

    def end(self) -> None:
        """End it, and everything in its namespaces (PR_SET_PDEATHSIG, pid_namespaces(7))."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def problem(self, passed_alone: Container[str] = ()) -> str:
        """What is wrong with its end; nothing when all is well but for tests that passed when they ran alone."""
        if self.is_hung:
            return f"nothing ended for {self.limit_s:g} s; ended in {self.reader.running or 'its start'}"
        code = self.process.returncode
        failed = [test.node for test in self.reader.tests if test.outcome == FAILED]
        is_excused = code == 1 and failed and not self.reader.unread and all(node in passed_alone for node in failed)
        if code not in {0, 5} and not is_excused:  # pytest's ExitCode.NO_TESTS_COLLECTED: -k has left nothing
            return f"exit code {code}"
        ended, collected = len(self.reader.tests), self.reader.collected
        return "" if ended == collected else f"{ended} tests of {collected} have ended"


def pytest(options: Sequence[str], paths: Sequence[str]) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "pytest", *options, *paths]


def main(words: Sequence[str]) -> int:
    """Run the tests; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.shards", description=__doc__, allow_abbrev=False)
    parser.add_argument("--shards", type=int, default=SHARDS_PER_CPU * (os.cpu_count() or 1), help="at most so many")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="the order of an earlier run")
    parser.add_argument("--limit", type=float, default=LIMIT_S, metavar="SECONDS", help="for a test that goes on")
    parser.add_argument("--no-skips", action="store_true", help="fail when any test was skipped")
    parser.add_argument("--keep-durations", action="store_true", help="write the committed table")
    own, others = parser.parse_known_args(words)
    options, paths = packing.split(others)
    # On a host's own loopback all servers would meet at the same addresses.
    count = 1 if namespace.inside() or namespace.possible() is None else own.shards
    found = packing.files(paths)
    shards = packing.pack(found, count, random.Random(own.seed))
    print(f"{len(shards)} shards, --seed {own.seed}", flush=True)
    if own.shards == 1 or len(found) == 1:
        return namespace.run(pytest([*options, *(["--no-skips"] if own.no_skips else [])], shards[0].paths))
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    folder = Path(tempfile.mkdtemp(prefix="shards-"))
    processes = [Process(shard, options, folder, own.limit) for shard in shards]
    try:
        watch(processes)
        tests = [test for process in processes for test in process.reader.tests]
        if skipped := [test.node for test in tests if test.outcome == SKIPPED and test.node.startswith(PLAIN)]:
            again = packing.Shard(len(processes) + 1, paths=skipped)
            processes.append(Process(again, options, folder, own.limit, in_lab=False))
            watch(processes[-1:])
        failed = [test.node for test in tests if test.outcome == FAILED]
        if 0 < len(failed) <= AGAIN and not any(process.is_hung for process in processes):
            alone = packing.Shard(len(processes) + 1, paths=failed)
            processes.append(Process(alone, options, folder, own.limit))
            watch(processes[-1:])
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        for process in processes:
            process.end()
    is_well = tell(processes, no_skips=own.no_skips)
    measured: Counter[str] = Counter()
    for process in processes:
        for test in process.reader.tests:
            measured[test.file] += test.seconds
    if not options:  # all of each file
        packing.remember(measured, packing.COMMITTED if own.keep_durations else packing.LAST_RUN)
    if is_well:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"what they left: {folder}")
    return 0 if is_well else 1


def watch(processes: Sequence[Process]) -> None:
    """Until all have ended, with a line of progress now and then."""
    begun = told = time.monotonic()
    is_terminal = sys.stdout.isatty()
    while running := [process for process in processes if process.look()]:
        now = time.monotonic()
        if now - told > (1 if is_terminal else TELL_S):
            told = now
            ended = sum(len(process.reader.tests) for process in processes)
            of = sum(process.reader.collected or 0 for process in processes)
            line = f"{now - begun:.0f} s: {ended} of {of} tests, {len(running)} shards"
            slow = max(running, key=lambda process: now - process.last)
            if now - slow.last > TELL_S:
                line += f"; {now - slow.last:.0f} s in {slow.reader.running or 'its start'}"
            print(f"\r\x1b[K{line}" if is_terminal else line, end="" if is_terminal else "\n", flush=True)
        time.sleep(INTERVAL_S)
    if is_terminal:
        print("\r\x1b[K", end="")


def tell(processes: Sequence[Process], *, no_skips: bool) -> bool:
    """Show the output of what failed, the slowest tests, what was skipped and the counts; whether all is well."""
    # The last outcome of each counts, which may be that outside the lab.
    tests = list({test.node: test for process in processes for test in process.reader.tests}.values())
    skipped = [test for test in tests if test.outcome == SKIPPED]
    failed = {test.node for process in processes for test in process.reader.tests if test.outcome == FAILED}
    unsteady = failed & {test.node for test in tests if test.outcome != FAILED}
    problems = [(process, problem) for process in processes if (problem := process.problem(unsteady))]
    shown = [(process, process.problem()) for process in processes if process.problem()]
    for process, problem in shown:
        print(
            f"\n=== shard {process.shard.number}: {problem}\n{(process.folder / 'output').read_text(errors='replace')}"
        )
    print(f"\nslowest {SLOWEST}, and the seconds that they computed:")
    for test in sorted(tests, key=lambda test: -test.seconds)[:SLOWEST]:
        print(f"{test.seconds:6.1f} {test.cpu_s:6.1f}  {test.node}")
    for reason, count in Counter(test.reason for test in skipped).items():
        print(f"skipped {count}: {reason.removeprefix('Skipped: ')}")
    print("seconds by shard:", ", ".join(f"{process.took_s:.0f}" for process in processes))
    total_s, cpu_s = sum(test.seconds for test in tests), sum(test.cpu_s for test in tests)
    print(f"seconds in tests: {total_s:.0f}, of which they computed {cpu_s:.0f}")
    for process, problem in problems:
        print(f"shard {process.shard.number}: {problem}")
    counts = Counter(test.outcome for test in tests)
    print(", ".join(f"{counts[outcome]} {outcome}" for outcome in ("failed", "skipped", "passed") if counts[outcome]))
    for node in sorted(unsteady):
        print(f"unsteady (failed beside others, passed alone): {node}")
    if skipped and no_skips:
        print("--no-skips: " + ", ".join(test.node for test in skipped))
    return not problems and bool(tests) and not (skipped and no_skips)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
