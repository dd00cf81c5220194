"""Processes that share one journal."""

import subprocess
import sys
from pathlib import Path

from certbot_dns_delegate.state.pending import Pending

RACER = """
import sys, pathlib
from certbot_dns_delegate.state.entry import Entry, State
from certbot_dns_delegate.state.pending import Pending
pending = Pending(pathlib.Path(sys.argv[1]))
for turn in range(40):
    journal = pending.start()
    (number,) = journal.intend([Entry("d", "/x", "acme.test", "acme.test.", f"{sys.argv[2]}.acme.test.", (str(turn),))])
    list(pending.alive([journal])), list(pending.all_open())
    assert pending.adopt_dead() == []
    journal.mark([number], State.WITHDRAWN)
    journal.close()
"""


def test_processes_that_start_look_and_end_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    """None is taken for dead between making its journal and locking it, and asking never costs a run its lock."""
    pending = Pending(tmp_path / "pending")
    command = [sys.executable, "-c", RACER, str(pending.directory)]
    racers = [subprocess.Popen([*command, str(n)], stderr=subprocess.PIPE, text=True) for n in range(4)]
    assert [(racer.communicate()[1], racer.returncode) for racer in racers] == [("", 0)] * 4
    assert not list(pending.directory.glob("*.json"))
