"""Phrases that must not come back in what people read: each was found to need a second reading."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from certbot_dns_delegate.command.arguments import make_parser
from certbot_dns_delegate.command.verbs import VERBS
from tests.architecture.test_imports import MODULES, ROOT

PHRASES = {
    r"(is|are|was|were|be|been) told": "is reported",
    r"told apart": "are reported as different errors",
    r"to mind|minded": "a warning",
    r"stands? against": "prevents",
    r"somebody|everybody": "a user, anyone",
    r"mend(s|ed|ing)?": "fix",
    r"has but|have but": "has only",
    r"what stands": "the records",
    r"stands (there|at|in|above|below|beside)": "is at",
    r"for so long|at most so": "for at least TIME, up to TIME",
    r"does not tell it": "does not reveal it",
    r"decide where secrets go": "redirect your key",
    r"let the CNAME be": "change the CNAME to",
    r"without blanks": "without spaces",
    r"is to be found|to be found by": "can be found through",
    r"what killed runs have left": "values left behind by interrupted runs",
    r"how wide the key is": "whether the key can write more than it needs to",
    r"shall": "should",
    r"say it again": "repeat it",
    r"than any real": "gave up after",
}
"""Regular expressions of words, and what to write instead."""
PATTERN = re.compile(rf"\b(?:{'|'.join(PHRASES)})\b", re.IGNORECASE)


def found(text: str) -> list[str]:
    """The phrases in a text."""
    return [match[0] for match in PATTERN.finditer(" ".join(text.split()))]


def literals(tree: ast.Module) -> Iterator[str]:
    """Every text of a module that is no docstring: errors, hints, outputs."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    docstrings = {id(node.value) for node in nodes}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


@pytest.mark.parametrize("module", sorted(MODULES))
def test_errors_hints_and_outputs(module: str) -> None:
    """Every text that the package can show."""
    assert [text for text in literals(ast.parse(MODULES[module].read_text())) if found(text)] == []


def test_help() -> None:
    """Of the command and of each verb."""
    texts = [make_parser().format_help(), *(f"{verb.help} {verb.description}" for verb in VERBS)]
    assert [phrase for text in texts for phrase in found(text)] == []


PAGES = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.rst"))


@pytest.mark.parametrize("document", ["README.md", *PAGES])
def test_documents(document: str) -> None:
    """README, and every page of the manual."""
    assert found((ROOT / document).read_text()) == []


def test_errors_that_the_manual_shows() -> None:
    """The docstrings of the kinds of error are a page of the manual."""
    tree = ast.parse(MODULES["errors"].read_text())
    texts = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert [phrase for text in texts for phrase in found(text)] == []


@pytest.mark.parametrize("phrase", ["each is told", "2 to mind", "mend it", "What stands there", "has\nbut one"])
def test_a_phrase_is_seen(phrase: str) -> None:
    """In any case, and across lines."""
    assert found(phrase)
