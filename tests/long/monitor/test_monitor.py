"""``monitor`` beside what goes wrong around it: signals, a killed worker, a reader that goes away, an interruption."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from dns.name import from_text
from dns.rdatatype import RdataType

from certbot_dns_delegate.monitor import TOGETHER
from certbot_dns_delegate.monitor.worker import WORKERS
from tests import servers
from tests.long.lookup.test_recursive import Limiting
from tests.servers import Server
from tests.waiting import until

PROGRAM = str(Path(sys.executable).with_name("certbot-dns-delegate"))
NAMES = [f"x{number:04}.customer.test" for number in range(1200)]
ZONE = "\n".join(f"_acme-challenge.{name}. CNAME {name}.acme.test." for name in NAMES)
INI = "[acme.test]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\n"
AT_ONCE_S = 10
"""Seconds; with a silent resolver the batches under way would take hundreds."""

Command = Callable[[Server], list[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """``monitor`` of a fleet of 1,200 names, all well, by a resolver."""
    ini = tmp_path / "delegate.ini"
    ini.touch(mode=0o600)
    ini.write_text(INI)
    (tmp_path / "names").write_text("\n".join(NAMES))
    folders = ["--work-dir", str(tmp_path), "--config-dir", str(tmp_path)]
    monitor = ["monitor", "--from", str(tmp_path / "names"), "--credentials", str(ini)]
    return lambda resolver: [PROGRAM, *folders, *monitor, "--resolvers", f"{resolver.address}@{resolver.port}"]


@contextmanager
def resolver() -> Iterator[Server]:
    """A resolver that knows the fleet."""
    with Server({"customer.test.": ZONE, ".": ""}, recursive=True) as server:
        yield server


def shown(text: str) -> list[str]:
    """The names that were shown; a slow one comes behind others."""
    return [json.loads(line)["name"] for line in text.splitlines()]


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    """The command to its end."""
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_ends_it_though_the_resolver_is_silent(command: Command, number: signal.Signals) -> None:
    """It and its workers end at once; when it is killed outright, these see it by themselves."""
    with resolver() as server:
        server.behaviour = servers.When(lambda request: request.qtype == RdataType.CNAME, servers.Silent())
        with subprocess.Popen(command(server), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            # Standard output and error are inherited: they end when the last worker does.
            assert until(lambda: bool(server.asked(qtype="CNAME")))
            process.send_signal(number)
            out, err = process.communicate(timeout=AT_ONCE_S)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert (out, err) == (b"", b"")


def test_a_silent_resolver_is_told_soon(command: Command) -> None:
    """One question finds it out, and not the patience for each name of a batch."""
    with resolver() as server:
        server.behaviour = servers.Silent()
        done = run(command(server))
    assert done.returncode == 1
    assert "no resolver answers: . NS" in done.stderr
    assert "0 names done" in done.stderr


def test_a_slow_name_holds_up_no_other(command: Command) -> None:
    """The first name's servers are silent: it is shown when that is known, behind names of later batches."""
    with resolver() as server:
        slow = from_text(f"_acme-challenge.{NAMES[0]}.")
        server.behaviour = servers.When(lambda request: request.qname == slow, servers.Silent())
        records = [json.loads(line) for line in run(command(server)).stdout.splitlines()]
    states = {record["name"]: record["state"] for record in records}
    assert list(states).index(NAMES[0]) > TOGETHER
    assert states == dict.fromkeys(NAMES, "ok") | {NAMES[0]: "broken server"}


def test_a_resolver_that_limits_questions(command: Command, tmp_path: Path) -> None:
    """What it refuses in a burst is asked again more slowly, until it has answered all."""
    (tmp_path / "names").write_text("\n".join(NAMES[:150]))
    with resolver() as server:
        server.behaviour = Limiting(25 * WORKERS)
        records = [json.loads(line) for line in run(command(server)).stdout.splitlines()]
    assert {record["name"]: record["state"] for record in records} == dict.fromkeys(NAMES[:150], "ok")


def test_a_killed_worker_loses_no_name(command: Command, tmp_path: Path) -> None:
    """It is told, without a traceback, and with --resume every name comes once."""
    with resolver() as server:
        with (tmp_path / "first").open("w") as file:
            process = subprocess.Popen(command(server), stdout=file, stderr=subprocess.PIPE, text=True)
            with process:
                assert until(lambda: bool(server.questions))
                os.kill(children(process.pid)[0], signal.SIGKILL)
                _, err = process.communicate(timeout=60)
        second = run([*command(server), "--resume"])
    assert process.returncode == 1
    assert err.startswith("a worker process was killed")
    assert "--resume" in err
    assert sorted(shown((tmp_path / "first").read_text()) + shown(second.stdout)) == NAMES


def children(pid: int) -> list[int]:
    """The processes that a process has started, in our numbers: in the lab, /proc has others (proc(5), NSpid)."""
    ours = Path("/proc/self/ns/pid").readlink()
    numbers, parents = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if (folder / "ns/pid").readlink() == ours:
                status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
                numbers[folder.name] = int(status["NSpid"].split()[-1])
                parents[folder.name] = status["PPid"].strip()
    return [numbers[child] for child, parent in parents.items() if numbers.get(parent) == pid]


def test_the_reader_goes_away(command: Command) -> None:
    """What nobody has read counts as not shown, and the state is not blamed."""
    reader, writer = os.pipe()
    os.close(reader)
    with resolver() as server:
        done = subprocess.run(command(server), stdout=writer, stderr=subprocess.PIPE, check=False)
        os.close(writer)
        later = run([*command(server), "--since-last"])
    assert (done.returncode, done.stderr) == (1, b"")
    assert sorted(shown(later.stdout)) == NAMES


def test_the_counts_of_a_resumed_pass_are_of_all_names(command: Command, tmp_path: Path) -> None:
    """What was looked at before the interruption is counted too."""
    with resolver() as server:
        (tmp_path / "names").write_text("\n".join(NAMES[:600]))
        assert run(command(server)).returncode == 0
        (tmp_path / "names").write_text("\n".join(NAMES))
        with closing(sqlite3.connect(tmp_path / "dns-delegate" / "fleet.sqlite3")) as database, database:
            database.execute("UPDATE pass SET finished = NULL")
        metrics = tmp_path / "delegate.prom"
        done = run([*command(server), "--resume", "--prometheus", str(metrics)])
    assert sorted(shown(done.stdout)) == NAMES[600:]
    assert f'certbot_dns_delegate_names{{state="ok"}} {len(NAMES)}' in metrics.read_text()


def test_a_memory_of_a_newer_version(command: Command, tmp_path: Path) -> None:
    """It is told, and nobody is advised to take it for damaged."""
    with resolver() as server:
        assert run(command(server)).returncode == 0
        with closing(sqlite3.connect(tmp_path / "dns-delegate" / "fleet.sqlite3")) as database, database:
            database.execute("PRAGMA user_version = 99")
        done = run(command(server))
    assert done.returncode == 1
    assert "written by a newer version" in done.stderr
    assert "damaged" not in done.stderr
