"""Plots of the results, as plain SVG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tests.faults.matrix import FAULTS, SERVERS
from tests.faults.orders import FAILED, ISSUED, KILLED, REFUSED, UNSEEN, WRONG

Result = dict[str, Any]
COLOURS = {
    ISSUED: "#2f8f5b",
    FAILED: "#c98a1b",
    REFUSED: "#7a6fb0",
    KILLED: "#8a8f98",
    UNSEEN: "#5b9bd5",
    WRONG: "#c0392b",
}
"""Of the outcomes."""
OF_SERVERS = dict(zip(SERVERS, ("#1f5fa8", "#c98a1b", "#2f8f5b", "#7a6fb0", "#c0392b", "#4b5563"), strict=True))
WIDTH, LEFT, ROW = 860, 130, 20


def _svg(height: int, body: Iterable[str]) -> str:
    style = "font:12px sans-serif;fill:#222"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        f'<rect width="100%" height="100%" fill="#ffffff"/><g style="{style}">{"".join(body)}</g></svg>\n'
    )


def outcomes(found: Sequence[Result]) -> str:
    """One bar for each fault, over all servers."""
    body, top = [], 30
    x = LEFT
    for kind, colour in COLOURS.items():
        body.append(
            f'<rect x="{x}" y="8" width="12" height="12" fill="{colour}"/><text x="{x + 16}" y="18">{kind}</text>'
        )
        x += 40 + 7 * len(kind)
    for number, fault in enumerate(FAULTS):
        y = top + number * ROW
        counted: Counter[str] = Counter()
        for result in found:
            if result["cell"].endswith(f"/{fault}"):
                counted.update(result["outcomes"])
        total = sum(counted.values())
        body.append(f'<text x="{LEFT - 6}" y="{y + 13}" text-anchor="end">{fault}</text>')
        x = LEFT
        for kind, colour in COLOURS.items():
            width = (WIDTH - LEFT - 60) * counted[kind] / total if total else 0
            body.append(f'<rect x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="14" fill="{colour}"/>')
            x += width
        body.append(f'<text x="{WIDTH - 50}" y="{y + 13}">{total}</text>')
    return _svg(top + len(FAULTS) * ROW + 10, body)


def delays(found: Sequence[Result]) -> str:
    """For each fault a dot at the median of each server, and a line from it to the 95th percentile."""
    timed = [result for result in found if result["median_s"] is not None]
    faults = [fault for fault in FAULTS if any(result["cell"].endswith(f"/{fault}") for result in timed)]
    most = max((result["p95_s"] for result in timed), default=1.0)
    scale = (WIDTH - LEFT - 20) / max(most, 0.1)
    body, top, x = [], 30, LEFT
    for server, colour in OF_SERVERS.items():
        body.append(f'<circle cx="{x + 6}" cy="14" r="4" fill="{colour}"/><text x="{x + 14}" y="18">{server}</text>')
        x += 34 + 7 * len(server)
    height = top + len(faults) * 36 + 26
    for second in range(int(most) + 1):
        x_at = LEFT + second * scale
        body.append(f'<line x1="{x_at:.1f}" y1="{top}" x2="{x_at:.1f}" y2="{height - 22}" stroke="#ddd"/>')
        body.append(f'<text x="{x_at:.1f}" y="{height - 8}" text-anchor="middle">{second} s</text>')
    for number, fault in enumerate(faults):
        y = top + number * 36
        body.append(f'<text x="{LEFT - 6}" y="{y + 22}" text-anchor="end">{fault}</text>')
        for place, (server, colour) in enumerate(OF_SERVERS.items()):
            result = next((each for each in timed if each["cell"] == f"{server}/{fault}"), None)
            if result is not None:
                at, end, line_y = result["median_s"] * scale, result["p95_s"] * scale, y + 6 + place * 5
                body.append(
                    f'<line x1="{LEFT + at:.1f}" y1="{line_y}" x2="{LEFT + end:.1f}" y2="{line_y}" stroke="{colour}"/>'
                    f'<circle cx="{LEFT + at:.1f}" cy="{line_y}" r="3" fill="{colour}"/>'
                )
    return _svg(height, body)
