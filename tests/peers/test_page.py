"""The tables are those of the published data."""

from __future__ import annotations

import json

import pytest

from tests.peers import page
from tests.peers.orders import SIZES

DATA = json.loads(page.DATA.read_text())


def test_the_page_is_of_its_data() -> None:
    """Nobody has written a better number into it."""
    assert page.PAGE.read_text() == page.text(DATA)


def test_the_table_in_readme_is_of_the_same_data() -> None:
    """Nor into README."""
    assert page.README.read_text() == page.readme(DATA)
    assert page.table(DATA) in page.README.read_text()


@pytest.mark.parametrize("tool", DATA["tools"], ids=lambda tool: tool["tool"])
def test_every_tool_had_the_same_orders(tool: page.Data) -> None:
    """Each once by default, and each once by the fastest setting, which fails none that is issued by default."""
    for runs in (tool["default"], tool["fastest"]):
        assert [run["order"] for run in runs] == list(SIZES) or not runs
        assert len({run["setting"] for run in runs}) <= 1
    for default, fastest in zip(tool["default"], tool["fastest"], strict=bool(tool["fastest"])):
        assert fastest["issued"] or fastest["over"] or not default["issued"]


@pytest.mark.parametrize(
    ("more", "cell"),
    [
        ({"issued": True, "over": False}, "3.2 s"),
        ({"issued": False, "over": False}, "not issued (3 s)"),
        ({"issued": False, "over": True}, "more than 240 s"),
    ],
)
def test_a_cell(more: page.Data, cell: str) -> None:
    """No order that was not issued looks like one that was."""
    assert page.seconds({"seconds": 3.24, **more}) == cell
