"""Read an INI file as a person expects: no interpolation, nothing cut out of a quoted value, every problem at once.

Neither ConfigObj (cuts ``abc#def`` at the ``#``, turns a comma into a list) nor configparser (cuts ``"a # b"``, stops
at the first duplicate) does that, and neither says which line a key stands on.
"""

from dataclasses import dataclass, field

from certbot_dns_delegate.text import printable


@dataclass
class Entry:
    """One ``key = value`` line."""

    value: str
    line: int


@dataclass
class Section:
    """A ``[title]`` and what stands under it; the lines above the first title have the title ''."""

    title: str
    line: int
    entries: dict[str, Entry] = field(default_factory=dict)


def read(text: str) -> tuple[list[Section], list[str]]:
    """The sections of ``text`` and the problems found, each "line N: ..."."""
    sections = [Section("", 0)]
    problems: list[str] = []
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        try:
            if line.startswith("["):
                title = _title(line)
                if title and any(section.title.lower() == title.lower() for section in sections):
                    problems.append(f"line {number}: a second section [{printable(title, 80)}]")
                sections.append(Section(title, number))
                continue
            key, equals, rest = line.partition("=")
            key = key.strip()
            if not equals or not key:
                raise ValueError("is neither [title] nor key = value")  # and may be a secret: not shown
            if key in sections[-1].entries:
                problems.append(f"line {number}: {printable(key, 60)} is set a second time")
            sections[-1].entries[key] = Entry(_value(rest.strip()), number)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    return sections, problems


def _title(line: str) -> str:
    title, bracket, rest = line[1:].partition("]")
    title = title.strip()
    if not bracket or not title or not _is_comment(rest):
        raise ValueError("is no section title of the form [acme.example.net]")
    return title


def _value(text: str) -> str:
    if text[:1] in {'"', "'"}:
        value, quote, rest = text[1:].partition(text[0])
        if not quote:
            raise ValueError("a quoted value is not closed")
        if not _is_comment(rest):
            raise ValueError("something follows the quoted value")
        return value
    # A "#" starts a comment only behind white space: abc#def is one word.
    for position, character in enumerate(text):
        if character == "#" and (position == 0 or text[position - 1].isspace()):
            return text[:position].rstrip()
    return text


def _is_comment(rest: str) -> bool:
    return not rest.strip() or rest.strip().startswith("#")
