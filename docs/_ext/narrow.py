"""Tables on narrow screens: each cell has the heading of its column with it, which is shown where a row is a block."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

LEAST_COLUMNS = 3
"""A table with fewer fits."""


def label(_app: Sphinx, doctree: nodes.document, _name: str) -> None:
    """Put the headings into the cells; ``page.css`` hides them where the table is one."""
    for table in doctree.findall(nodes.table):
        heads = [cell.astext() for head in table.findall(nodes.thead) for row in head.children for cell in row.children]
        if len(heads) < LEAST_COLUMNS:
            continue
        table["classes"].append("labelled")
        for body in table.findall(nodes.tbody):
            for row in body.children:
                for head, cell in list(zip(heads, row.children, strict=True))[1:]:
                    first = cell.next_node(nodes.paragraph)
                    if first is not None and head:
                        first.insert(0, nodes.inline("", f"{head}: ", classes=["label"]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", label)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
