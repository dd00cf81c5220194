"""The results as data, as README's table, and as the page of the documentation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.peers.orders import BOUND_S, SIZES

Data = dict[str, Any]
CHECKOUT = Path(__file__).resolve().parents[2]
README = CHECKOUT / "README.md"
PAGE = CHECKOUT / "docs" / "explanation" / "peers.rst"
DATA = PAGE.with_suffix(".json")
TEMPLATE = Path(__file__).with_name("peers.rst.in")
BEGIN, END = "<!-- peers: written by python -m tests.peers --page -->\n", "<!-- end of peers -->\n"


def collect(folder: Path, order: Sequence[str]) -> Data:
    """The results in a folder, and for the others the published ones, with the tools in this order."""
    published = json.loads(DATA.read_text()) if DATA.exists() else {"about": {}, "tools": []}
    found = {tool["tool"]: tool for tool in published["tools"]}
    found |= {label: json.loads(file.read_text()) for label in order if (file := folder / f"{label}.json").exists()}
    about = folder / "about.json"
    return {
        "about": json.loads(about.read_text()) if about.exists() else published["about"],
        "tools": [found[label] for label in order if label in found],
    }


def rows(data: Data) -> list[tuple[str, str, list[Data]]]:
    """Tool, kind of setting, and its four orders; a tool that is fastest by default has one row."""
    found = []
    for tool in data["tools"]:
        is_default = bool(tool["fastest"]) and tool["fastest"][0]["setting"] == tool["default"][0]["setting"]
        found.append((tool["title"], "default (nothing faster issues)" if is_default else "default", tool["default"]))
        if tool["fastest"] and not is_default:
            found.append((tool["title"], "fastest", tool["fastest"]))
    return found


def seconds(run: Data) -> str:
    """A cell: how long it took, or what happened instead."""
    if run["over"]:
        return f"more than {BOUND_S:.0f} s"
    return f"{run['seconds']:.1f} s" if run["issued"] else f"not issued ({run['seconds']:.0f} s)"


def table(data: Data) -> str:
    """README's table."""
    lines = [
        f"| | setting | {' | '.join(SIZES)} | TXT records left | UPDATEs for 100 names |",
        "|---|---|" + "---|" * (len(SIZES) + 2),
    ]
    for title, kind, runs in rows(data):
        left, updates = sum(run["left"] for run in runs), runs[-1]["updates"]
        shown = f"**{title}**" if title == "certbot-dns-delegate" else title
        lines.append(f"| {shown} | {kind} | {' | '.join(map(seconds, runs))} | {left} | {updates} |")
    return "\n".join(lines) + "\n"


def text(data: Data) -> str:
    """The page."""
    loads = [run["load"] for tool in data["tools"] for run in every(tool)]
    return TEMPLATE.read_text().format(
        machine=data["about"].get("machine", "a machine that is not described"),
        at=data["about"].get("at", "an unknown day"),
        least=min(loads, default=0.0),
        most=max(loads, default=0.0),
        table=_list_table(
            [["tool", "setting", *SIZES]] + [[title, kind, *map(_whole, runs)] for title, kind, runs in rows(data)],
        ),
        versions=_list_table(
            [["tool", "version", "where its names are", "fastest setting that issues"]]
            + [[tool["title"], tool["version"], tool["names"], _setting(tool)] for tool in data["tools"]]
        ),
    )


def every(tool: Data) -> list[Data]:
    """All orders of a tool."""
    return [*tool["default"], *tool["tried"], *tool["fastest"]]


def _whole(run: Data) -> str:
    return f"{seconds(run)}; {run['left']} left, {run['updates']} UPDATEs"


def _setting(tool: Data) -> str:
    return _literal(tool["fastest"][0]["setting"]) if tool["fastest"] else "none"


def _literal(setting: str) -> str:
    return setting if setting in {"none", "default"} else f"``{setting}``"


def _list_table(rows: Sequence[Sequence[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'*' if number == 0 else ' '} - {cell}" for number, cell in enumerate(row)]
    return "\n".join(lines)


def readme(data: Data) -> str:
    """README with the table of these data."""
    before, _, rest = README.read_text().partition(BEGIN)
    return f"{before}{BEGIN}\n{table(data)}\n{END}{rest.partition(END)[2]}"


def write(data: Data) -> None:
    """README's table, the page, and its data."""
    DATA.write_text(json.dumps(data, indent=1) + "\n")
    README.write_text(readme(data))
    PAGE.write_text(text(data))
