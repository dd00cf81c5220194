"""``python -m tests.peers setup`` installs the tools; ``python -m tests.peers``, inside the lab's namespaces, compares.

We order first and alone; the others mostly sleep, so they order side by side, each in a zone of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests.peers import page
from tests.peers.orders import Orders
from tests.peers.tools import NOT_HERE, TOOLS, Tool, setup
from tests.peers.world import World

FOLDER = Path(__file__).resolve().parents[2] / "build" / "peers"
"""Where the results of each tool go; a tool that has a file there is not run again."""


def work(world: World, tool: Tool, folder: Path) -> None:
    """All orders of one tool."""
    orders, load = Orders(world, tool), os.getloadavg()[0]
    version = tool.version()
    default = orders.by_default()
    tried, fastest = orders.fastest(default)
    result = {
        "tool": tool.label,
        "title": tool.title,
        "version": version,
        "names": "in the zone itself" if tool.is_direct else "through a CNAME",
        "load": round(load, 1),
        "default": [each.json() for each in default],
        "fastest": [each.json() for each in fastest],
        "tried": [each.json() for each in tried],
    }
    (folder / f"{tool.label}.json").write_text(json.dumps(result, indent=1) + "\n")


def run(tools: Sequence[Tool], folder: Path) -> None:
    """Run TOOLS in one world."""
    with (
        tempfile.TemporaryDirectory(prefix="peers-") as directory,
        World(Path(directory), [tool.label for tool in tools]) as world,
    ):
        alone, *others = tools
        work(world, alone, folder)
        threads = [threading.Thread(target=work, args=(world, tool, folder)) for tool in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main() -> None:
    """Install, or compare what has no result yet and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("tools", nargs="*", metavar="TOOL", help=f"setup, or {', '.join(t.label for t in TOOLS)} (all)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of results")
    parser.add_argument("--page", action="store_true", help="write the tables of README and manual from the results")
    arguments = parser.parse_args()
    if arguments.tools == ["setup"]:
        return setup()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    done = set() if arguments.tools else {path.stem for path in folder.glob("*.json")}
    wanted = [
        tool for tool in TOOLS if tool.label not in done and (not arguments.tools or tool.label in arguments.tools)
    ]
    missing = [tool.label for tool in wanted if NOT_HERE in tool.version()]
    if missing:
        print(f"left out, not here: {', '.join(missing)}; hint: python -m tests.peers setup")
    wanted = [tool for tool in wanted if tool.label not in missing]
    if wanted and not arguments.page:
        begin = time.monotonic()
        run(wanted, folder)
        about = {
            "at": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": f"{os.cpu_count()} processors, Python {platform.python_version()}",
        }
        (folder / "about.json").write_text(json.dumps(about) + "\n")
        print(f"{time.monotonic() - begin:.0f} s")
    data = page.collect(folder, [tool.label for tool in TOOLS])
    print(page.table(data))
    if arguments.page:
        page.write(data)
    return None


if __name__ == "__main__":
    main()
