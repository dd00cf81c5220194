"""The results as a table, as plots, and as the page of the documentation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.faults import plots
from tests.faults.matrix import CELLS, FAULTS, SERVERS, Cell
from tests.faults.orders import FAILED, ISSUED, KILLED, REFUSED, UNSEEN, WRONG

Result = dict[str, Any]
DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "explanation" / "reliability.rst"
DATA = DOCS / "explanation" / "reliability.json"
PLOTS = DOCS / "_static"
NOT_TIMED = "n/a"
TEMPLATE = Path(__file__).with_name("reliability.rst.in")


def results(folder: Path) -> list[Result]:
    """What lies there, in the order of the matrix."""
    found = {}
    for path in folder.glob("*.json"):
        result = json.loads(path.read_text())
        if "cell" in result:
            found[result["cell"]] = result
    return [found[cell.name] for cell in CELLS if cell.name in found]


def extra(folder: Path, name: str) -> Any:
    """What a measurement beside the matrix has left there; None where it was not made."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


# In words


def line(result: Result) -> str:
    """A cell in one line."""
    outcomes = ", ".join(f"{count} {kind}" for kind, count in sorted(result["outcomes"].items()))
    times = f"; median {result['median_s']} s, 95 % {result['p95_s']} s" if result["median_s"] is not None else ""
    bad = "".join(f"; {result[key]} {word}" for key, word in (("left", "left"), ("touched", "touched")) if result[key])
    return f"{result['cell']:24} {outcomes}{times}{bad}"


def table(found: Iterable[Result]) -> str:
    """All of them, and their sums."""
    found = list(found)
    sums = totals(found)
    total = f"{sums['orders']} orders: {sums['wrong']} wrong, {sums['left']} values left, {sums['touched']} touched"
    return "\n".join([*map(line, found), total])


def wrong_of(result: Result) -> int:
    """How often it said ready too early."""
    return int(result["outcomes"].get(WRONG, 0))


def is_chance(result: Result) -> bool:
    """Whether no number of looks makes that cell certain."""
    return bool(result["cell"].endswith("/chance"))


def totals(found: Sequence[Result]) -> dict[str, int]:
    """Over all cells; what chance decides is apart."""
    certain = [result for result in found if not is_chance(result)]
    lucky = [result for result in found if is_chance(result)]
    return {
        "orders": sum(result["orders"] for result in found),
        "by_certbot": sum(result["by_certbot"] for result in found),
        "wrong": sum(map(wrong_of, certain)),
        "chance": sum(map(wrong_of, lucky)),
        "chance_orders": sum(result["orders"] for result in lucky),
        "left": sum(result["left"] for result in found),
        "touched": sum(result["touched"] for result in found),
    }


def verdict(found: Sequence[Result]) -> int:
    """1 where a promise is broken."""
    sums = totals(found)
    return int(bool(sums["wrong"] or sums["left"] or sums["touched"]))


# The page


def write(folder: Path) -> None:
    """The page, its data and its plots: the results in a folder, and for the others the published ones."""
    old = json.loads(DATA.read_text()) if DATA.exists() else {"cells": []}
    by_name = {result["cell"]: result for result in (*old["cells"], *results(folder))}
    found = [by_name[cell.name] for cell in CELLS if cell.name in by_name]
    writers, kills, fuzz = (extra(folder, name) for name in ("writers", "kills", "fuzz"))
    data = {
        "about": extra(folder, "about") or old.get("about", {}),
        "totals": totals(found),
        "cells": [{key: value for key, value in result.items() if key != "words"} for result in found],
        "writers": (writers or {}).get("writers") or old.get("writers"),
        "kills": kills or old.get("kills"),
        "fuzz": fuzz or old.get("fuzz"),
    }
    DATA.write_text(json.dumps(data, indent=1) + "\n")
    (PLOTS / "reliability-outcomes.svg").write_text(plots.outcomes(found))
    (PLOTS / "reliability-delays.svg").write_text(plots.delays(found))
    PAGE.write_text(text(found, data))


def text(found: Sequence[Result], data: Result) -> str:
    """The page."""
    run = {result["cell"] for result in found}
    missing = [cell for cell in CELLS if not cell.why_not and cell.name not in run]
    return TEMPLATE.read_text().format(
        **totals(found),
        machine=data["about"].get("machine", "a machine that is not described"),
        not_run=f"{len(missing)} cells were not run. " if missing else "",
        matrix=_matrix(found),
        times=_times(found),
        faults=_faults(),
        impossible=_impossible(),
        beside="\n".join(_beside(data)) or "Nothing was measured.",
    )


def _matrix(found: Sequence[Result]) -> str:
    by_name = {result["cell"]: result for result in found}
    rows = [["fault", *SERVERS]]
    for fault in FAULTS:
        row = [fault]
        for server in SERVERS:
            cell = Cell(server, fault)
            row.append("n/a" if cell.why_not else _outcome(by_name.get(cell.name)))
        rows.append(row)
    return _list_table(rows)


def _outcome(result: Result | None) -> str:
    if result is None:
        return "not run"
    words = {
        ISSUED: "issued",
        REFUSED: "refused",
        FAILED: "failed",
        KILLED: "killed",
        UNSEEN: "CA timed out",
        WRONG: "**wrong**",
    }
    counted = Counter(result["outcomes"])
    return ", ".join(f"{counted[kind]} {word}" for kind, word in words.items() if counted[kind])


def _times(found: Sequence[Result]) -> str:
    by_name = {result["cell"]: result for result in found}
    rows = [["fault", *SERVERS]]
    for fault in FAULTS:
        row = [fault]
        for server in SERVERS:
            result = by_name.get(f"{server}/{fault}")
            is_timed = result is not None and result["median_s"] is not None
            row.append(f"{result['median_s']:.2f} / {result['p95_s']:.2f}" if is_timed and result else NOT_TIMED)
        if set(row[1:]) != {NOT_TIMED}:
            rows.append(row)
    return _list_table(rows)


def _list_table(rows: Sequence[Sequence[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", "   :stub-columns: 1", ""]
    for row in rows:
        lines += [f"   {'*' if number == 0 else ' '} - {text}" for number, text in enumerate(row)]
    return "\n".join(lines)


def _faults() -> str:
    return "\n".join(f"``{fault}``\n   {meaning[0].upper()}{meaning[1:]}." for fault, meaning in FAULTS.items())


def _impossible() -> str:
    reasons: dict[str, list[str]] = {}
    for cell in CELLS:
        if cell.why_not:
            reasons.setdefault(cell.why_not, []).append(f"``{cell.name}``")
    return "\n".join(f"* {', '.join(names)}: {why}." for why, names in reasons.items())


def _beside(data: Result) -> Iterable[str]:
    for result in data["writers"] or ():
        yield (
            f"* {result['writers']} writers at once sent {result['updates']:,} updates for one name on"
            f" {result['server']}, which also had three foreign values: {result['left']} values were left, and"
            f" {result['touched']} foreign ones changed ({result['took_s']:.0f} s; ``python -m tests.faults.writers``)."
        )
    if data["kills"]:
        kills = data["kills"]
        yield (
            f"* {kills['killed']:,} runs were killed by SIGKILL, half of them during a call of the journal or the"
            f" network: {kills['left']} values were left after the next run (``python -m tests.faults.killing``)."
        )
    if data["fuzz"]:
        yield (
            f"* {data['fuzz']['replies']:,} malformed replies were given to all code that reads replies:"
            f" {data['fuzz']['faults']} faults (``python -m tests.fuzz.replies``)."
        )
