"""The threat page: each claim that names a test names one that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "threats.rst"
PARTS = re.compile(r"\n\s*\n|\n(?=\s*\* )|\n(?=\S[^\n]*\n   \S)")
"""A paragraph, a point of a list or a case ends where the next begins."""
UNDERLINES = ({"-"}, {"="})
UNHELD = {
    "This page lists who": "says what the page is",
    "An account at acme-dns": "is about another program",
    "Whoever controls the certificate's": "begins a list",
    "* Other plugins and": "is advice",
    "* A thief with": "is out of reach",
    "* The operator of": "is out of reach",
    "* A CA that": "is out of reach",
    "* Anyone who can": "is out of reach",
}
"""How a paragraph without a test begins, and why it has none."""
HELD = re.findall(r":held:`([^`]+)`", PAGE.read_text())


@pytest.mark.parametrize("test", sorted(set(HELD)))
def test_what_holds_a_claim_is_a_test(test: str) -> None:
    """By its file and its name, in a class or outside; a check of the packages runs by `make packages`."""
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_paragraph_is_held() -> None:
    """By a test at least, but for those above."""
    unheld = [part.split() for part in PARTS.split(PAGE.read_text()) if ":held:" not in part]
    beginnings = {" ".join(words[:4]) for words in unheld if len(words) > 1 and set(words[-1]) not in UNDERLINES}
    assert beginnings == UNHELD.keys()
