"""``.. sequence:: Title``: who says what to whom, drawn as SVG from lines of text.

A line is ``A -> B: words``, ``A --> B: words`` for an answer, or ``= words`` for what happens meanwhile. Who is named
first stands at the left. A narrow screen gets the same as a list (``page.css``).
"""

import re
from html import escape
from typing import ClassVar

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

LINE = re.compile(r"(?P<by>[\w. ]+?) (?P<arrow>--?>) (?P<to>[\w. ]+?): (?P<words>.+)")
WIDTH, LANE, ROW, HEAD, MARGIN = 730, 190, 38, 44, 70
"""Pixels: of a page's column, between two participants at most, between two lines, above the first line, beside the
outer participants."""


class Sequence(SphinxDirective):
    """The drawing, and its text where SVG cannot be shown."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar = {}

    def run(self) -> list[nodes.Node]:
        lines = [line for line in self.content if line.strip()]
        try:
            steps = parse(lines)
        except ValueError as error:
            raise self.error(str(error)) from None
        html = draw(self.arguments[0], steps) + spell(self.arguments[0], steps)
        picture = nodes.raw("", f'<div class="sequence">{html}</div>', format="html")
        text = addnodes.only(expr="not html")
        text += nodes.literal_block("\n".join(lines), "\n".join(lines), classes=["sequence"], language="none")
        return [picture, text]


Step = re.Match[str] | str
"""Something said, or what happens meanwhile."""


def parse(lines: list[str]) -> list[Step]:
    """What the lines say.

    :raises ValueError: naming a line that is none.
    """
    steps: list[Step] = []
    for line in lines:
        match = LINE.fullmatch(line)
        if match is None and not line.startswith("= "):
            raise ValueError(f"no line of a sequence: {line}")
        steps.append(match or line[2:])
    return steps


def spell(title: str, steps: list[Step]) -> str:
    """The steps as a list."""
    items = [
        f'<li class="note">{escape(step)}</li>'
        if isinstance(step, str)
        else f"<li><b>{escape(step['by'])} → {escape(step['to'])}</b> {escape(step['words'])}</li>"
        for step in steps
    ]
    return f'<ol aria-label="{escape(title)}">{"".join(items)}</ol>'


def draw(title: str, steps: list[Step]) -> str:
    """The steps as SVG."""
    who = list(dict.fromkeys(step[side] for step in steps if not isinstance(step, str) for side in ("by", "to")))
    lane = min(LANE, (WIDTH - 2 * MARGIN) // (len(who) - 1))
    at = {name: MARGIN + lane * number for number, name in enumerate(who)}
    width, height = 2 * MARGIN + lane * (len(who) - 1), HEAD + ROW * len(steps) + 16
    parts = [f"<title>{escape(title)}</title>"]
    for name, x in at.items():
        parts.append(f'<line class="lane" x1="{x}" y1="30" x2="{x}" y2="{height - 4}"/>')
        parts.append(f'<text class="who" x="{x}" y="20">{escape(name)}</text>')
    for number, step in enumerate(steps):
        y = HEAD + ROW * number + 22
        parts += note(step, width, y) if isinstance(step, str) else arrow(step, at, y)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}"'
        f' viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(parts)}</svg>'
    )


def note(words: str, width: int, y: int) -> list[str]:
    """What happens meanwhile, across all lanes."""
    return [
        f'<rect class="note" x="8" y="{y - 20}" width="{width - 16}" height="24" rx="3"/>',
        f'<text class="words" x="{width // 2}" y="{y - 4}">{escape(words)}</text>',
    ]


def arrow(step: re.Match[str], at: dict[str, int], y: int) -> list[str]:
    """One thing said."""
    begin, end = at[step["by"]], at[step["to"]]
    tip = -7 if end > begin else 7
    kind = "answer" if step["arrow"] == "-->" else "said"
    return [
        f'<line class="{kind}" x1="{begin}" y1="{y}" x2="{end}" y2="{y}"/>',
        f'<path class="tip" d="M {end} {y} l {tip} -4 v 8 z"/>',
        f'<text class="words" x="{(begin + end) // 2}" y="{y - 6}">{escape(step["words"])}</text>',
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entrance."""
    app.add_directive("sequence", Sequence)
    return {"parallel_read_safe": True}
