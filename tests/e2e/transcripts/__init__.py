"""Transcripts: what the operator's command prints, as readable files; run against the lab and compared.

A file begins with comments; ``# given: WORDS`` names a state of the world from ``given``. Then come commands behind
``$``, each followed by its standard output, its standard error behind ``! `` and, unless it is 0, its exit code behind
``? ``. What differs from run to run (times, milliseconds, random values, directories) is written as a word in angle
brackets. ``| about PATTERN`` shows only the findings that match, each with the lines below it.
``UPDATE_TRANSCRIPTS=1`` in the environment writes the files anew.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.forks import operator

FOLDER = Path(__file__).parent
ABOUT = """about() { awk -v pattern="$1" '/^ / { if (on) print; next } { on = $0 ~ pattern; if (on) print }'; }"""

VOLATILE = (
    (re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}"), "<run>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?Z"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<time>"),
    (re.compile(r"\b20\d\d-\d\d-\d\d\b"), "<day>"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\d{10}\.\d+"), "<time>"),
    (re.compile(r"(?<=after )\d\d:\d\d(?= UTC)"), "<time>"),
    (re.compile(r"(?<!\S) *\d+(\.\d+)? ms\b"), " <n> ms"),
    (re.compile(r'("milliseconds": )[\d.]+'), r"\1<n>"),
    (re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"), "<value>"),
    (re.compile(r"\b_?[0-9a-f]{16}\b"), "<random>"),
    (re.compile(r"(?<=unsuccessful response: )(3|'\\+x03')"), "<rcode>"),  # as one Pebble or another writes it
    (re.compile(r"\b20\d{8}\b|(?<=serial )\d+"), "<serial>"),
)


@dataclass(frozen=True)
class Runner:
    """Runs the command with the directories of one test."""

    directory: Path
    words: dict[str, str]
    """What ``$WORD`` in a transcript stands for."""
    environment: dict[str, str]

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """One command line, as a shell runs it."""
        for word, value in self.words.items():
            line = line.replace(f"${word}", value)
        folders = [f"--{name}-dir={self.directory / name}" for name in ("work", "config")]
        program = shlex.join(operator().command(*folders))
        line = re.sub(r"(?<![\w/-])certbot-dns-delegate(?= |$)", lambda _: program, line, count=1)
        return subprocess.run(
            ["/bin/sh", "-c", f"{ABOUT}\n{line}"],
            stdin=subprocess.DEVNULL,
            cwd=self.directory,
            env={**os.environ, **self.environment, "COLUMNS": "100"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def steady(self, text: str) -> str:
        """``text`` without what differs from run to run."""
        for word, value in sorted(self.words.items(), key=lambda item: -len(item[1])):
            text = text.replace(value, f"${word}")
        text = text.replace(str(self.directory / "work"), "<state>").replace(str(self.directory), "<here>")
        for pattern, word in VOLATILE:
            text = pattern.sub(word, text)
        return text


def names() -> list[str]:
    """Every transcript, by its path without suffix."""
    return sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.txt"))


def play(name: str, give: Callable[[str], Runner]) -> tuple[str, str]:
    """What the transcript says, and what it says when its commands are run now."""
    path = FOLDER / f"{name}.txt"
    expected = path.read_text()
    lines = expected.splitlines()
    comments = [line for line in lines if line.startswith("#")]
    given = next((line.removeprefix("# given: ") for line in comments if line.startswith("# given: ")), "")
    runner = give(given)
    played = [*comments]
    for command in (line.removeprefix("$ ") for line in lines if line.startswith("$ ")):
        done = runner.run(command)
        played += ["", f"$ {command}", *runner.steady(done.stdout).splitlines()]
        played += [f"! {line}".rstrip() for line in runner.steady(done.stderr).splitlines()]
        played += [f"? {done.returncode}"] if done.returncode else []
    text = "\n".join(played) + "\n"
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        path.write_text(text)
        expected = text
    return expected, text
