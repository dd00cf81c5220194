"""One word for one thing: no class name means two."""

from __future__ import annotations

import ast
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
    assert twice == {"state", "pending"}
