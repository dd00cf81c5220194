"""Processes that share one history."""

import subprocess
import sys
from pathlib import Path

from tests.unit.state.test_history import rows

FIRST_OPEN = """
import sys, pathlib
from certbot_dns_delegate.state.history import Event, History
sys.stdin.readline()
for turn in range(12):
    History(pathlib.Path(sys.argv[1]) / str(turn) / "history.sqlite3").record([Event("run", "plan", "ok")] * 3)
"""


def test_several_processes_open_it_first_at_once(tmp_path: Path) -> None:
    """Each of them gets its rows in, into a database that none of them found there; none says a word."""
    command = [sys.executable, "-W", "error", "-c", FIRST_OPEN, str(tmp_path)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True) for _ in range(6)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [(p.communicate()[1], p.returncode) for p in processes] == [("", 0)] * 6
    assert [rows(tmp_path / str(turn) / "history.sqlite3") for turn in range(12)] == [18] * 12
