"""The page is that of the published data, and no series in it grows worse than linearly."""

from __future__ import annotations

import json

import pytest

from tests.growth import page, plots
from tests.growth.series import SERIES

DATA = json.loads(page.DATA.read_text())


def test_the_page_is_of_its_data() -> None:
    """Nobody has written a better number into it."""
    assert page.PAGE.read_text() == page.text(DATA)


@pytest.mark.parametrize("series", DATA["series"], ids=lambda series: series["label"])
def test_a_series(series: page.Data) -> None:
    """It has the points that it must have, is linear, and its plot is of the same numbers."""
    (wanted,) = [each for each in SERIES if each.label == series["label"]]
    must = [at for at in wanted.points if wanted.limit is None or at <= wanted.limit]
    assert [point["at"] for point in series["points"]][: len(must)] == must
    assert page.is_linear(series["points"])
    assert (page.PLOTS / f"growth-{series['label']}.svg").read_text() == plots.plot(series)


def test_what_is_worse_than_linear_is_seen() -> None:
    """Twice the work for four times the cost is; beside a large start that does not grow, it still is."""
    square = [{"at": at, "s": at**2, "cpu_s": 5.0 + at**2} for at in (1, 10, 20)]
    assert not page.is_linear(square)
    assert page.is_linear([{"at": at, "s": 1.0, "cpu_s": 5.0 + at} for at in (1, 10, 20)])
