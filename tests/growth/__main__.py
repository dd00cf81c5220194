"""``python -m tests.growth [SERIES…]``, inside the lab's namespaces: measures what has no file yet, writes the page."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.growth import page
from tests.growth.series import SERIES, Series
from tests.growth.world import World

FOLDER = Path(__file__).resolve().parents[2] / "build" / "growth"
"""Where the points of each series go."""


def run(wanted: Sequence[Series], folder: Path, *, whole: bool) -> None:
    """Each series in a world of its own, so that none finds what another has left."""
    for series in wanted:
        with tempfile.TemporaryDirectory(prefix="growth-") as directory, World(Path(directory)) as made:
            points = []
            for at in series.points:
                if series.limit is not None and at > series.limit and not whole:
                    print(f"{series.label}: {at:,} only with --whole", flush=True)
                    continue
                point = series.measure(made, at)
                print(f"{series.label:10} {at:9,} {point.s:9.3f} s {point.cpu_s:9.3f} s of processor", flush=True)
                points.append({key: round(value, 5) for key, value in point._asdict().items()})
        (folder / f"{series.label}.json").write_text(json.dumps(points, indent=1) + "\n")


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.growth", description=__doc__)
    parser.add_argument("series", nargs="*", metavar="SERIES", help=", ".join(each.label for each in SERIES))
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of results")
    parser.add_argument("--whole", action="store_true", help="also the points that take the better part of an hour")
    parser.add_argument("--page", action="store_true", help="write docs/explanation/growth.rst from the results")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    if not arguments.page:
        named = set(arguments.series)
        wanted = [s for s in SERIES if (s.label in named if named else not (folder / f"{s.label}.json").exists())]
        begin = time.monotonic()
        run(wanted, folder, whole=arguments.whole)
        machine = f"{os.cpu_count()} processors, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
        (folder / "about.json").write_text(json.dumps({"machine": machine}) + "\n")
        print(f"{time.monotonic() - begin:.0f} s; {machine}")
    else:
        page.write(page.collect(folder))


if __name__ == "__main__":
    main()
