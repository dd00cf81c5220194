"""One word for one thing: no class name means two, and text is made of names in one place."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

from tests.architecture.test_imports import MODULES


def test_a_class_name_means_one_thing() -> None:
    """However it is spelled; Certbot's edge has a class for each provider, which Certbot's users know by its name."""
    homes: dict[str, list[str]] = defaultdict(list)
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                homes[node.name.lower()].append(module)
    twice = {name for name, where in homes.items() if len(where) > 1 and "authenticators" not in where}
    assert twice == {"state"}


MADE_IN_TEXT = re.compile(r"omit_final_dot|to_text\(True\)|\bIN (CNAME|NS|CAA|TXT)\b.*\{")
"""A name without its final dot, or a line of a zone file put together."""


def test_names_become_text_in_one_module() -> None:
    """``text.plain`` and ``text.record`` are the only ways to these forms."""
    found = [
        f"{module}:{number}"
        for module, path in MODULES.items()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if MADE_IN_TEXT.search(line)
    ]
    assert [where for where in found if not where.startswith("text:")] == []
