"""``:held:`tests/…::name```: the test that holds the sentence before it, as a check mark that shows the name."""

from typing import Any

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from sphinx.application import Sphinx


def held(
    _name: str, rawtext: str, text: str, _line: int, _inliner: Inliner, _options: Any = None, _content: Any = None
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """The check mark; a browser shows the name of the test when one points at it."""
    return [nodes.abbreviation(rawtext, "✓", explanation=text)], []


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_role("held", held)
    return {"parallel_read_safe": True}
