"""``python -m tests.plugins install DIRECTORY PACKAGE…``, and then in the lab ``watch DIRECTORY PACKAGE…``."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.plugins.trap import ANSWERS, Trap
from tests.plugins.verdict import APEX, TARGET, VALUE, verdict

CHECKOUT = Path(__file__).parents[2]
TABLE = CHECKOUT / "docs" / "providers" / "plugins.json"
MOST_S = 90
"""For one attempt; several plugins try each request three times."""


def install(directory: Path, package: str) -> None:
    """An environment with the plugin, and this checkout beside it."""
    home = directory / package
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    subprocess.run([home / "bin" / "pip", "install", "-q", CHECKOUT, package], check=True, timeout=600)


def watch(directory: Path, package: str) -> dict[str, Any]:
    """The row of the table for a plugin that is installed."""
    asked: list[str] = []
    told: dict[str, Any] = {}
    for answer in ANSWERS:
        with tempfile.TemporaryDirectory() as files, tempfile.TemporaryDirectory() as state:
            trap = Trap(Path(files), answer)
            with trap.set():
                told = _write(directory / package / "bin" / "python", package, Path(state), trap.ca) or told
            asked += trap.asked
        if told.get("refusal"):
            break
    if "-v" in sys.argv:
        print("\n".join(each[:300] for each in asked), file=sys.stderr)
    works, seen = verdict(told["refusal"], told["said"], asked)
    seen = " ".join(seen.split())[:200]
    row = {"package": package, "plugin": told["plugin"], "version": told["version"], "works": works, "seen": seen}
    return row | {"tried": f"by make plugins, {datetime.now(UTC):%Y-%m-%d}"}


def _write(python: Path, package: str, state: Path, ca: Path) -> dict[str, Any]:
    trusting = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), str(ca))
    variables = {"PATH": os.environ["PATH"], "HOME": str(state), **trusting}
    words: list[str | Path] = [python, Path(__file__).with_name("inside.py"), package, state, TARGET, APEX, VALUE]
    try:
        done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=MOST_S, check=False)
        return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]  # what inside.py prints
    except subprocess.TimeoutExpired:
        print(f"{package}: no end within {MOST_S} s", file=sys.stderr)
    except (IndexError, ValueError):
        print(f"{package}: {done.stderr[-500:]}", file=sys.stderr)
    return {}


def note(row: dict[str, Any]) -> None:
    """In the place of the row that the table has for the package."""
    rows = [each for each in json.loads(TABLE.read_text()) if each["package"] != row["package"]]
    rows = sorted([*rows, row], key=lambda each: each["package"])
    TABLE.write_text("[\n" + ",\n".join(f"  {json.dumps(each)}" for each in rows) + "\n]\n")


def main(verb: str, directory: Path, packages: list[str]) -> None:
    for package in packages:
        if verb == "install":
            install(directory, package)
        else:
            row = watch(directory, package)
            print(json.dumps(row), flush=True)
            note(row)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [each for each in sys.argv[3:] if each != "-v"])
