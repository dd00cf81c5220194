"""How results are shown: plain lines or JSON lines, colour only on a terminal, foreign text already escaped."""

import json
import os
import shutil
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

from certbot_dns_delegate.errors import DelegateError, SeveralProblems

COLOURS = {"ok": "32", "note": "36", "warn": "33", "fail": "31"}
"""SGR parameters by verdict (ECMA-48 section 8.3.117): green, cyan, yellow, red."""


class OutputLost(Exception):
    """Standard output cannot be written: the reader has gone (then the text is empty), or a disk is full."""


class Output:
    """Standard output for results, standard error for messages."""

    def __init__(self, out: TextIO, err: TextIO, *, is_json: bool = False) -> None:
        self._out = out
        self._err = err
        self.is_json = is_json
        is_dumb = os.environ.get("TERM") == "dumb"
        self.is_terminal = out.isatty()
        # https://no-color.org: set and not empty.
        self.has_colour = out.isatty() and not os.environ.get("NO_COLOR") and not is_dumb
        self._has_progress = err.isatty() and not is_dumb
        self._progress = ""
        self._warned: set[str] = set()

    def write(self, text: str) -> None:
        """Results as they are.

        :raises OutputLost: when they cannot be written; so do the other methods that write results.
        """
        try:
            self._out.write(text)
        except OSError as error:
            raise _lost(error) from None

    def flush(self) -> None:
        """Hand out what was written."""
        try:
            self._out.flush()
        except OSError as error:
            raise _lost(error) from None

    def record(self, record: Mapping[str, Any], text: str) -> None:
        """One result: the object with ``--json``, else its text."""
        self.write((json.dumps(record, ensure_ascii=True) if self.is_json else text) + "\n")

    def text(self, text: str) -> None:
        """A line for people only."""
        if not self.is_json:
            self.write(text + "\n")

    def verdict(self, word: str) -> str:
        """A verdict, coloured on a terminal and padded to one width."""
        padded = word.ljust(4)
        return f"\x1b[{COLOURS[word]}m{padded}\x1b[0m" if self.has_colour else padded

    def paragraph(self, text: str) -> str:
        """A text, on a terminal broken between words."""
        return wrapped(text) if self.is_terminal else text

    def heading(self, text: str) -> str:
        """What introduces other lines; bold where colours are shown."""
        return f"\x1b[1m{self.paragraph(text)}\x1b[0m" if self.has_colour else self.paragraph(text)

    def say(self, text: str) -> None:
        """A line on standard error; if it is full or closed, no result is lost."""
        self.progress("")
        with suppress(OSError):
            self._err.write(text + "\n")
            self._err.flush()

    def warn(self, text: str) -> None:
        """A remark on standard error, once."""
        if text not in self._warned:
            self._warned.add(text)
            self.say(f"warning: {text}")

    def error(self, error: DelegateError) -> None:
        """The error that ended the verb, or that makes its result incomplete."""
        if self.is_json:
            self.write(json.dumps({"errors": [error_record(e) for e in flat(error)]}) + "\n")
            self.flush()
        self.say(str(error))

    def problem(self, name: str, error: DelegateError, where: str = "") -> None:
        """Why one of several things was not done: said on standard error, and with ``--json`` an object like the rest.

        :param name: what it is about, as it was given.
        :param where: where it was read, for people.
        """
        if self.is_json:
            self.record({"name": name, "errors": [error_record(each) for each in flat(error)]}, "")
        self.say(f"{where or name}: {error}")

    def progress(self, line: str) -> None:
        """A line that overwrites itself on a terminal, cut to its width; nothing elsewhere; '' takes it away."""
        if self._has_progress and line != self._progress:
            from certbot_dns_delegate.order.console import overwrite  # only here, so that completion stays quick

            self._progress = line
            with suppress(OSError):
                overwrite(self._err, line)


def _lost(error: OSError) -> OutputLost:
    return OutputLost("" if isinstance(error, BrokenPipeError) else f"standard output: {error.strerror}")


def wrapped(text: str) -> str:
    """Each line broken between words at the width of the terminal."""
    width = shutil.get_terminal_size().columns - 1
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.split("\n"))


def flat(error: DelegateError) -> list[DelegateError]:
    """The single problems of an error."""
    return list(error.problems) if isinstance(error, SeveralProblems) else [error]


def error_record(error: DelegateError) -> dict[str, str]:
    """An error as JSON; ``page`` is where the manual explains it."""
    return {"kind": type(error).__name__, "seen": error.problem, "do": error.hint, "page": error.page}


def count(number: int, noun: str) -> str:
    """``1 value``, ``2 values``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
