"""The threat page: each claim that names a test names one that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "threats.rst"
HELD = re.findall(r":held:`([^`]+)`", PAGE.read_text())


@pytest.mark.parametrize("test", sorted(set(HELD)))
def test_what_holds_a_claim_is_a_test(test: str) -> None:
    """By its file and its name, in a class or outside; a check of the packages runs by `make packages`."""
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_many_claims_are_held() -> None:
    """The page is no prose alone."""
    assert len(set(HELD)) > 30
