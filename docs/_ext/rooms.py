"""``.. rooms::``: the rooms of the package and who imports whom, drawn as SVG from the imports themselves."""

import ast
from html import escape
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import certbot_dns_delegate

PACKAGE = Path(certbot_dns_delegate.__file__).parent
GROUND = ("errors", "model", "places", "schema", "text", "threads", "timing")
"""What every room imports; left out of the drawing, where it would be an arrow from everywhere."""
TITLE = "The rooms of the package: each imports only what is below it"
WIDTH, FLOOR, HEIGHT, TOP = 700, 84, 40, 12
"""Pixels: of the drawing, from floor to floor, of a room, above the first floor."""


class Rooms(SphinxDirective):
    """The drawing, and its text where SVG cannot be shown."""

    option_spec: ClassVar = {}

    def run(self) -> list[nodes.Node]:
        below = imports()
        picture = nodes.raw("", f'<div class="rooms">{draw(below)}</div>', format="html")
        lines = "\n".join(f"{room:16}{' '.join(sorted(others))}" for room, others in below.items())
        text = addnodes.only(expr="not html")
        text += nodes.literal_block(lines, lines, classes=["rooms"], language="none")
        return [picture, text]


def imports() -> dict[str, set[str]]:
    """Each room, and the rooms that its modules import, also inside functions."""
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if room in {"__init__", "__main__", *GROUND}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            inside = {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE.name}.")}
            rooms = {other for other in inside if (PACKAGE / other).is_dir()}
            found.setdefault(room, set()).update(rooms - {room})
    return found


def floors(below: dict[str, set[str]]) -> dict[str, int]:
    """How many rooms are below each on the longest way; rooms that import one another share a floor."""
    height = dict.fromkeys(below, 0)
    for _ in below:
        for room, others in below.items():
            under = [height[other] for other in others if room not in below[other]]
            beside = [height[other] for other in others if room in below[other]]
            height[room] = max([height[room], *(each + 1 for each in under), *beside])
    return height


def essential(below: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The imports that follow from no others: drawn, they show the rest too."""

    def reached(room: str, seen: frozenset[str]) -> set[str]:
        direct = below[room] - seen
        return direct | {far for near in direct for far in reached(near, seen | {room})}

    return [
        (room, other)
        for room, others in below.items()
        for other in sorted(others)
        if not any(other in reached(near, frozenset({room})) for near in others - {other})
    ]


def draw(below: dict[str, set[str]]) -> str:
    """The SVG."""
    height = floors(below)
    most = max(height.values())
    rows = [[room for room in sorted(below) if height[room] == most - floor] for floor in range(most + 1)]
    place = {
        room: (WIDTH * (2 * number + 1) // (2 * len(row)), TOP + FLOOR * floor)
        for floor, row in enumerate(rows)
        for number, room in enumerate(row)
    }
    parts = [f"<title>{escape(TITLE)}</title>"]
    for room, other in essential(below):
        (x, y), (u, v) = place[room], place[other]
        begin, end = (y + HEIGHT, v) if v > y else (y + HEIGHT // 2, v + HEIGHT // 2)
        parts.append(f'<line class="import" x1="{x}" y1="{begin}" x2="{u}" y2="{end}"/>')
        parts.append(f'<circle class="tip" cx="{u}" cy="{end}" r="3"/>' if v > y else "")
    for room, (x, y) in place.items():
        count = len(list((PACKAGE / room).rglob("*.py"))) or 1
        parts.append(f'<rect class="room" x="{x - 62}" y="{y}" width="124" height="{HEIGHT}" rx="4"/>')
        parts.append(f'<text class="name" x="{x}" y="{y + 17}">{escape(room)}</text>')
        parts.append(f'<text x="{x}" y="{y + 32}">{count} module{"" if count == 1 else "s"}</text>')
    ground = TOP + FLOOR * (most + 1)
    parts.append(f'<rect class="ground" x="8" y="{ground}" width="{WIDTH - 16}" height="{HEIGHT}" rx="4"/>')
    parts.append(f'<text class="name" x="{WIDTH // 2}" y="{ground + 17}">the ground</text>')
    parts.append(f'<text x="{WIDTH // 2}" y="{ground + 32}">{escape(", ".join(GROUND))}</text>')
    total = ground + HEIGHT + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(TITLE)}" viewBox="0 0 {WIDTH} {total}"'
        f' width="{WIDTH}" height="{total}">{"".join(parts)}</svg>'
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entrance."""
    app.add_directive("rooms", Rooms)
    return {"parallel_read_safe": True}
