"""The pages as Sphinx reads them, and every block of commands or configuration in them."""

import pickle
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^( *)\.\. code-block:: (\w+)\n((?:\1   :.*\n)*)\n((?:\1   .*\n|\n)+)", re.MULTILINE)

MARKDOWN = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
MARKDOWN += ("changes/README.md", "container/README.md", "snap/local/README.md")


@dataclass(frozen=True)
class Block:
    """One literal block."""

    page: str
    language: str
    text: str
    name: str = ""
    """What ``:name:`` calls it."""
    classes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.page}: {self.language} block {self.name or self.text.splitlines()[0]!r}"


@dataclass(frozen=True)
class Built:
    """What ``make docs`` makes, in a directory of its own."""

    html: Path
    doctrees: Path

    def documents(self) -> Iterator[tuple[str, nodes.document]]:
        """Every page by its name."""
        for file in sorted(self.doctrees.rglob("*.doctree")):
            yield str(file.relative_to(self.doctrees).with_suffix("")), pickle.loads(file.read_bytes())

    def blocks(self) -> Iterator[Block]:
        """Every block of every page, and of what stands beside the pages in Markdown."""
        for page, document in self.documents():
            for block in document.findall(nodes.literal_block):
                holder = block.parent if "caption" in str(block.parent[0].tagname) else block
                names = [*holder["names"], *holder["ids"]]
                language = block.get("language", "none")
                yield Block(page, language, block.astext(), names[0] if names else "", tuple(block["classes"]))
        for page in MARKDOWN:
            yield from markdown_blocks(page)


def build(directory: Path) -> Built:
    """Build the pages as ``make docs`` does: a warning is an error."""
    built = Built(directory / "html", directory / "doctrees")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-q",
            "-b",
            "html",
            "-d",
            built.doctrees,
            DOCS,
            built.html,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return built


def markdown_blocks(page: str, heading: str = "") -> Iterator[Block]:
    """Every block of a page in Markdown in its order; with HEADING, of the part below that alone."""
    text = (CHECKOUT / page).read_text()
    if heading:
        (text,) = (part for part in text.split("\n## ") if part.startswith(f"{heading}\n"))
    for _, language, code in FENCE.findall(text):
        yield Block(page, language or "none", textwrap.dedent(code))


def source_blocks(page: str) -> Iterator[Block]:
    """Every block of a page in its order, straight from the source, without a build."""
    source = (DOCS / f"{page}.rst").read_text()
    for _, language, options, text in CODE.findall(source):
        given = dict(re.findall(r":(\w+): (.*)", options))
        yield Block(page, language, textwrap.dedent(text).strip("\n") + "\n", given.get("name", ""))


def named(name: str, page: str = "howto/least-privilege") -> str:
    """The text of the block called ``name``, as :func:`source_blocks` reads it."""
    (text,) = (block.text for block in source_blocks(page) if block.name == name)
    return text
