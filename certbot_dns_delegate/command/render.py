"""How the verbs show things: plain lines or JSON lines, colour only on a terminal, foreign text already escaped."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from certbot_dns_delegate.errors import DelegateError, SeveralProblems

COLOURS = {"ok": "32", "note": "36", "warn": "33", "fail": "31"}
"""SGR parameters by verdict (ECMA-48 section 8.3.117): green, cyan, yellow, red."""


class Output:
    """Standard output for results, standard error for everything said on the way."""

    def __init__(self, out: TextIO, err: TextIO, *, is_json: bool = False) -> None:
        self.out = out
        self.err = err
        self.is_json = is_json
        # https://no-color.org: set and not empty.
        self.has_colour = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._warned: set[str] = set()

    def record(self, record: Mapping[str, Any], text: str) -> None:
        """One result: the object with ``--json``, else its text."""
        self.out.write((json.dumps(record, ensure_ascii=True) if self.is_json else text) + "\n")

    def text(self, text: str) -> None:
        """A line for people only."""
        if not self.is_json:
            self.out.write(text + "\n")

    def verdict(self, word: str) -> str:
        """A verdict, coloured on a terminal and padded to one width."""
        padded = word.ljust(4)
        return f"\x1b[{COLOURS[word]}m{padded}\x1b[0m" if self.has_colour else padded

    def warn(self, text: str) -> None:
        """A remark on standard error, once."""
        if text not in self._warned:
            self._warned.add(text)
            self.err.write(f"warning: {text}\n")

    def error(self, error: DelegateError) -> None:
        """What ended the verb."""
        if self.is_json:
            self.out.write(json.dumps({"errors": [error_record(e) for e in flat(error)]}) + "\n")
        self.err.write(f"{error}\n")

    def progress(self, line: str) -> None:
        """A line that overwrites itself on a terminal; nothing elsewhere; '' takes it away."""
        from certbot_dns_delegate.tell import overwrite  # only here, so that completion stays quick

        overwrite(self.err, line)

    def flush(self) -> None:
        self.out.flush()
        self.err.flush()


def flat(error: DelegateError) -> list[DelegateError]:
    """The single problems of an error."""
    return list(error.problems) if isinstance(error, SeveralProblems) else [error]


def error_record(error: DelegateError) -> dict[str, str]:
    """An error as JSON."""
    return {"kind": type(error).__name__, "seen": error.problem, "do": error.hint}


def count(number: int, noun: str) -> str:
    """``1 value``, ``2 values``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def is_terminal() -> bool:
    """Whether a person types standard input."""
    return sys.stdin is not None and sys.stdin.isatty()
