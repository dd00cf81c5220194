"""The matrix in short: the faults in which a CA could be asked too early, or something be left, a few orders each."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import network
from tests.faults import cell as cells
from tests.faults import page, plots
from tests.faults.matrix import CELLS, Cell
from tests.faults.orders import FAILED, ISSUED, KILLED, Acme
from tests.faults.world import World

SHORT = {
    Cell("bind", "lag-refusals"): {ISSUED},
    Cell("bind", "lag-restarts"): {ISSUED},
    Cell("bind", "alternating"): {FAILED},
    Cell("bind", "tcp-closed"): {ISSUED, FAILED},
    Cell("bind", "servfail"): {FAILED},
    Cell("bind", "killed"): {ISSUED, KILLED},
    Cell("knot", "lag"): {ISSUED},
    Cell("powerdns", "reply-lost"): {FAILED},
    Cell("nsd", "none"): {ISSUED},
    Cell("acme-dns", "none"): {ISSUED},
    Cell("standalone", "loss"): {ISSUED},
}
"""What may become of the orders of each."""
ORDERS = 3


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """The servers of these cells, at the lab's addresses."""
    with socket.socket() as probe:
        if probe.connect_ex((network.ROOT, 53)) == 0:
            pytest.skip("the lab is up in this process: pytest tests/faults/test_short.py, or make test")
    with tempfile.TemporaryDirectory(prefix="faults-") as directory, World(Path(directory), list(SHORT)) as made:
        yield made


@pytest.fixture(scope="module")
def acme(world: World) -> Acme:
    """One client for all of them."""
    return Acme(world.ca.directory_url, world.authority.file)


@pytest.mark.parametrize("cell", SHORT, ids=lambda cell: cell.name)
def test_cell(world: World, acme: Acme, cell: Cell) -> None:
    """Never too early; nothing left and nothing of others' touched."""
    result = cells.run(world, cell, acme, ORDERS, seed=1)
    assert set(result.outcomes) <= SHORT[cell], result.words
    assert (result.left, result.touched) == (0, 0)


def a_result(cell: Cell) -> dict[str, object]:
    """One that could have been measured."""
    result = cells.Result(cell.name, delays_s=[0.2, 0.5])
    result.outcomes.update({ISSUED: 2, FAILED: 1})
    return result.json()


def test_page(tmp_path: Path) -> None:
    """It is written from whatever was measured, and says what was not."""
    found = [a_result(cell) for cell in CELLS if not cell.why_not and cell.server == "bind"]
    for result in found:
        (tmp_path / f"{str(result['cell']).replace('/', '-')}.json").write_text(json.dumps(result))
    assert page.results(tmp_path) == found
    text = page.text(found, {"about": {}, "writers": None, "kills": None, "fuzz": None})
    assert f"{3 * len(found)} orders were placed at real name servers with faults; Certbot itself placed 0 of" in text
    possible = sum(not cell.why_not for cell in CELLS)
    assert f"{possible - len(found)} cells were not run. " in text
    assert "2 issued, 1 failed" in text
    assert plots.outcomes(found).count("<rect") > len(found)
    assert plots.delays(found).startswith("<svg")
    assert page.verdict(found) == 0
    found[0]["left"] = 1
    assert page.verdict(found) == 1


def test_the_page_in_the_documentation_is_of_its_data() -> None:
    """Nobody has written a better number into it."""
    data = json.loads(page.DATA.read_text())
    assert page.PAGE.read_text() == page.text(data["cells"], data)
