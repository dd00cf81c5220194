"""Plots of the series, as plain SVG: both axes in powers of ten, so that a straight line of 45 degrees is linear."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Data = dict[str, Any]
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 640, 300, 70, 16, 44, 40
COLOURS = {"s": "#1f5fa8", "cpu_s": "#c98a1b"}
WORDS = {"s": "seconds", "cpu_s": "processor seconds"}


def plot(series: Data) -> str:
    """One series: seconds and processor seconds, and what linear would be."""
    lines = {kind: [(p["at"], p[kind]) for p in series["points"] if p["at"]] for kind in ("s", "cpu_s")}
    every = [point for line in lines.values() for point in line]
    frame = Frame([x for x, _ in every], [y for _, y in every])
    body = frame.axes(series["unit"])
    last_x, last_y = lines["s"][-1]
    first_x = max(lines["s"][0][0], last_x * frame.least / last_y)
    body.append(frame.path([(first_x, last_y * first_x / last_x), (last_x, last_y)], "#bbb", dash="4 4"))
    for place, (kind, line) in enumerate(lines.items()):
        body.append(frame.path(line, COLOURS[kind]))
        body += [f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3" fill="{COLOURS[kind]}"/>' for x, y in line]
        body.append(f'<circle cx="{LEFT + 14}" cy="{TOP + 12 + 16 * place}" r="4" fill="{COLOURS[kind]}"/>')
        body.append(f'<text x="{LEFT + 24}" y="{TOP + 16 + 16 * place}">{WORDS[kind]}</text>')
    style = "font:12px sans-serif;fill:#222"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f'<rect width="100%" height="100%" fill="#ffffff"/><g style="{style}">{"".join(body)}</g></svg>\n'
    )


class Frame:
    """Where values are on the picture."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        self.xs = math.floor(math.log10(min(xs))), max(math.ceil(math.log10(max(xs))), 1)
        self.ys = math.floor(math.log10(max(min(ys), 1e-4))), math.ceil(math.log10(max(ys)) + 1e-9)

    @property
    def least(self) -> float:
        """The smallest cost that is on the picture."""
        return float(10.0 ** self.ys[0])

    def x(self, value: float) -> float:
        return LEFT + (math.log10(value) - self.xs[0]) / (self.xs[1] - self.xs[0]) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (math.log10(max(value, 10 ** self.ys[0])) - self.ys[0]) / (self.ys[1] - self.ys[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def path(self, points: Sequence[tuple[float, float]], colour: str, dash: str = "") -> str:
        """A line through points."""
        at = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        return f'<polyline points="{at}" fill="none" stroke="{colour}" stroke-width="1.5"{dashed}/>'

    def axes(self, unit: str) -> list[str]:
        """A line at each power of ten."""
        body = []
        for power in range(self.xs[0], self.xs[1] + 1):
            x = self.x(10.0**power)
            body.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
            body.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{10**power:,}</text>')
        for power in range(self.ys[0], self.ys[1] + 1):
            y = self.y(10.0**power)
            body.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
            body.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} s</text>')
        body.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{unit}</text>')
        return body
