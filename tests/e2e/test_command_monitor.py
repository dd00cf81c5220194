"""``monitor`` over time: what it remembers, how it goes on after an interruption."""

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import dns.rcode
import pytest

from tests.e2e.faults import at
from tests.e2e.lab import Lab
from tests.e2e.transcripts import Runner
from tests.servers import Behaviour, Handler, Reply, Request, Server

NAME = "single.customer.test"
OWNER = f"_acme-challenge.{NAME}."
HERE, AWAY = "127.0.53.2", "192.0.2.1"


@pytest.fixture
def runner(lab: Lab, tmp_path: Path) -> Runner:
    """The command with settings for two delegates."""
    ini = lab.credentials("single.bind.test", "acme.bind.test", name=f"{tmp_path.name}.ini")
    return Runner(tmp_path, {"INI": str(ini)}, lab.certbot_environment())


def states(runner: Runner, options: str = "") -> dict[str, str]:
    """The state of each name that is shown."""
    done = runner.run(f"certbot-dns-delegate monitor {NAME} bind.customer.test --credentials $INI {options}")
    assert done.stderr == ""
    return {record["name"]: record["state"] for record in map(json.loads, done.stdout.splitlines())}


def test_only_changes(lab: Lab, runner: Runner) -> None:
    """With --since-last a name is shown when its state is another; one that lost its CNAME was delegated once."""
    assert states(runner, "--since-last") == {NAME: "ok", "bind.customer.test": "ok"}
    assert states(runner, "--since-last") == {}
    lab.set_customer({OWNER: None})
    assert states(runner, "--since-last") == {NAME: "undelegated"}
    assert states(runner) == {NAME: "undelegated", "bind.customer.test": "ok"}


def test_gone_and_never_arrived(lab: Lab, runner: Runner) -> None:
    """A name that was here and has left is gone; one that never was has never arrived; since when is kept."""
    lab.set_customer({f"{NAME}.": f"A {HERE}"})
    serving = "--serving 127.0.53.0/24"
    assert states(runner, serving) == {NAME: "ok", "bind.customer.test": "never arrived"}
    lab.set_customer({f"{NAME}.": f"A {AWAY}"})
    command = f"certbot-dns-delegate monitor {NAME} --credentials $INI {serving}"
    first, second = (json.loads(runner.run(command).stdout) for _ in range(2))
    assert (first["state"], first["addresses"]) == ("gone", [AWAY])
    assert first["since"] == second["since"]
    assert f"delete the record _acme-challenge.{NAME}" in first["letter"]
    lab.set_customer({f"{NAME}.": f"A {HERE}"})
    assert states(runner, serving)[NAME] == "ok"


def test_stale(runner: Runner) -> None:
    """A name that is still delegated and was never issued for is stale after the time given."""
    assert states(runner, "--stale 1d") == {NAME: "ok", "bind.customer.test": "ok"}
    with closing(sqlite3.connect(runner.directory / "work" / "dns-delegate" / "fleet.sqlite3")) as database, database:
        database.execute("UPDATE name SET delegated = delegated - 100000 WHERE name = ?", (NAME,))
    assert states(runner, "--stale 1d") == {NAME: "stale", "bind.customer.test": "ok"}
    assert states(runner, "--stale 1d") == {NAME: "stale", "bind.customer.test": "ok"}


def test_a_resolver_that_dies_loses_no_name(lab: Lab, runner: Runner) -> None:
    """When no resolver answers the pass ends, says so, and is resumed without doubling or losing a name."""
    names = [f"n{number:03}.customer.test" for number in range(100)]
    (runner.directory / "names").write_text("\n".join(names[:50]))
    command = "certbot-dns-delegate monitor --from names --credentials $INI"
    assert runner.run(command).returncode == 0
    # The same pass, not finished, with more names to come and a resolver at an address where nothing listens.
    with closing(sqlite3.connect(runner.directory / "work" / "dns-delegate" / "fleet.sqlite3")) as database, database:
        database.execute("UPDATE pass SET finished = NULL")
    (runner.directory / "names").write_text("\n".join(names))
    dead = runner.run(f"{command} --resume --resolvers 127.0.53.99")
    assert dead.returncode == 1
    assert dead.stdout == ""
    assert "no resolver answers" in dead.stderr
    assert "--resume" in dead.stderr
    resumed = runner.run(f"{command} --resume")
    assert resumed.returncode == 0
    assert sorted(json.loads(line)["name"] for line in resumed.stdout.splitlines()) == names[50:]


class Dying(Behaviour):
    """Answers so many questions; ever after it fails, as a resolver that has lost its way out."""

    def __init__(self, questions: int) -> None:
        self._numbers = itertools.count()
        self._questions = questions

    def answer(self, request: Request, honest: Handler) -> Reply:
        return honest(request) if next(self._numbers) < self._questions else request.reply(dns.rcode.SERVFAIL)


def test_a_resolver_that_dies_half_way(runner: Runner) -> None:
    """What was looked at before stays, no name passes for broken, and every name comes exactly once after a resume."""
    names = [f"x{number:04}.customer.test" for number in range(1600)]
    (runner.directory / "names").write_text("\n".join(names))
    zone = "\n".join(f"_acme-challenge.{n}. CNAME {n}.single.bind.test." for n in names)
    with Server({"customer.test.": zone, ".": ""}, recursive=True, behaviour=Dying(1400)) as resolver:
        command = f"certbot-dns-delegate monitor --from names --credentials $INI --resolvers {at(resolver)}"
        first = runner.run(command)
        resolver.behaviour = Behaviour()
        second = runner.run(f"{command} --resume")
    assert first.returncode == 1
    assert "no resolver answers" in first.stderr
    assert second.stderr == ""
    records = [json.loads(line) for line in (first.stdout + second.stdout).splitlines()]
    assert sorted(record["name"] for record in records) == names
    assert {record["state"] for record in records} == {"ok"}
    assert 0 < len(first.stdout.splitlines()) < len(names)


def test_a_pause_of_the_list_holds_up_no_row(runner: Runner) -> None:
    """Who writes the names goes on later: the rows of those that are there are shown meanwhile."""
    with subprocess.Popen(
        [
            *("certbot-dns-delegate", "--work-dir", str(runner.directory), "monitor", "--from", "-"),
            *("--credentials", runner.words["INI"]),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        shown: list[str] = []
        for first in (0, 150):
            names = [f"n{number:03}.customer.test" for number in range(first, first + 150)]
            process.stdin.write("".join(f"{name}\n" for name in names).encode())
            process.stdin.flush()
            shown += [json.loads(process.stdout.readline())["name"] for _ in range(100)]
            assert shown == sorted(shown)
        process.stdin.close()
        process.stdout.read()
        assert process.wait(30) == 1


def test_a_signal_ends_it_and_its_workers(runner: Runner) -> None:
    """SIGTERM ends the command at once, with the signal's exit code, and no worker stays."""
    reader, writer = os.pipe()
    with subprocess.Popen(
        [
            *("certbot-dns-delegate", "--work-dir", str(runner.directory), "monitor", "--from", "-"),
            *("--credentials", runner.words["INI"]),
        ],
        stdin=reader,
        stdout=subprocess.PIPE,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        start_new_session=True,
    ) as process:
        os.close(reader)
        os.write(writer, b"".join(b"n%03d.customer.test\n" % (number % 100) for number in range(5000)))
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
        begin = time.monotonic()
        while is_alive(process.pid) and time.monotonic() - begin < 10:
            time.sleep(0.05)
        assert not is_alive(process.pid)
    os.close(writer)


def is_alive(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
