"""The pages build, lead to each other, and say what the code says."""

import argparse
import ast
import re
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import certbot_dns_delegate
from certbot_dns_delegate import providers
from certbot_dns_delegate.authenticators import Delegate
from certbot_dns_delegate.command.verbs import VERBS
from certbot_dns_delegate.pending import Entry
from certbot_dns_delegate.waits import PROFILES
from tests.docs.pages import CHECKOUT, DOCS, Built

PACKAGE = CHECKOUT / "certbot_dns_delegate"


class Links(HTMLParser):
    """The links and the anchors of one page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors.add(values.get("id") or "")
        for name in ("href", "src"):
            if tag != "use" and values.get(name):
                self.links.append(values[name] or "")


def test_links(built: Built) -> None:
    """Every link inside the pages leads to a page, and to a place on it that is there."""
    pages = {file: Links(file.read_text()) for file in built.html.rglob("*.html")}
    assert len(pages) > 30
    broken = []
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / parts.path).resolve() if parts.path else file
            known = pages.get(target)
            if not target.exists() or (known and parts.fragment not in known.anchors):
                broken.append(f"{file.relative_to(built.html)}: {link}")
    assert not broken


def test_links_into_the_checkout() -> None:
    """Every relative link of README and CHANGELOG leads to a file that is there."""
    for name in ("README.md", "CHANGELOG.md"):
        for link in re.findall(r"\]\(([^)#]+)", (CHECKOUT / name).read_text()):
            assert urlsplit(link).scheme or (CHECKOUT / link).exists(), f"{name}: {link}"


def test_every_option_is_named() -> None:
    """The package's docstring has each option of the authenticator, and none that it has not."""
    parser = argparse.ArgumentParser(add_help=False)
    Delegate.add_parser_arguments(lambda name, **_: parser.add_argument(f"--dns-delegate-{name}"))
    text = certbot_dns_delegate.__doc__ or ""
    named = set(re.findall(r"--dns-delegate-[a-z-]+", text))
    assert named == {action.option_strings[0] for action in parser._actions}


def test_every_authenticator_is_named() -> None:
    """The package's docstring has each entry point of setup.cfg."""
    points = re.findall(r"^    (dns-delegate[\w-]*) = ", (CHECKOUT / "setup.cfg").read_text(), re.MULTILINE)
    text = " ".join((certbot_dns_delegate.__doc__ or "").split())
    assert len(points) == 8
    assert [point for point in points if f"``{point}``" not in text] == []


def test_every_provider_has_a_page(built: Built) -> None:
    """Each built-in provider has a page, its settings, and its wait profile."""
    settings = (built.html / "reference" / "settings.html").read_text()
    waits = (built.html / "reference" / "waits.html").read_text()
    for name in providers.BUILT_IN:
        assert (DOCS / "providers" / f"{name}.rst").exists()
        for key in providers.load(name).KEYS:
            assert f">{key.name}</span>" in settings, f"{name}: {key.name}"
        assert f">{name}</span>" in waits or name not in PROFILES


def test_no_profile_without_a_source(built: Built) -> None:
    """Each wait profile shows where its numbers come from."""
    text = (built.html / "reference" / "waits.html").read_text()
    assert text.count("as above") == 0
    assert len(re.findall(r"<tr", text)) == len(PROFILES) + 2


def test_every_verb_is_shown(built: Built) -> None:
    """The page of the command has each verb."""
    text = (built.html / "reference" / "command.html").read_text()
    assert all(f'<p class="rubric">{verb.name}</p>' in text for verb in VERBS)


def test_journal_is_described() -> None:
    """The page about state names each field of a journal's entry."""
    text = (DOCS / "reference" / "state.rst").read_text()
    assert [field.name for field in fields(Entry) if f"``{field.name}``" not in text] == []


def test_every_module_is_in_the_house(built: Built) -> None:
    """The architecture page has each module, and every module-like word on it exists."""
    text = (built.html / "architecture.html").read_text()
    modules = {".".join(file.relative_to(PACKAGE).with_suffix("").parts) for file in PACKAGE.rglob("*.py")}
    shown = set(re.findall(r'<span class="pre">([\w.]+)</span>', text))
    assert modules - shown == set()
    source = (DOCS / "architecture.rst").read_text()
    words = set(re.findall(r"(?<![\w.`])((?:lookup|providers|authority|command)\.\w+)", source))
    assert words - modules == {"providers.exchange", "providers.publish", "providers.withdraw"} & (words - modules)


def allowed() -> dict[str, set[str]]:
    """The list of the architecture page: a module or package, and what it may import."""
    block = (DOCS / "architecture.rst").read_text().split(":class: imports\n\n")[1].split("\n\n")[0]
    rows = [line.split() for line in block.splitlines()]
    return {name: set(others) - {"nothing"} for name, *others in rows}


def test_imports_are_as_drawn() -> None:
    """Each module imports of ours only what the list on the architecture page allows, and the list has each."""
    rules = allowed()
    tops = {file.stem for file in PACKAGE.iterdir() if file.suffix == ".py" or (file / "__init__.py").exists()}
    assert tops - {"__init__"} == set(rules)
    wrong = []
    for file in sorted(PACKAGE.rglob("*.py")):
        top = file.relative_to(PACKAGE).with_suffix("").parts[0]
        for other in imports(file):
            granted = rules.get(top, set())
            near = other.partition(".")[0]
            if near not in {top, *granted} and other not in granted and "anything" not in granted and other:
                wrong.append(f"{file.relative_to(PACKAGE)} imports {other}")
    assert not wrong


def imports(file: Path) -> set[str]:
    """What of ours a module imports, wherever in it; '' for the package itself."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "certbot_dns_delegate":
            module = (node.module or "").partition(".")[2]
            for alias in node.names:
                inner = ".".join(filter(None, (module, alias.name)))
                path = PACKAGE / inner.replace(".", "/")
                found.add(inner if path.with_suffix(".py").exists() or path.is_dir() else module)
    return found
