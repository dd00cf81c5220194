"""The INI reader: values as a person wrote them, every problem with its line, nothing secret told."""

import pytest

from certbot_dns_delegate.settings import ini


def value_of(line: str) -> str:
    """The value of a single ``key = value`` line that has no problem."""
    sections, problems = ini.read(line)
    assert not problems
    return sections[0].entries["key"].value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("abc#def", "abc#def"),
        ("abc # a comment", "abc"),
        ("abc\t# a comment", "abc"),
        ("100%", "100%"),
        ("%(home)s", "%(home)s"),
        ("$HOME", "$HOME"),
        ("a, b ,c", "a, b ,c"),
        ('"a # b"', "a # b"),
        ("'a # b' # a comment", "a # b"),
        ('"it\'s"', "it's"),
        ("it's", "it's"),
        ('say "yes"', 'say "yes"'),
        ("a = b", "a = b"),
        ("c2VjcmV0Cg==", "c2VjcmV0Cg=="),
        ("a;b ; c", "a;b ; c"),
        (r"C:\new", r"C:\new"),
        ('""', ""),
        ("", ""),
        ("a\u2028b\x85c\x0bd", "a\u2028b\x85c\x0bd"),
    ],
)
def test_a_value_is_what_a_person_expects(written: str, meant: str) -> None:
    """No interpolation, no lists, a comment only behind white space, quotes taken off as a pair."""
    assert value_of(f"key = {written}") == meant


def test_lines_of_every_system_and_a_byte_order_mark() -> None:
    """A file from another system's editor reads the same, and lines are counted as that editor counts them."""
    sections, problems = ini.read("\ufeff[a]\r\nx = 1\r\n\r\n[b]\rx = 2\n; remark\n# remark\n")
    assert not problems
    assert [(s.title, s.line, {k: (e.value, e.line) for k, e in s.entries.items()}) for s in sections] == [
        ("", 0, {}),
        ("a", 1, {"x": ("1", 2)}),
        ("b", 4, {"x": ("2", 5)}),
    ]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[a]\nx = 1\nx = 2", ["line 3: x is set a second time"]),
        ("[a\nx = 1", ["line 1: is no section title of the form [acme.example.net]: the ] is missing"]),
        ("[]", ["line 1: is no section title of the form [acme.example.net]"]),
        ("[a] b", ["line 1: is no section title of the form [acme.example.net]"]),
        ("word", ["line 1: is neither [title] nor key = value"]),
        ("= value", ["line 1: is neither [title] nor key = value"]),
        ('x = "a', ["line 1: a quoted value is not closed: a value is on one line"]),
        ("x = \N{LEFT DOUBLE QUOTATION MARK}a", ['line 1: begins with a typographic quote: write " instead']),
        ('x = "a" b', ["line 1: something follows the quoted value"]),
        (
            "[a\nx = 1\n[b]\nx = 1\ny",
            [
                "line 1: is no section title of the form [acme.example.net]: the ] is missing",
                "line 5: is neither [title] nor key = value",
            ],
        ),
    ],
)
def test_every_problem_is_told_with_its_line(text: str, problems: list[str]) -> None:
    """One problem does not hide another, and one bad title does not make its keys look like another section's."""
    assert [f"line {fault.line}: {fault.text}" for fault in ini.read(text)[1]] == problems


@pytest.mark.parametrize(
    "line",
    ["tsig_secret: c2VjcmV0PQ==", "c2VjcmV0PQ==", "c2VjcmV0PQ", "'c2VjcmV0PQ' = 1", 'x = "c2VjcmV0PQ', "[c2VjcmV0PQ"],
)
def test_a_misplaced_secret_is_not_told(line: str) -> None:
    """A secret behind the wrong sign, on a line of its own or without its quote is in no problem and no repr."""
    sections, problems = ini.read(f"{line}\n{line}")
    assert "c2VjcmV0" not in repr(problems)
    assert "c2VjcmV0" not in ini.shown(next(iter(sections[0].entries), "none"))


def test_a_repr_shows_no_value() -> None:
    """What a debugger or a log prints of a parsed file holds no value of it."""
    assert "secret!" not in repr(ini.read("[a]\nx = secret!\n"))
