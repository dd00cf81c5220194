"""The real certbot-dns-rfc2136 beside dns-delegate-rfc2136, with one file, in one world."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dropin.layouts import Layout
from tests.dropin.rows import ROWS, SHORT, Reason, Row
from tests.dropin.world import Running, World
from tests.e2e.lab.namespace import VARIABLE

THEIRS, OURS = "dns-rfc2136", "dns-delegate-rfc2136"
WAIT_S = 2
"""Seconds that the other plugin sleeps, and that we wait where we can ask no server; 60 by default."""
LIMIT_S = 15
"""Seconds that we look at most; the secondaries of the layouts are notified at once."""
LINE = re.compile(r"no published server of \S+ can be asked from here \(.*\): waiting 2 s instead")

pytestmark = pytest.mark.skipif(
    os.environ.get(VARIABLE) != "namespace", reason="changes /etc/resolv.conf, the lab's own only in its namespaces"
)


def test_there_are_enough_rows() -> None:
    """At least forty, each with a name of its own; upstream's own two tests are among them."""
    assert len({row.name for row in ROWS}) == len(ROWS) >= 40
    assert {row.name for row in ROWS} >= SHORT
    assert sum(row.name.startswith("integration ") for row in ROWS) == 2


def test_every_difference_has_a_reason() -> None:
    """We may refuse what the other plugin issues for three reasons alone."""
    assert all(isinstance(row.reason, Reason) for row in ROWS if row.theirs and not row.ours)
    assert {row.reason for row in ROWS} - {None} == set(Reason)


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A layout's servers, shared by its rows."""
    layout: Layout = request.param
    world = World(tmp_path_factory.mktemp("dropin"))
    layout(world)
    with world.running() as running:
        yield running


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each row, those of one layout together."""
    if "row" in metafunc.fixturenames:
        rows = ROWS if metafunc.config.getoption("--dropin") else [row for row in ROWS if row.name in SHORT]
        rows = sorted(rows, key=lambda row: [each.layout for each in ROWS].index(row.layout))
        parameters = [pytest.param(row.layout, row, id=row.name.replace(" ", "-")) for row in rows]
        metafunc.parametrize(("running", "row"), parameters, indirect=["running"])


def test_whatever_it_issues_we_issue(running: Running, row: Row) -> None:
    """With the same file; and where it left the zone changed, we do not."""
    world = running.world
    before, text = world.snapshot(), row.text(world)
    theirs = running.issue(THEIRS, text, row.names, f"--{THEIRS}-propagation-seconds={WAIT_S}", mode=row.mode)
    assert theirs.is_well is row.theirs, theirs.text
    assert (world.snapshot() != before) is (row.reason is Reason.FOREIGN)
    before = world.snapshot()
    limit = f"--{OURS}-propagation-seconds={WAIT_S if row.waits else LIMIT_S}"
    ours = running.issue(OURS, text, row.names, limit, mode=row.mode)
    assert ours.is_well is row.ours, ours.text
    assert bool(LINE.search(ours.text)) is row.waits, ours.text
    assert world.snapshot() == before
    if row.ours:  # of a refusal that is not signed it is not certain that nothing was written
        state = Path(world.directory, OURS, "work", "dns-delegate", "pending")
        assert list(state.glob("*.json")) == []
    if row.reason is not Reason.LACKING:  # that a server lacks a value shows once there is one
        checked = running.check(OURS, text, row.names, row.mode)
        assert checked.is_well is row.ours, checked.text
