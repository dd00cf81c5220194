"""``monitor`` ends, whatever ends it; ``make faults`` does the same many times over."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from tests.faults.endings import WAYS, Process, Resolver, end, interrupted
from tests.long.monitor.test_monitor import children


@pytest.mark.parametrize("way", WAYS)
def test_it_ends_in_the_middle_of_its_work(way: Callable[..., set[int]], tmp_path: Path) -> None:
    """While its workers are writing large results."""
    assert end(way, 0.3, tmp_path) == ""


def test_it_ends_though_a_worker_does_nothing_any_more(tmp_path: Path) -> None:
    """A stopped process takes no part in ending itself."""

    def stopped(process: Process, resolver: Resolver, reader: IO[bytes]) -> set[int]:
        os.kill(children(process.pid)[0], signal.SIGSTOP)
        return interrupted(process, resolver, reader)

    assert end(stopped, 0.3, tmp_path) == ""
