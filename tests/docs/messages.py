"""Every message that an error of ours can have, read from the source: what is variable in it becomes ``…``."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from certbot_dns_delegate import errors

PACKAGE = Path(errors.__file__).parent
KINDS = {
    name
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, errors.DelegateError) and kind is not errors.SeveralProblems
}
VARIABLE = "…"


@dataclass(frozen=True)
class Message:
    """One message, and where the source has it."""

    place: str
    kind: str
    text: str


def messages() -> Iterator[Message]:
    """The first argument of each error that the package makes; one that passes on another's text has none."""
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text())
        for function, call in calls(tree):
            kind = ast.unparse(call.func).rpartition(".")[2]
            if kind in KINDS and call.args:
                for text in texts(call.args[0], function):
                    yield Message(f"{file.relative_to(PACKAGE)}:{call.lineno}", kind, text)


def calls(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.Call]]:
    """Each call, with the innermost function around it."""
    inside: dict[ast.AST, ast.AST] = {}
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            inside[child] = node if isinstance(node, ast.FunctionDef) else inside.get(node, tree)
        if isinstance(node, ast.Call):
            yield inside[node], node


def texts(node: ast.AST, function: ast.AST) -> Iterator[str]:
    """What an expression can be, with ``…`` for what is known at run time only; nothing when that is all."""
    if isinstance(node, ast.Name):
        for statement in ast.walk(function):
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == node.id:
                yield from texts(statement.value, ast.Module([], []))
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body, function)
        yield from texts(node.orelse, function)
    elif (text := constant(node)).strip(VARIABLE + " :;()"):
        yield text


def constant(node: ast.AST) -> str:
    """The text of one expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(constant(value) for value in node.values).replace(VARIABLE * 2, VARIABLE)
    if isinstance(node, ast.BinOp):
        return constant(node.left) + constant(node.right)
    return VARIABLE
