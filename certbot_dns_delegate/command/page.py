"""One self-contained HTML page: no script, nothing fetched, every text escaped."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from certbot_dns_delegate.text import printable

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""What a browser may do for the page: apply its style, and nothing else, whatever the texts in it hold."""
STYLE = """
:root { color-scheme: light dark; --line: #8886; --ok: #2a7d46; --warn: #9a6700; --fail: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ok: #6fcf8e; --warn: #e0b04c; --fail: #ff8a80; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; min-width: 5.5em; }
.number { text-align: right; white-space: nowrap; min-width: 0; }
pre { border-left: 3px solid var(--line); margin: .3rem 0; padding-left: .6rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; }
.bar { display: flex; gap: 1px; height: 1.4rem; border-radius: .3rem; overflow: hidden; }
.bar span { min-width: 3px; }
.ok { background: var(--ok); }
.warn { background: var(--warn); }
.fail { background: var(--fail); }
.dot { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin: 0 .4rem 0 1rem; }
.rows { content-visibility: auto; }
.rows td:nth-child(2) { white-space: nowrap; }
svg { width: 100%; max-width: 50rem; height: auto; }
svg text { fill: currentColor; font: 11px system-ui, sans-serif; }
.axis { stroke: var(--line); }
polyline { fill: none; stroke-width: 1.5; }
.line { display: inline-block; width: 1.6rem; border-top: 2px solid; margin: 0 .4rem .25rem 1rem; }
.median { stroke: var(--ok); border-color: var(--ok); }
.high { stroke: var(--warn); stroke-dasharray: 5 3; border-color: var(--warn); border-top-style: dashed; }
@media (max-width: 46em) {
  table { font-size: .85rem; }
  th, td { min-width: 6.4em; padding: .3rem .25rem; }
  .number { min-width: 0; }
  svg text { font-size: 14px; }
  .rows thead { display: none; }
  .rows tr, .rows td { display: block; }
  .rows td { border: 0; }
  .rows tr { border-bottom: 1px solid var(--line); }
}
"""


def escaped(text: object) -> str:
    """Foreign text for HTML, as text or as an attribute: nothing in it is markup, and nothing is invisible."""
    return html.escape(printable(str(text), 2000))


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page; ``parts`` are HTML already."""
    made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>{escaped(title)}</title><style>{STYLE}</style></head>\n'
        f"<body><h1>{escaped(title)}</h1><p>Made {made} by certbot-dns-delegate.</p>\n{body}\n</body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]], numbers: frozenset[int] = frozenset()) -> str:
    """A table of texts.

    :param numbers: the columns, from 0, that are aligned as numbers.
    """

    def cells(tag: str, row: Sequence[object]) -> str:
        kinds = [' class="number"' if at in numbers else "" for at in range(len(row))]
        return "".join(f"<{tag}{kind}>{escaped(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>\n{body}\n</tbody></table>"


def bar(parts: Sequence[tuple[str, int, str]]) -> str:
    """Shares as one bar with a legend.

    :param parts: label, number, and one of the classes ok, warn, fail.
    """
    shown = [(escaped(label), number, kind) for label, number, kind in parts if number]
    spans = [f'<span class="{kind}" style="flex:{n}" title="{label}: {n:,}"></span>' for label, n, kind in shown]
    legend = [f'<span><span class="dot {kind}"></span>{label} {n:,}</span>' for label, n, kind in shown]
    said = escaped(", ".join(f"{label}: {number}" for label, number, _ in parts if number))
    return f'<div class="bar" role="img" aria-label="{said}">{"".join(spans)}</div><p>{"".join(legend)}</p>'


@dataclass(frozen=True)
class Curve:
    """One line of a plot."""

    kind: str
    """Its class: median or high."""
    label: str
    values: Sequence[float]


WIDTH, HEIGHT, LEFT, BOTTOM = 640, 180, 60, 24
"""Of a plot, in the units of its own view box; the last two are the room for its labels."""


def plot(title: str, labels: Sequence[str], lines: Sequence[Curve], unit: str) -> str:
    """Values over time as SVG, with a legend of the lines; the first and the last label are shown.

    :param labels: one for each value.
    """
    top = max((value for line in lines for value in line.values), default=0.0) or 1.0
    step = (WIDTH - LEFT) / max(1, len(labels) - 1)

    def at(number: int, value: float) -> str:
        return f"{LEFT + number * step:.1f},{(HEIGHT - BOTTOM) * (1 - value / top) + 6:.1f}"

    drawn = [
        f'<polyline class="{line.kind}" points="{" ".join(at(n, v) for n, v in enumerate(line.values))}"/>'
        for line in lines
    ]
    base = HEIGHT - BOTTOM + 6
    texts = [
        f'<text x="{LEFT - 6}" y="12" text-anchor="end">{top:,.0f} {escaped(unit)}</text>',
        f'<text x="{LEFT - 6}" y="{base}" text-anchor="end">0</text>',
        f'<text x="{LEFT}" y="{HEIGHT + 2}">{escaped(labels[0] if labels else "")}</text>',
        f'<text x="{WIDTH}" y="{HEIGHT + 2}" text-anchor="end">{escaped(labels[-1] if labels else "")}</text>',
    ]
    legend = "".join(f'<span class="line {line.kind}"></span>{escaped(line.label)}' for line in lines)
    axis = f'<line class="axis" x1="{LEFT}" y1="{base}" x2="{WIDTH}" y2="{base}"/>'
    return (
        f'<svg viewBox="0 0 {WIDTH + 4} {HEIGHT + 6}" role="img" aria-label="{escaped(title)}">'
        f"<title>{escaped(title)}</title>{axis}{''.join(drawn)}{''.join(texts)}</svg>"
        f"<p>{legend}</p>"
    )
