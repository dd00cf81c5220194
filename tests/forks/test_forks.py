"""A run of a program that is loaded: what it is given, and how it ends."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forks import Forks

SCRIPT = """\
import json
import os
import sys
import time

times = []
# loaded
times.append(os.getpid())
umask = os.umask(0)
given = {"argv": sys.argv[1:], "word": os.environ["WORD"], "cwd": os.getcwd(), "umask": umask, "in": sys.stdin.read()}
print(json.dumps({**given, "pid": os.getppid(), "times": len(times)}))
print("aside", file=sys.stderr)
if sys.argv[1] == "kill":
    os.kill(os.getpid(), 9)
if sys.argv[1] == "wait":
    sys.stdout.flush()
    time.sleep(60)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """The script, loaded."""
    script = tmp_path_factory.mktemp("script") / "script"
    script.write_text(SCRIPT)
    with Forks(script, ["json"]) as made:
        yield made


def test_what_it_is_given(forks: Forks, tmp_path: Path) -> None:
    """Arguments, environment, directory, umask and streams are the caller's; each run begins anew."""
    for code in (0, 3):
        done = subprocess.run(
            forks.command(str(code), "\N{SNOWMAN}"),
            input="x",
            cwd=tmp_path,
            env={"WORD": "1"},
            umask=0o027,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (code, "aside\n")
        shown = f'{{"argv": ["{code}", "\\u2603"], "word": "1", "cwd": "{tmp_path}", "umask": 23, "in": "x", '
        assert done.stdout.startswith(shown)
        assert done.stdout.endswith('"times": 1}\n')


def test_how_it_ends(forks: Forks) -> None:
    """Its signal is its caller's; what is written to a stream that is gone is an error of its own (120)."""
    environment = {**os.environ, "WORD": ""}
    done = subprocess.run(forks.command("kill"), env=environment, capture_output=True, stdin=-3, check=False)
    assert done.returncode == -signal.SIGKILL
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            forks.command("0"), env=environment, stdin=-3, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 120


def test_one_that_hangs(forks: Forks) -> None:
    """SIGABRT shows its stack; then both are gone."""
    with subprocess.Popen(
        forks.command("wait"), env={**os.environ, "WORD": ""}, stdin=-3, stdout=-1, stderr=-1, text=True
    ) as process:
        assert process.stdout
        assert '"word"' in process.stdout.readline()
        process.send_signal(signal.SIGABRT)
        assert "most recent call first" in process.communicate(timeout=60)[1]
    assert process.returncode == -signal.SIGABRT
