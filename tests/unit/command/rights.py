"""Run something in a process that has no rights but those of the files' modes."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

NOBODY = 65534
VERSION_3 = 0x20080522
"""Of the capability interface (capget(2)): two words of each set."""


def unprivileged(call: Callable[[], int]) -> int:
    """The exit code of a call in a child process that is no superuser, or at least may not pass over modes.

    In a user namespace that maps one user alone, root cannot become another.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        if os.geteuid() == 0:
            _drop()
        code = call()
    finally:
        os._exit(code)


def is_another_user() -> bool:
    """Whether the child is not root."""
    return os.geteuid() != 0 or int(Path("/proc/self/uid_map").read_text().split()[2]) > NOBODY


def _drop() -> None:
    if is_another_user():
        os.seteuid(NOBODY)
        return
    header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capset")
