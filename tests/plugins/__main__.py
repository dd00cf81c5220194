"""``python -m tests.plugins install DIRECTORY PACKAGE…``, and then in the lab ``watch DIRECTORY PACKAGE…``."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.plugins.trap import ANSWERS, Trap
from tests.plugins.verdict import APEX, TARGET, UNCLEAR, VALUE, verdict

CHECKOUT = Path(__file__).parents[2]
TABLE = CHECKOUT / "docs" / "providers" / "plugins.json"
MOST_S = 90
"""For one attempt; several plugins try each request three times."""
INSTALLING_S = 600
FOLDERS = re.compile(r"(?<![\w:/])/(?:[^\s/'\"]+/)+")
"""What stands before the name of a file: where this machine has it."""


def install(directory: Path, package: str, ours: Path) -> None:
    """An environment with the plugin, and this checkout's wheel beside it; a plugin that cannot be had is noted."""
    home = directory / package
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        home / "bin" / "python",
        "install",
        "-q",
        "--no-compile",
    ]
    done = subprocess.run([*pip, ours, package], capture_output=True, text=True, timeout=INSTALLING_S, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        shutil.rmtree(home)
        note(_row(package, {}, UNCLEAR, f"cannot be installed here: {_reason(done.stderr)}"))


def wheel(directory: Path) -> Path:
    """This checkout's wheel, made anew."""
    with tempfile.TemporaryDirectory() as fresh:
        making: list[str | Path] = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", fresh, CHECKOUT]
        subprocess.run(making, check=True, timeout=INSTALLING_S)
        (made,) = Path(fresh).iterdir()
        directory.mkdir(parents=True, exist_ok=True)
        return made.rename(directory / made.name)


def _reason(said: str) -> str:
    """What pip says last that is an error, without its prefix."""
    found = re.findall(r"^\s*(?:ERROR|error): (.*)", said, re.MULTILINE)
    return found[-1] if found else "pip failed"


def watch(directory: Path, package: str) -> dict[str, Any]:
    """The row of the table for a plugin that is installed."""
    asked: list[str] = []
    told: dict[str, Any] = {"refusal": "", "said": "its process said nothing"}
    for answer in ANSWERS:
        with tempfile.TemporaryDirectory() as files, tempfile.TemporaryDirectory() as state:
            trap = Trap(Path(files), answer)
            with trap.set():
                told = _write(directory / package / "bin" / "python", package, Path(state), trap.ca) or told
            asked += trap.asked
        if told["refusal"]:
            break
    if "-v" in sys.argv:
        print("\n".join(each[:300] for each in asked), file=sys.stderr)
    return _row(package, told, *verdict(told["refusal"], told["said"], asked))


def _row(package: str, told: dict[str, Any], works: str, seen: str) -> dict[str, Any]:
    row = {"package": package, "plugin": told.get("plugin", ""), "version": told.get("version", ""), "works": works}
    named = FOLDERS.sub("", " ".join(seen.split()))
    return row | {"seen": named[:200], "tried": f"by make plugins, {datetime.now(UTC):%Y-%m-%d}"}


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
    """In the place of the row that the table has for the package, unless that one has seen more."""
    rows = {each["package"]: each for each in json.loads(TABLE.read_text())}
    before = rows.get(row["package"])
    if before is None or row["works"] != UNCLEAR or before["works"] == UNCLEAR:
        rows[row["package"]] = row
    rows = dict(sorted(rows.items()))
    TABLE.write_text("[\n" + ",\n".join(f"  {json.dumps(each)}" for each in rows.values()) + "\n]\n")


def main(verb: str, directory: Path, packages: list[str]) -> None:
    ours = wheel(directory) if verb == "install" else directory
    for package in packages:
        if verb == "install":
            install(directory, package, ours)
        elif (directory / package).is_dir():
            row = watch(directory, package)
            print(json.dumps(row), flush=True)
            note(row)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [each for each in sys.argv[3:] if each != "-v"])
