"""What the tests themselves keep to."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PLAIN = [path for folder in ("unit", "properties", "long") for path in sorted((TESTS / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: str(path.relative_to(TESTS)))
def test_unit_and_property_tests_need_no_lab(path: Path) -> None:
    """They run by plain pytest: no server of the lab, no port 53."""
    tree = ast.parse(path.read_text())
    asked = {argument.arg for node in ast.walk(tree) if isinstance(node, ast.arguments) for argument in node.args}
    assert asked & {"lab", "runs", "certbot"} == set()
    ports = [
        keyword.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Server"
        for keyword in node.keywords
        if keyword.arg == "port" and isinstance(keyword.value, ast.Constant)
    ]
    assert [port for port in ports if 0 < port < 1024] == []
