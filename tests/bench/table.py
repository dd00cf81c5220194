"""The table: a row for each case, on the terminal and as JSON."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One case: what it must reach, what was measured, and the numbers behind that."""

    case: str
    must: str
    measured: str
    reached: bool
    numbers: dict[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        return asdict(self)


WIDTHS = (27, 40, 58)


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """The rows as text, long cells folded."""
    yield from _row(("case", "must reach", "measured"), "verdict")
    yield "-" * (sum(WIDTHS) + 2 * len(WIDTHS) + 7)
    for row in rows:
        yield from _row((row.case, row.must, row.measured), "reached" if row.reached else "MISSED")


def _row(cells: tuple[str, ...], verdict: str) -> Iterator[str]:
    folded = [textwrap.wrap(cell, width) for cell, width in zip(cells, WIDTHS, strict=True)]
    for number in range(max(map(len, folded))):
        parts = [column[number] if number < len(column) else "" for column in folded]
        yield "  ".join(
            [*(f"{part:{width}}" for part, width in zip(parts, WIDTHS, strict=True)), verdict if not number else ""]
        ).rstrip()
