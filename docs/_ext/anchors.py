"""An id for each term of a definition list and each rubric, so that a key, an option or an error can be linked.

The id begins with that of what is above it (a section or a rubric), since a key may be there for several providers:
``settings.html#provider-rfc2136-server``.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def name_all(_: Sphinx, document: nodes.document) -> None:
    """Give ids to the terms and rubrics of one page, in the order of the page; the first of two alike has it."""
    above = ""
    for node in document.findall():
        if isinstance(node, nodes.section):
            above = node["ids"][0]
        elif isinstance(node, nodes.rubric):
            above = nodes.make_id(node.astext())
            name(document, node, above)
        elif isinstance(node, nodes.term):
            words = next(iter(node.findall(nodes.literal)), node).astext().partition(" ")[0]
            name(document, node, nodes.make_id(f"{above} {words}"))


def name(document: nodes.document, node: nodes.Element, wanted: str) -> None:
    """Give an element the id, if it has none and no other has this one, and a link to itself."""
    if node["ids"] or not wanted or wanted in document.ids:
        return
    node["ids"].append(wanted)
    document.ids[wanted] = node
    link = f'<a class="headerlink" href="#{wanted}" title="Link to this">¶</a>'
    node += nodes.raw("", link, format="html")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-read", name_all)
    return {"parallel_read_safe": True}
