"""Read an INI file as a person expects: no interpolation, nothing cut out of a quoted value, every problem at once.

Neither ConfigObj (cuts ``abc#def`` at the ``#``, turns a comma into a list) nor configparser (cuts ``"a # b"``, stops
at the first duplicate) does that, and neither says which line a key is on.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from certbot_dns_delegate.text import QUOTES

KEY = re.compile(r"[^\s:\"']+")
"""A key, or in [overrides] a name; ``tsig_secret: c2Vj=`` is neither."""
COMMENT = re.compile(r"(?<!\S)#")
"""A "#" starts a comment only behind white space: abc#def is one word."""
NEITHER = "is neither [title] nor key = value"
ORDINARY = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(slots=True)
class Setting:
    """One ``key = value`` line."""

    value: str = field(repr=False)  # it may be a secret
    line: int
    is_broken: bool = False
    """Its value cannot be read, which is a fault of the line."""


@dataclass(slots=True)
class Section:
    """A ``[title]`` and what is under it; the lines above the first title have the title ''."""

    title: str
    line: int
    entries: dict[str, Setting] = field(default_factory=dict)


class Fault(NamedTuple):
    """What is wrong with a line."""

    line: int
    text: str


def lines(text: str) -> list[str]:
    """The lines of a file that was written on any system; str.splitlines() also splits at what is part of a value."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def read(text: str) -> tuple[list[Section], list[Fault]]:
    """The sections of ``text``, and what is wrong with its lines.

    A list goes on in the next lines where these are indented, or where a line ends with a comma.
    """
    section = Section("", 0)
    sections = [section]
    faults: list[Fault] = []
    last: Setting | None = None  # what a line without a key of its own continues

    for number, raw in enumerate(lines(text.removeprefix("\ufeff")), start=1):
        line, key = raw.strip(), ""
        if not line or line[0] in "#;":
            continue
        try:
            if line[0] == "[":
                last = None
                section = Section("", number)  # keys under a title that cannot be read are not looked at
                section.title = _title(line)
                sections.append(section)
                continue
            before, equals, rest = line.partition("=")
            if not equals and last is not None and (raw[:1].isspace() or last.value.endswith(",")):
                last.value = ", ".join(filter(None, [last.value.rstrip(" ,"), _value(line)]))
                continue
            written = before.rstrip()
            if not equals or not (written.isidentifier() or KEY.fullmatch(written)):  # most are
                raise ValueError(NEITHER)  # and may be a secret: not shown
            key = written
            if key in section.entries:
                faults.append(Fault(number, f"{shown(key)} is set a second time"))
            last = section.entries[key] = Setting(_value(rest.lstrip()), number)
        except ValueError as error:
            last = None
            if key:
                section.entries[key] = Setting("", number, is_broken=True)
            faults.append(Fault(number, str(error)))
    return sections, faults


def shown(key: str) -> str:
    """A key for a message; one that no setting could have may be the second line of a secret, and is not shown."""
    return key if ORDINARY.fullmatch(key) else "(not shown)"


def _title(line: str) -> str:
    title, bracket, rest = line[1:].partition("]")
    title = title.strip()
    if not bracket or not title or not _is_comment(rest):
        missing = "" if bracket else ": the ] is missing"
        raise ValueError(f"is no section title of the form [acme.example.net]{missing}")
    return title


def _value(text: str) -> str:
    if text[:1] in {'"', "'"}:
        value, quote, rest = text[1:].partition(text[0])
        if not quote:
            raise ValueError("a quoted value is not closed: a value is on one line")
        if not _is_comment(rest):
            raise ValueError("something follows the quoted value")
        return value
    if QUOTES.match(text):
        raise ValueError('begins with a typographic quote: write " instead')
    comment = COMMENT.search(text) if "#" in text else None
    return text if comment is None else text[: comment.start()].rstrip()


def _is_comment(rest: str) -> bool:
    return not rest.strip() or rest.strip().startswith("#")
