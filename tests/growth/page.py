"""The series as data, plots, and the page of the documentation."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.growth import plots
from tests.growth.series import SERIES, Series

Data = dict[str, Any]
DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "explanation" / "growth.rst"
DATA = PAGE.with_suffix(".json")
PLOTS = DOCS / "_static"
TEMPLATE = Path(__file__).with_name("growth.rst.in")
NOISE = 1.5
"""By how much the last step may cost more than in proportion: runs on a machine that does other things differ so."""


def collect(folder: Path) -> Data:
    """The series in a folder of results, and for the others the published ones, in their order."""
    published = json.loads(DATA.read_text()) if DATA.exists() else {"about": {}, "series": []}
    found = {series["label"]: series["points"] for series in published["series"]}
    files = {series.label: folder / f"{series.label}.json" for series in SERIES}
    found |= {label: json.loads(file.read_text()) for label, file in files.items() if file.exists()}
    about = folder / "about.json"
    return {
        "about": json.loads(about.read_text()) if about.exists() else published["about"],
        "series": [{"label": s.label, "unit": s.unit, "points": found[s.label]} for s in SERIES if s.label in found],
    }


def factor(points: Sequence[Data]) -> tuple[float, float]:
    """The last step: by how much the work grew, and by how much what it costs beyond the smallest point did.

    The processor's time counts: what a clock sees is for the most part waiting.
    """
    first, before, last = points[0], points[-2], points[-1]
    work = last["at"] / before["at"]
    cost = (last["cpu_s"] - first["cpu_s"]) / max(before["cpu_s"] - first["cpu_s"], 1e-9)
    return work, cost


def is_level(points: Sequence[Data]) -> bool:
    """Whether the last step's cost lies within what runs differ by: less than half as much again as the first row's."""
    return bool(points[-1]["cpu_s"] < NOISE * points[0]["cpu_s"])


def is_linear(points: Sequence[Data]) -> bool:
    """Whether the last step costs no more than in proportion."""
    work, cost = factor(points)
    return is_level(points) or cost <= work * NOISE


def text(data: Data) -> str:
    """The page."""
    by_label = {series["label"]: series for series in data["series"]}
    parts = [_part(series, by_label[series.label]) for series in SERIES if series.label in by_label]
    missing = [series.title for series in SERIES if series.label not in by_label]
    worse = [s.title for s in SERIES if s.label in by_label and not is_linear(by_label[s.label]["points"])]
    return TEMPLATE.read_text().format(
        machine=data["about"].get("machine", "a machine that is not described"),
        verdict=f"Faster than linearly: {', '.join(worse)}." if worse else "No cost grows faster than linearly.",
        missing=f"Not measured: {', '.join(missing)}. " if missing else "",
        parts="\n\n".join(parts),
    )


def _part(series: Series, found: Data) -> str:
    work, cost = factor(found["points"])
    step = f"Without the cost of the first row, it needs {cost:.2g} times the processor time."
    if is_level(found["points"]):
        step = f"The processor time hardly depends on the number of {series.unit}."
    largest = series.points[-1]
    if found["points"][-1]["at"] < largest:
        step += f" The point of {largest:,} was not measured: it takes more than an hour (``make growth WHOLE=1``)."
    return "\n".join(
        [
            series.title,
            "-" * len(series.title),
            "",
            series.about,
            "",
            _table(series, found),
            "",
            f"The last step has {work:g} times as many {series.unit}. {step}",
            "",
            f".. image:: /_static/growth-{series.label}.svg",
            f"   :alt: Seconds and processor seconds by {series.unit}; the dashed line is what linear growth would be.",
        ]
    )


def _table(series: Series, found: Data) -> str:
    rows = [[series.unit, "seconds", "processor seconds"]]
    rows += [[f"{point['at']:,}", _seconds(point["s"]), _seconds(point["cpu_s"])] for point in found["points"]]
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'*' if number == 0 else ' '} - {cell}" for number, cell in enumerate(row)]
    return "\n".join(lines)


def _seconds(value: float) -> str:
    """Three significant digits."""
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{min(digits, 4)}f}"


def write(data: Data) -> None:
    """The page, its data and its plots."""
    DATA.write_text(json.dumps(data, indent=1) + "\n")
    for series in data["series"]:
        (PLOTS / f"growth-{series['label']}.svg").write_text(plots.plot(series))
    PAGE.write_text(text(data))
