"""``.. generated:: THING [NAME]``: what the code itself knows, as reStructuredText, made when the pages are built."""

import argparse
import ast
import inspect
import io
import json
import re
import textwrap
import tokenize
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import certbot_dns_delegate
from certbot_dns_delegate import authenticators, errors, providers, timing
from certbot_dns_delegate.command.arguments import make_parser
from certbot_dns_delegate.command.verbs import VERBS
from certbot_dns_delegate.order import report
from certbot_dns_delegate.providers import interface
from certbot_dns_delegate.providers.rfc2136 import diagnosis
from certbot_dns_delegate.schema import Key
from certbot_dns_delegate.settings import section
from certbot_dns_delegate.state import fleet, history, journal

README = Path(__file__).parents[2] / "README.md"
PICTURE = Path(__file__).parents[2] / "tests" / "architecture" / "test_imports.py"


def options() -> Iterator[str]:
    """The options that every authenticator adds to Certbot."""
    added: list[tuple[str, str, str]] = []

    def add(name: str, **given: Any) -> None:
        metavar = {"credentials": "FILE", "propagation-seconds": "N", "challenge": "TYPE"}.get(name, "LIST")
        added.append((name, metavar, escape(given["help"])))

    authenticators.Delegate.add_parser_arguments(add)
    for name, metavar, text in added:
        yield from entry(f"``--<authenticator>-{name} {metavar}``", text)


def keys(name: str) -> Iterator[str]:
    """The INI keys of a provider, or those ``common`` to all."""
    declared: Iterable[Key] = section.COMMON if name == "common" else providers.load(name).KEYS
    for key in declared:
        facts = [key.kind.name.replace("|", "or")]
        if key.is_required:
            facts.append("required")
        if key.default is not None:
            facts.append(f"default ``{key.default}``")
        term = f"``{key.name}``" + (f" or ``{key.name}_file``" if key.is_secret else "")
        yield from entry(f"{term} : {', '.join(facts)}", escape(key.help))


def profiles() -> Iterator[str]:
    """The wait profile of each provider, with the comment that gives its source."""
    sources = comments_above(timing)
    yield from [".. list-table::", "   :header-rows: 1", "   :widths: 18 12 12 58", ""]
    rows = [("provider", "``timeout``", "``settle``", "where the numbers come from")]
    for name, profile in timing.PROFILES.items():
        rows.append((f"``{name}``", seconds(profile.timeout), seconds(profile.settle), escape(sources[name])))
    rows.append(
        (
            "any other",
            seconds(timing.DEFAULT.timeout),
            seconds(timing.DEFAULT.settle),
            escape(docstrings(timing)["DEFAULT"]),
        )
    )
    for row in rows:
        yield from table_row(row)


def plugins() -> Iterator[str]:
    """The Certbot DNS plugins that were tried, as ``make plugins`` and people before it noted them."""
    yield from [".. list-table::", "   :header-rows: 1", "   :widths: 28 10 16 46", ""]
    yield from table_row(("package", "version", "works", "what was seen"))
    for row in json.loads((Path(__file__).parents[1] / "providers" / "plugins.json").read_text()):
        cells = (f"``{row['package']}``", escape(row["version"]) or "not noted", row["works"])
        yield from table_row((*cells, f"{escape(row['seen'])} ({row['tried']})"))


def constants(module: str) -> Iterator[str]:
    """The numbers of :mod:`timing` with their reasons."""
    assert module == "timing"
    for name, text in docstrings(timing).items():
        value = getattr(timing, name)
        if name.isupper() and hasattr(value, "total_seconds"):
            yield from entry(f"{seconds(value)} : ``{name}``", escape(" ".join(text.split())))


def error_tree() -> Iterator[str]:
    """Every error with cause and remedy, as its docstring says."""
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, errors.DelegateError) and kind is not errors.DelegateError:
            more = ["", f"More: :ref:`{kind.anchor}`."] if kind.anchor else []
            yield from entry(f"``{name}``", *inspect.cleandoc(kind.__doc__ or "").split("\n"), *more)


def update_hints() -> Iterator[str]:
    """What a server says to an UPDATE, and what we advise."""
    for name, text in diagnosis.HINTS.items():
        yield from entry(f"``{name}``", escape(text))


def ca_hints() -> Iterator[str]:
    """What a CA says, and what we advise."""
    for name, text in report.TABLE.items():
        yield from entry(f"\\ *…{name}…*", escape(text))


def states() -> Iterator[str]:
    """The states of a journal's entry."""
    described = docstrings(journal.State)
    for state in journal.State:
        yield from entry(f"``{state}``", described[state.name])


def history_schema() -> Iterator[str]:
    """The tables of the history."""
    yield from [".. code-block:: sql", ""]
    yield from textwrap.indent(history.SCHEMA.strip(), "   ").splitlines()
    yield ""


def fleet_schema() -> Iterator[str]:
    """The tables of what is known of names."""
    yield from [".. code-block:: sql", ""]
    yield from textwrap.indent(fleet.SCHEMA.strip(), "   ").splitlines()
    yield ""


def command() -> Iterator[str]:
    """The options common to all verbs."""
    for action in make_parser()._actions:  # noqa: SLF001  argparse has no other list of them
        if action.option_strings and "--help" not in action.option_strings:
            yield from entry(flags(action), escape(action.help or ""))


def verbs() -> Iterator[str]:
    """Every verb with its own options."""
    for verb in VERBS:
        yield from [f".. rubric:: {verb.name}", ""]
        yield from [" ".join(escape(verb.description).split()), "", ".. code-block:: shell", ""]
        yield from [f"   {line}" for line in verb.example.splitlines()]
        yield ""
        parser = argparse.ArgumentParser(add_help=False)
        verb.add(parser)
        for action in parser._actions:  # noqa: SLF001  argparse shows its options in no other way
            yield from entry(flags(action), escape(action.help or ""))


def modules(group: str = "") -> Iterator[str]:
    """Every module with the first sentence of its docstring; GROUP: a package of ours, else the top level."""
    folder = Path(certbot_dns_delegate.__file__).parent / group
    for file in sorted(folder.glob("*.py")):
        text = ast.get_docstring(ast.parse(file.read_text())) or ""
        name = ".".join(filter(None, (group.replace("/", "."), file.stem)))
        yield from entry(f"``{name}``", " ".join(text.split("\n\n")[0].split()))


def imports() -> Iterator[str]:
    """Which room may import which: the table that ``tests/architecture`` holds the modules to."""
    tables: dict[str, Any] = {}
    for statement in ast.parse(PICTURE.read_text()).body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name) and target.id in {"GROUND", "BELOW"}:
            value = ast.unparse(statement.value)  # type: ignore[attr-defined]  # the AST nodes of such a statement
            tables[target.id] = ast.literal_eval(value.replace("set()", "[]"))
    width = max(map(len, tables["BELOW"])) + 2
    yield from [".. code-block:: text", "   :class: imports", ""]
    for room, others in tables["BELOW"].items():
        yield f"   {room.ljust(width)}{' '.join(sorted(others)) or 'only the ground'}"
    yield f"   {'the ground'.ljust(width)}{' '.join(sorted(tables['GROUND']))}"
    yield ""


def contract(name: str) -> Iterator[str]:
    """An interface of providers, which autodoc cannot read: what it asks for, and each method."""
    asked = getattr(interface, name)
    yield from [f".. rubric:: {name}", "", *inspect.cleandoc(asked.__doc__).splitlines(), ""]
    for member in sorted(asked):
        what = asked[member]
        signature = what.getSignatureString() if hasattr(what, "getSignatureString") else ""
        yield from entry(f"``{member}{signature}``", *inspect.cleandoc(what.__doc__).splitlines())


def readme_table(heading: str) -> Iterator[str]:
    """The first table of README's part whose heading begins with HEADING, so that it is written once."""
    (part,) = [part for part in README.read_text().split("\n## ") if part.startswith(heading)]
    rows = [line.strip()[1:-1].split("|") for line in part.splitlines() if line.startswith("|")]
    yield from [".. list-table::", "   :header-rows: 1", ""]
    for row in rows[:1] + rows[2:]:  # the second says how columns are aligned
        yield from table_row(from_markdown(cell.strip()) for cell in row)


def from_markdown(text: str) -> str:
    """A cell of a Markdown table as reStructuredText; a link into the manual leads to the page."""
    text = text.replace("`", "``")
    text = re.sub(r"\[([^]]+)\]\(docs/([\w/-]+)\.rst[^)]*\)", r":doc:`\1 </\2>`", text)
    return re.sub(r"\[([^]]+)\]\((https://[^)]+)\)", r"`\1 <\2>`__", text)


def entry(term: str, *lines: str) -> Iterator[str]:
    """One item of a definition list."""
    yield term
    yield from (f"   {line}".rstrip() for line in lines)
    yield ""


def table_row(cells: Iterable[str]) -> Iterator[str]:
    """One row of a list-table."""
    for number, cell in enumerate(cells):
        yield f"   {'*' if number == 0 else ' '} - {cell}"
    yield ""


def flags(action: argparse.Action) -> str:
    """How an option is written."""
    value = action.metavar or (f"{{{','.join(action.choices)}}}" if action.choices else action.dest.upper())
    if action.nargs == "?" and action.option_strings:
        value = f"[{value}]"
    value = f" {value}" if action.nargs != 0 else ""
    return ", ".join(f"``{word}{value}``" for word in action.option_strings) or f"``{value.strip()}``"


def seconds(duration: Any) -> str:
    """A duration for people."""
    return f"{duration.total_seconds():g}\N{NO-BREAK SPACE}s"


def escape(text: str) -> str:
    """Text that is not markup; addresses and options become literals, which are no links and keep their hyphens."""
    parts = re.split(r"((?:https?|tls)://[^\s,]*[^\s,.;:)]|(?<![\w`-])--[a-z][\w=-]*)", text)
    return "".join(
        f"``{part}``" if number % 2 else re.sub(r"([\\*`|_@])", r"\\\1", part) for number, part in enumerate(parts)
    )


def docstrings(thing: Any) -> dict[str, str]:
    """The text under each assignment of a module or class, which Python itself forgets."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    body = tree.body if inspect.ismodule(thing) else tree.body[0].body  # type: ignore[attr-defined]  # the AST nodes of such a statement
    found = {}
    for statement, following in pairwise(body):
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
        if (
            isinstance(target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            found[target.id] = inspect.cleandoc(str(following.value.value))
    return found


def comments_above(module: Any) -> dict[str, str]:
    """The comment lines above each ``"name":`` of a module's table; a name without one shares the one before."""
    found: dict[str, str] = {}
    comment: list[str] = []
    is_fresh = True
    for token in tokenize.generate_tokens(io.StringIO(inspect.getsource(module)).readline):
        if token.type == tokenize.COMMENT:
            comment = [token.string.lstrip("# ")] if is_fresh else [*comment, token.string.lstrip("# ")]
            is_fresh = False
        elif token.type == tokenize.STRING and token.line.strip().startswith(token.string + ":"):
            found[ast.literal_eval(token.string)] = " ".join(comment)
            is_fresh = True
    return found


THINGS = {
    "options": options,
    "keys": keys,
    "profiles": profiles,
    "plugins": plugins,
    "constants": constants,
    "errors": error_tree,
    "update-hints": update_hints,
    "ca-hints": ca_hints,
    "states": states,
    "history": history_schema,
    "fleet": fleet_schema,
    "command": command,
    "verbs": verbs,
    "modules": modules,
    "imports": imports,
    "contract": contract,
    "readme-table": readme_table,
}


class Generated(SphinxDirective):
    """Puts the lines of one of :data:`THINGS` in its place."""

    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        thing, *names = self.arguments
        source = f"generated {' '.join(self.arguments)}"
        holder = nodes.container()
        self.state.nested_parse(StringList(list(THINGS[thing](*names)), source), self.content_offset, holder)
        return holder.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entrance."""
    app.add_directive("generated", Generated)
    # Pages change with the code, which Sphinx does not watch.
    app.connect(
        "env-get-outdated",
        lambda _, env, *__: [name for name in env.found_docs if name.startswith(("index", "ref", "providers/plugins"))],
    )
    return {"parallel_read_safe": True}
