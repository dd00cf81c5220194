"""The cases of the table."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import dns.name

from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader
from certbot_dns_delegate.timing import BETWEEN_LOOKS
from tests.bench import orders
from tests.bench.orders import Authenticator, Floor, Timing
from tests.bench.records import Records, in_step, serving, waves
from tests.bench.table import Row
from tests.e2e.lab import Lab, network, zones

FAST = "fast.bind.test."  # a primary and a secondary, notify-delay 0
SLOW = "acme.bind.test."  # the same and NSD, notify-delay 5 s
SINGLE, MANY, FEW = 12, 5, 3  # repetitions of what takes 0.3 s, 1 s and more
WORKS = itertools.count()


def title(zone: str) -> str:
    return zone.rstrip(".")


def work(lab: Lab) -> Path:
    """A new work directory for Certbot."""
    return lab.directory / f"work-{next(WORKS)}"


def repeat(
    times: int, lab: Lab, used: Sequence[str], make: Callable[[], Authenticator], names: list[str]
) -> list[Timing]:
    """Orders one after the other, each with the secondary in step; the first warms the resolver and is not counted."""
    timings = []
    for _ in range(times + 1):
        in_step(lab, *used)
        timings.append(orders.run(make(), names))
    return timings[1:]


def total(timings: Sequence[Timing]) -> float:
    """The median of perform plus cleanup, in seconds."""
    return median(timing.total_s for timing in timings)


def cpu(timings: Sequence[Timing]) -> float:
    """The median of this process's own seconds."""
    return median(timing.cpu_s for timing in timings)


def one_name(lab: Lab) -> Iterator[Row]:
    """One name, and a name with its wildcard, alternating so that both meet the same machine."""
    credentials, name = lab.credentials(title(FAST)), ["fast.customer.test"]
    place = work(lab)
    floor = repeat(SINGLE, lab, [FAST], lambda: Floor(lab, FAST), name)
    pairs = []
    for _ in range(SINGLE):
        runs = []
        for values in (1, 2):
            in_step(lab, FAST)
            runs.append(orders.run(orders.ours(credentials, place), name * values))
        pairs.append(runs)
    pairs = pairs[1:]
    one, two = total([pair[0] for pair in pairs]), total([pair[1] for pair in pairs])
    perform = median(pair[0].perform_s for pair in pairs)
    yield Row(
        "one name, servers in step",
        "0.4 s, of which 0.2 s lie between the two looks",
        f"{one:.3f} s (perform {perform:.3f}; floor {total(floor):.3f}; CPU {cpu([pair[0] for pair in pairs]):.3f})",
        one <= 0.4,
        {"total_s": one, "perform_s": perform, "floor_s": total(floor), "runs_s": [pair[0].total_s for pair in pairs]},
    )
    yield Row(
        "name + wildcard",
        "1.1 times one name",
        f"{two / one:.2f} times ({two:.3f} s)",
        two / one <= 1.1,
        {"total_s": two, "factor": two / one, "runs_s": [pair[1].total_s for pair in pairs]},
    )


def hundred_in_one_zone(lab: Lab) -> Row:
    """100 names in one zone, on the zone that notifies at once."""
    names = [f"f{number:03}.customer.test" for number in range(100)]
    lab.set_customer({f"_acme-challenge.{n}.": f"CNAME {n.partition('.')[0]}.{FAST}" for n in names})
    credentials, place = lab.credentials(title(FAST)), work(lab)
    floor = repeat(MANY, lab, [FAST], lambda: Floor(lab, FAST), names)
    timings, lags, updates = [], [], []
    for _ in range(MANY + 1):
        in_step(lab, FAST)
        records = Records(lab, [FAST])
        with serving(lab, f"f000.{FAST}", [network.BIND, network.LAGGING]) as served:
            timings.append(orders.run(orders.ours(credentials, place), names))
        updates.append(records.updates())
        lags.append(served.at[network.LAGGING] - served.at[network.BIND])
    took, lag = total(timings[1:]), max(0.0, median(lags[1:]))
    return Row(
        "100 names, one zone",
        "1.0 s beyond the secondary's lag; 1 UPDATE out, 1 back",
        f"{took - lag:.3f} s beyond a lag of {lag:.3f} s (floor {total(floor):.3f}, CPU {cpu(timings):.2f});"
        f" UPDATEs {updates[-1][0]}, serial steps {updates[-1][1]}",
        took - lag <= 1.0 and set(updates) == {(2, 2)},
        {
            "total_s": took,
            "lag_s": lag,
            "floor_s": total(floor),
            "updates": updates,
            "runs_s": [t.total_s for t in timings],
        },
    )


def hundred_in_ten_zones(lab: Lab) -> Row:
    """100 names over 10 zones, and how much memory they take."""
    names = [f"m{number:03}.customer.test" for number in range(100)]
    credentials, place = lab.credentials(*map(title, zones.BENCH), name="ten.ini"), work(lab)
    timings, updates = [], []
    for _ in range(MANY + 1):
        in_step(lab, *zones.BENCH)
        records = Records(lab, zones.BENCH)
        timings.append(orders.run(orders.ours(credentials, place), names))
        updates.append(records.updates())
    took = total(timings[1:])
    command = [sys.executable, "-m", "tests.bench.memory", str(credentials), str(work(lab)), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kib = json.loads(done.stdout)
    more = (kib["highest"] - kib["idle"]) / 1024
    return Row(
        "100 names over 10 zones",
        "1.2 s; 10 UPDATEs out, 10 back; 40 MiB over an idle Certbot",
        f"{took:.3f} s (CPU {cpu(timings):.2f}); UPDATEs {updates[-1][0]}, serial steps {updates[-1][1]};"
        f" {more:.1f} MiB over {kib['idle'] / 1024:.0f} MiB",
        took <= 1.2 and set(updates) == {(20, 20)} and more <= 40,
        {"total_s": took, "updates": updates, "memory_kib": kib, "runs_s": [t.total_s for t in timings]},
    )


def thousand(lab: Lab) -> Row:
    """1000 values over 10 zones with one server each; Certbot is not in it."""
    count = 1000
    names = [f"t{number:04}.customer.test" for number in range(count)]
    # As "certbot-dns-delegate records" writes them: a target that carries its name saves the question for a wildcard.
    targets = {name: f"{name}.{zones.ALONE[number % 10]}" for number, name in enumerate(names)}
    lab.set_customer({f"_acme-challenge.{name}.": f"CNAME {target}" for name, target in targets.items()})
    credentials = lab.credentials(*map(title, zones.ALONE), name="alone.ini")
    warnings: list[str] = []
    loaded = reader.load(credentials, orders.NAME, warnings.append)
    totals, cpus, questions = [], [], []
    for _ in range(FEW + 1):
        wanted = [
            Challenge(name, dns.name.from_text(f"_acme-challenge.{name}."), os.urandom(16).hex() + "x" * 11)
            for name in targets
        ]
        records = Records(lab, zones.ALONE)
        engine = Engine(loaded, work(lab))
        begin, used = time.monotonic(), time.process_time()
        engine.perform(wanted)
        leftovers = engine.cleanup()
        totals.append(time.monotonic() - begin)
        cpus.append(time.process_time() - used)
        assert not leftovers, leftovers
        questions.append(records.questions() / count)
    took, each = median(totals[1:]), median(questions[1:])
    return Row(
        "1000 values over 10 zones (the engine alone)",
        "4 s; 5 questions per name",
        f"{took:.2f} s (CPU {median(cpus[1:]):.2f}); {each:.2f} questions per name",
        took <= 4 and each <= 5,
        {"total_s": took, "questions_per_name": each, "cpus_s": cpus, "runs_s": totals, "questions": questions},
    )


def behind(lab: Lab) -> Row:
    """A secondary that BIND notifies late: each order meets the NOTIFY of the one before."""
    credentials, place = lab.credentials(title(SLOW)), work(lab)
    servers = [network.BIND, network.LAGGING, network.NSD]
    late, lags = [], []
    # Another name each time: the secondary serves the value of the last for as long as it lags.
    for number in range(FEW + 1):
        with serving(lab, f"n{number:03}.{SLOW}", servers) as served:
            timing = orders.run(orders.ours(credentials, place), [f"n{number:03}.customer.test"])
        late.append(timing.began + timing.perform_s - served.last)
        lags.append(served.last - served.at[network.BIND])
    return Row(
        "secondary 5 s behind",
        "ready 0.6 s after the secondary serves it",
        f"{max(late):.3f} s after it at most (lags {', '.join(f'{lag:.1f}' for lag in lags)} s)",
        max(late) <= 0.6,
        {"late_s": late, "lags_s": lags},
    )


def far_away(lab: Lab, round_trip_ms: int) -> Row:
    """One name, with every server so many milliseconds away."""
    credentials, place = lab.credentials(title(FAST)), work(lab)
    seconds = round_trip_ms / 1000
    timings = repeat(FEW, lab, [FAST], lambda: orders.ours(credentials, place), ["fast.customer.test"])
    perform = median(t.perform_s - BETWEEN_LOOKS.total_seconds() for t in timings) / seconds
    cleanup = median(t.cleanup_s for t in timings) / seconds
    ends = [(t.began, t.began + t.perform_s, t.began + t.total_s) for t in timings]
    counted = [(waves(lab, a, b, seconds), waves(lab, b, c, seconds)) for a, b, c in ends]
    out, back = (median(column) for column in zip(*counted, strict=True))
    return Row(
        f"one name, every server {round_trip_ms} ms away",
        "8 sequential round trips in perform, 2 in cleanup",
        f"counted {out:.0f} and {back:.0f}; elapsed {perform:.1f} and {cleanup:.1f} times {round_trip_ms} ms (without"
        " the 0.2 s between looks)",
        out <= 8 and back <= 2,
        {"counted": counted, "elapsed": [perform, cleanup], "runs_s": [[t.perform_s, t.cleanup_s] for t in timings]},
    )
