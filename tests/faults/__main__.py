"""``python -m tests.faults [CELLS…]``, inside the lab's namespaces: the matrix of servers and faults.

A cell that has a file in the folder of results is not run again; so a run that was ended goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tests.faults import cell as cells
from tests.faults import page
from tests.faults.matrix import SERVERS, Cell, chosen
from tests.faults.orders import FOLDER, Acme
from tests.faults.world import World

ORDERS = 22
"""For each cell; all of them make 2,000."""


def work(made: World, mine: Sequence[Cell], count: int, folder: Path, seed: int) -> None:
    """The cells of one worker, one after the other."""
    acme = Acme(made.ca.directory_url, made.authority.file)
    for cell in mine:
        result = cells.run(made, cell, acme, count, seed)
        cells.write(result, folder)
        print(page.line(result.json()), flush=True)


def run(wanted: Sequence[Cell], count: int, folder: Path, seed: int) -> None:
    """Run CELLS in one world."""
    with tempfile.TemporaryDirectory(prefix="faults-") as directory, World(Path(directory), wanted) as made:
        context = multiprocessing.get_context("fork")
        # One worker for each kind of server: they mostly wait, and standalone listeners of one host take turns.
        rows = [[cell for cell in wanted if cell.server == server] for server in SERVERS]
        workers = [context.Process(target=work, args=(made, row, count, folder, seed)) for row in rows if row]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                worker.join()
        finally:
            for worker in workers:
                worker.terminate()
    if any(worker.exitcode for worker in workers):
        raise SystemExit(f"{sum(bool(worker.exitcode) for worker in workers)} workers failed")


def main() -> None:
    """Run what is missing, and show the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("cells", nargs="*", metavar="CELL", help="bind/lag, bind, lag (default: all)")
    parser.add_argument("--orders", type=int, default=ORDERS, metavar="N", help=f"for each cell ({ORDERS})")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of results")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--again", action="store_true", help="also what has a file there")
    parser.add_argument("--page", action="store_true", help="write docs/explanation/reliability.rst from the results")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    if not arguments.page:
        done = set() if arguments.again else {result["cell"] for result in page.results(folder)}
        missing = [cell for cell in chosen(" ".join(arguments.cells)) if cell.name not in done]
        print(f"{len(missing)} cells, {arguments.orders} orders each, seed {arguments.seed}", flush=True)
        begin = time.monotonic()
        if missing:
            run(missing, arguments.orders, folder, arguments.seed)
        took = time.monotonic() - begin
        machine = f"{os.cpu_count()} processors, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
        print(f"{took:.0f} s; {machine}")
        (folder / "about.json").write_text(json.dumps({"machine": machine, "took_s": round(took)}) + "\n")
    print(page.table(page.results(folder)))
    if arguments.page:
        page.write(folder)
    sys.exit(page.verdict(page.results(folder)))


def end(number: int, _frame: FrameType | None) -> None:
    """End as a signal asks, by way of every context manager."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
