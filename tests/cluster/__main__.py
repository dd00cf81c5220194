"""``python -m tests.cluster``, inside the lab's namespaces: the array job of the page on many machines.

Two nodes run its four tasks; the engine kills one of them when it has done a part, and starts it again. Then ``monitor
--merge`` proves that the files are the whole. What is printed at the end are the figures of the page.
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from certbot_dns_delegate.monitor import workers
from certbot_dns_delegate.monitor.shard import Shard
from tests.bench.command import PROGRAM
from tests.bench.fleet import remembering
from tests.cluster import slurm
from tests.cluster.slurm import Cluster
from tests.docs.pages import named
from tests.e2e.lab import Lab
from tests.e2e.lab.unbound import Unbound
from tests.waiting import until

SHARDS = 4
KILLED = 1
"""The task that is killed."""
ZONE = "single.bind.test"
PAGE = "howto/many-machines"
LOOK_S = 0.05
"""Seconds between two looks at what the engine does."""
LONGEST_S = 1800


def script(folder: Path, resolver: str, *, serving: bool) -> str:
    """The job of the page, with our folder, zone and resolver; it also notes its processor time.

    :param serving: look at the addresses of the names too.
    """
    text = named("slurm-job", PAGE)
    for word, own in {
        "certbot-dns-delegate ": f"{PROGRAM} --config-dir {folder}/none --resolvers {resolver} ",
        "/srv/fleet": str(folder),
        "--zones acme.example.net": f"--zones {ZONE}" + (" --serving 192.0.2.0/24" if serving else ""),
    }.items():
        assert word in text
        text = text.replace(word, own)
    return f'{text}code=$?\ntimes > "{folder}/times-$SLURM_ARRAY_TASK_ID"\nexit $code\n'


@dataclass(frozen=True)
class Fleet:
    """The names, and where the tasks find and leave their files."""

    folder: Path
    names: list[str]
    resolver: Unbound

    def rows(self, job: str, task: int) -> Path:
        """The file of a task."""
        return self.folder / f"rows-{job}-{task}.jsonl"

    def command(self, *words: str | Path) -> subprocess.CompletedProcess[bytes]:
        """Our command, as on a machine that joins."""
        return subprocess.run([PROGRAM, "monitor", *map(str, words)], capture_output=True, check=False)


def say(text: str) -> None:
    """A line at once, also into a file."""
    print(text, flush=True)


def run(cluster: Cluster, fleet: Fleet, *, kill: bool, serving: bool) -> str:
    """One job to its end; its number."""
    file = fleet.folder / "job.sh"
    file.write_text(script(fleet.folder, fleet.resolver.address, serving=serving))
    job = cluster.submit(file)
    if kill:
        kill_one(cluster, fleet, job)
    end = time.monotonic() + LONGEST_S
    while cluster.tasks(job) and time.monotonic() < end:
        time.sleep(LOOK_S * 10)
    outcomes = cluster.outcomes(job)
    for each in outcomes:
        task = each["ArrayTaskId"]
        log = (fleet.folder / f"log-{job}-{task}").read_text()
        say(f"task {task}: {each['JobState']} on {each['NodeList']}, restarts {each['Restarts']}. {log}".rstrip())
    assert {each["JobState"] for each in outcomes} == {"COMPLETED"}
    assert {each["NodeList"] for each in outcomes} == set(slurm.NODES)
    assert {each["ArrayTaskId"]: each["Restarts"] for each in outcomes} == {
        str(task): "1" if kill and task == KILLED else "0" for task in range(SHARDS)
    }
    return job


def kill_one(cluster: Cluster, fleet: Fleet, job: str) -> None:
    """Let the engine stop a task that has done a part, and start it again; what was recorded by then stays."""
    rows = fleet.rows(job, KILLED)
    wanted = len(fleet.names) // SHARDS // 3
    assert until(rows.exists)
    while rows.read_bytes().count(b"\n") < wanted:
        log = fleet.folder / f"log-{job}-{KILLED}"
        assert cluster.tasks(job).get(str(KILLED)) == "RUNNING", log.read_text()
        time.sleep(LOOK_S)
    cluster.run("scontrol", "requeue", f"{job}_{KILLED}")
    say(f"task {KILLED} is stopped after some {wanted} rows")
    first = rows.read_bytes().splitlines()[0]
    assert until(lambda: cluster.tasks(job).get(str(KILLED)) == "PENDING")
    kept = rows.read_bytes()
    assert until(lambda: cluster.tasks(job).get(str(KILLED)) == "RUNNING")
    assert until(lambda: rows.stat().st_size > len(kept))
    assert rows.read_bytes().splitlines()[0] == first
    lines = zip(rows.read_bytes().splitlines(), kept.splitlines(), strict=False)
    same = sum(1 for _ in itertools.takewhile(lambda both: both[0] == both[1], lines)) - 1
    say(f"it goes on after {same} rows of its first run")
    assert same >= wanted - workers.TOGETHER


def prove(fleet: Fleet, job: str) -> float:
    """The files of all tasks are the whole, and nothing twice; without one of them there is an error.

    :returns: seconds of processor time that joining took.
    """
    rows = [fleet.rows(job, task) for task in range(SHARDS)]
    counts = [fleet.folder / f"shard-{task}.prom" for task in range(SHARDS)]
    whole, metrics = fleet.folder / "rows.jsonl", fleet.folder / "delegations.prom"
    before = os.times()
    done = fleet.command("--merge", *rows, *counts, "--output", whole, "--prometheus", metrics)
    after = os.times()
    took_s = after.children_user + after.children_system - before.children_user - before.children_system
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), done
    found = [json.loads(line)["name"] for line in whole.read_text().splitlines()[1:-1]]
    assert sorted(found) == fleet.names
    assert f'certbot_dns_delegate_names{{state="ok"}} {len(fleet.names)}\n' in metrics.read_text()
    for task in range(SHARDS):
        lines = rows[task].read_text().splitlines()[1:-1]
        own = [name for name in fleet.names if Shard(task, SHARDS).has(name)]
        assert sorted(json.loads(line)["name"] for line in lines) == own
    assert b"1 shard is missing: 2/4" in fleet.command("--merge", *rows[:2], rows[3]).stderr
    say(f"{len(found)} rows, each of the {len(fleet.names)} names once")
    return took_s


def counted(resolver: Unbound) -> Mapping[str, float]:
    """What the resolver has counted, and is set back to nothing (unbound-control(8), stats)."""
    lines = resolver.control("stats").splitlines()
    return {key: float(value) for key, _, value in (line.partition("=") for line in lines) if value}


def octets() -> int:
    """Of datagrams and segments with their IP headers that went over loopback so far (proc(5), netstat)."""
    head, values = [line.split() for line in Path("/proc/net/netstat").read_text().splitlines() if "IpExt" in line]
    return int(dict(zip(head, values, strict=True))["OutOctets"])


def processor_s(fleet: Fleet, task: int) -> float:
    """Seconds of all processes of a task, as the shell has summed them up (times(1p))."""
    line = (fleet.folder / f"times-{task}").read_text().splitlines()[1]
    return sum(int(minutes) * 60 + float(seconds) for minutes, seconds in re.findall(r"(\d+)m([\d.]+)s", line))


def figures(fleet: Fleet, job: str, before: int, took_s: float) -> dict[str, float]:
    """By name: what the page counts with."""
    names, stats = len(fleet.names), counted(fleet.resolver)
    files = sum(fleet.rows(job, task).stat().st_size for task in range(SHARDS))
    state = sum(path.stat().st_size for path in (fleet.folder / "state").rglob("*.sqlite3"))
    return {
        "names": names,
        "seconds": round(took_s, 1),
        "processor_ms": round(sum(processor_s(fleet, task) for task in range(SHARDS)) * 1000 / names, 3),
        "questions": round(stats["total.num.queries"] / names, 3),
        "answered_from_cache": round(stats["total.num.cachehits"] / names, 3),
        "octets_on_the_wire": round((octets() - before) / names),
        "octets_of_rows": round(files / names),
        "octets_of_state": round(state / names),
    }


def main() -> None:
    """Run the job several times; at first the resolver knows nothing, and one task is killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(prefix="cluster-") as directory, Lab(Path(directory) / "lab") as lab:
        names = [f"c{number:07}.customer.test" for number in range(arguments.names)]
        records = {f"_acme-challenge.{name}.": f"CNAME {name}.{ZONE}." for name in names}
        lab.set_customer({**records, **{f"{name}.": "A 192.0.2.1" for name in names}})
        folder = Path(directory) / "fleet"
        folder.mkdir()
        (folder / "names.txt").write_text("\n".join(names) + "\n")
        with remembering(lab) as resolver, slurm.started(Path(directory) / "slurm") as cluster:
            fleet = Fleet(folder, names, resolver)
            for word in ("cold", "warm", "cold, with addresses", "warm, with addresses"):
                counted(resolver)
                before, begin = octets(), time.monotonic()
                job = run(cluster, fleet, kill=word == "cold", serving="addresses" in word)
                found[word] = figures(fleet, job, before, time.monotonic() - begin)
                found[word]["joining_processor_ms"] = round(prove(fleet, job) * 1000 / len(names), 3)
    text = json.dumps(found, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
