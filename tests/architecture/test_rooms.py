"""A stranger finds the room of a thing at the first try: by the first sentences of the modules."""

from __future__ import annotations

import ast
import re

import pytest

from tests.architecture.test_imports import MODULES

QUESTIONS = {
    "where is a CNAME followed": ("CNAME", "lookup.chain"),
    "where is an UPDATE sent": ("UPDATE", "providers.rfc2136.provider"),
    "where is decided that a CA may look": ("CA", "order.proof"),
    "what is on disk": ("disk", "state"),
    "what does a new provider implement": ("provider", "providers.interface"),
    "which module is a verb of the command": ("verb", "command.verbs"),
}


def first_sentence(module: str) -> str:
    """Of the docstring: up to the first full stop that ends a sentence, or the first paragraph."""
    text = ast.get_docstring(ast.parse(MODULES[module].read_text())) or ""
    return re.split(r"(?<=[.])\s|\n\n", " ".join(text.split("\n\n")[0].split()), maxsplit=1)[0]


@pytest.mark.parametrize("question", QUESTIONS)
def test_one_module_answers(question: str) -> None:
    """A search for the noun over the first sentences finds one module, and it is the right one."""
    noun, home = QUESTIONS[question]
    found = [module for module in MODULES if re.search(rf"\b{noun}s?\b", first_sentence(module))]
    assert found == [home]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_says_what_it_is(module: str) -> None:
    """In one sentence, which fits on a line."""
    sentence = first_sentence(module)
    assert sentence
    assert sentence.endswith((".", ")"))
    assert len(sentence) <= 120
