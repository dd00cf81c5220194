"""The operator's command as an operator runs it: whole processes, with what Python's start takes of it."""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from certbot_dns_delegate.state.history import FAILED, Event, History, Selection
from tests.bench.table import Row
from tests.e2e.lab import Lab

PROGRAM = str(Path(sys.executable).with_name("certbot-dns-delegate"))
ROWS = 1_000_000
TIMES = 7
SAMPLE_S = 0.25


@dataclass(frozen=True)
class Ran:
    """One process, with its children: seconds, and the most MiB that all of them had resident at once."""

    took_s: float
    resident_mib: float
    proportional_mib: float
    """With what they share counted once."""
    output: bytes


def run(arguments: Sequence[str], work: Path) -> Ran:
    """Run the command to its end, with a look at its memory now and then."""
    command = [PROGRAM, "--work-dir", str(work), "--config-dir", str(work / "config"), *arguments]
    begin = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        most = [0, 0]
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(SAMPLE_S):
                for index, kib in enumerate(resident_kib(process.pid)):
                    most[index] = max(most[index], kib)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            assert process.stdout is not None
            output = process.stdout.read()
        finally:
            ended.set()
            watcher.join()
    return Ran(time.monotonic() - begin, most[0] / 1024, most[1] / 1024, output)


def resident_kib(session: int) -> tuple[int, int]:
    """Rss and Pss of every process of a session (proc(5), smaps_rollup)."""
    sums = {"Rss": 0, "Pss": 0}
    here = Path("/proc/self/ns/pid").readlink()
    for entry in Path("/proc").iterdir():
        try:
            # /proc may be that of the host, which numbers the lab's processes otherwise.
            if not entry.name.isdigit() or (entry / "ns" / "pid").readlink() != here:
                continue
            if int(fields(entry / "status")["NSsid"].split()[-1]) == session:
                rollup = fields(entry / "smaps_rollup")
                for word in sums:
                    sums[word] += int(rollup[word].split()[0])
        except (OSError, KeyError):
            continue  # it has ended
    return sums["Rss"], sums["Pss"]


def fields(file: Path) -> dict[str, str]:
    """The lines of a file of /proc by their word."""
    return dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)


def start_s(work: Path) -> float:
    """What Python's start and the reading of the command line take."""
    return median(run(["--version"], work).took_s for _ in range(TIMES))


def check(lab: Lab) -> Row:
    """One healthy name at BIND with two secondaries; the resolver has answered before."""
    credentials, work = lab.credentials("acme.bind.test"), lab.directory / "work-check"
    ran = [healthy(credentials, work) for _ in range(TIMES + 1)][1:]
    took, start = median(each.took_s for each in ran), start_s(work)
    return Row(
        "check of one healthy name",
        "1 s",
        f"{took:.2f} s, of which Python's start {start:.2f} s",
        took <= 1,
        {"total_s": took, "start_s": start, "runs_s": [each.took_s for each in ran]},
    )


def healthy(credentials: Path, work: Path) -> Ran:
    """One check, which finds that all is well."""
    ran = run(["check", "bind.customer.test", "--credentials", str(credentials)], work)
    assert ran.output.endswith(b"\n1 name: 1 ok\n"), ran.output
    return ran


def history() -> Iterator[Row]:
    """A history of a million rows: the newest of all, of one name, of what failed."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        work = Path(directory)
        filled = History(work / "dns-delegate" / "history.sqlite3")
        begin = time.time() - ROWS
        for first in range(0, ROWS, 50_000):
            filled.record(event(number, begin) for number in range(first, first + 50_000))
        questions = {
            "all": Selection(),
            "one name": Selection(names=("c000042.customer.test",)),
            "failed": Selection(outcome=FAILED),
        }
        pages = {}
        for word, wanted in questions.items():
            runs = []
            for _ in range(TIMES):
                start = time.perf_counter()
                assert len(filled.page(wanted, 50)) == 50
                runs.append(time.perf_counter() - start)
            pages[word] = median(runs)
        whole = median(run(["history"], work).took_s for _ in range(TIMES))
        start = start_s(work)
    told = ", ".join(f"{word} {took * 1000:.0f} ms" for word, took in pages.items())
    yield Row(
        f"history of {ROWS:,} rows",
        "first page 0.2 s",
        f"{told}; as a command {whole:.2f} s, of which Python's start {start:.2f} s",
        max(pages.values()) <= 0.2 and whole - start <= 0.2,
        {"pages_s": pages, "command_s": whole, "start_s": start},
    )


def event(number: int, begin: float) -> Event:
    """One row of a fleet's renewals, a second after the one before."""
    phase = ("plan", "publish", "watch", "withdraw")[number % 4]
    name = f"c{number // 4 % 1000:06}.customer.test"
    outcome = "NotServed" if number % 97 == 0 else "ok"
    identifier = name if phase == "plan" else ""
    detail = {"zone": "acme.test.", "server": "127.0.53.10", "rcode": "NOERROR"}
    return Event(
        f"run{number // 4}", phase, outcome, identifier, f"{name}.acme.test.", "acme.test", 12.5, detail, begin + number
    )
