"""Questions with their answers: from options, or from a person on a terminal."""

import getpass
import sys
from collections.abc import Callable
from typing import TypeVar

from certbot_dns_delegate.command.output import Output, wrapped
from certbot_dns_delegate.command.types import UsageError

T = TypeVar("T")

LONGEST_ANSWER = 65536
"""Characters of one line; a hundred names of the greatest length need less (RFC 1035 section 2.3.4)."""


class Interview:
    """Takes what is given by options, asks for the rest, and notes what it cannot ask for."""

    def __init__(self, output: Output, *, may_ask: bool) -> None:
        self._output = output
        self.may_ask = may_ask
        self.missing: list[str] = []
        """The options that are needed, where nobody can be asked."""

    @classmethod
    def of(cls, output: Output, *, is_quiet: bool) -> "Interview":
        """One that asks where there is a terminal for it.

        :param is_quiet: ask nothing.
        """
        streams = (sys.stdin, sys.stderr)
        return cls(output, may_ask=not is_quiet and all(stream is not None and stream.isatty() for stream in streams))

    def answer(
        self,
        option: str,
        question: str,
        given: str | None,
        parse: Callable[[str], T],
        default: str | None = None,
        *,
        is_secret: bool = False,
    ) -> T | None:
        """The answer to one question; None where there is none.

        :param option: as it is written on a command line.
        :param default: the answer where none is given; '' lets an answer be empty.
        :param is_secret: do not show what is typed.
        :raises UsageError: when what is given cannot be used, or the input ended.
        """
        if given is not None:
            try:
                return parse(given)
            except ValueError as error:
                raise UsageError(f"{option}: {error}") from None
        if self.may_ask:
            return self._ask(question, parse, default, is_secret=is_secret)
        if default is None:
            self.missing.append(option)
        return parse(default) if default else None

    def wants(self, question: str) -> bool:
        """Whether a person agrees by Enter; no, where nobody can be asked."""
        if not self.may_ask:
            return False
        self._output.say(f"\n{question}")
        return sys.stdin.readline(LONGEST_ANSWER).strip(" ").lower() in {"\n", "y\n", "yes\n"}  # '' is the end

    def end(self) -> None:
        """:raises UsageError: naming every option that is missing."""
        if self.missing:
            raise UsageError(
                f"{', '.join(self.missing)}: missing; hint: give them, or run init on a terminal without --yes"
            )

    def _ask(self, question: str, parse: Callable[[str], T], default: str | None, *, is_secret: bool) -> T | None:
        while True:
            self._output.say(f"\n{wrapped(question)}")
            text = _typed(f"[{default}] > " if default else "> ", is_secret=is_secret) or default
            if text:
                try:
                    return parse(text)
                except ValueError as error:
                    self._output.say(f"  {error}")
            elif text == "" and default is not None:
                return None


def _typed(prompt: str, *, is_secret: bool) -> str:
    """One line from the terminal, without white space around it."""
    try:
        if is_secret:
            return getpass.getpass(prompt, sys.stderr).strip()
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = sys.stdin.readline(LONGEST_ANSWER)
    except UnicodeDecodeError:
        return ""
    except EOFError:
        line = ""
    if not line:
        raise UsageError("the input ended; nothing was written")
    return line.strip()
