"""End a program with all that it started, also what has a session of its own."""

import os
import signal
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

MOST_LOOKS = 20
"""A program of another user may start others while it cannot be stopped; each look but the last finds a new one."""


def end(leader: int) -> None:
    """Kill a process, its group and its descendants.

    All are stopped before the first is killed: what is stopped starts nothing more, and the children of what was
    killed are nobody's. A daemon, whose parent has ended, belongs to init already and is not found.

    :param leader: the first of its process group, which nobody has waited for yet, so that its number is still its own.
    """
    _signal_group(leader, signal.SIGSTOP)
    stopped: set[int] = set()
    for _ in range(MOST_LOOKS):
        if not (found := _descendants(leader) - stopped):
            break
        _signal(found, signal.SIGSTOP)
        stopped |= found
    _signal(stopped, signal.SIGKILL)
    _signal_group(leader, signal.SIGKILL)


def _descendants(leader: int) -> set[int]:
    """From one reading of /proc; none where the system has no /proc."""
    children = defaultdict(list)
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            # The second field is the program's name in brackets, which may hold anything (proc_pid_stat(5)).
            parent = file.read_bytes().rpartition(b")")[2].split()[1]
            children[int(parent)].append(int(file.parent.name))
    found: set[int] = set()
    left = [leader]
    while left:
        new = children.pop(left.pop(), [])
        found.update(new)
        left += new
    return found


def _signal(processes: set[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(OSError):  # it has ended, or belongs to another user
            os.kill(process, number)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(OSError):
        os.killpg(leader, number)
