"""What contributors are told is so."""

import re
import subprocess
from pathlib import PurePath

import pytest

from tests.packaging import dist

FRAGMENT = re.compile(r"[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md")
FRAGMENTS = sorted(
    file.name for file in (dist.CHECKOUT / "changes").iterdir() if file.name not in {"README.md", "template.md"}
)


def test_every_target_is_told() -> None:
    """CONTRIBUTING names every target of the Makefile, and no other."""
    targets = set(re.search(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE).group(1).split())  # type: ignore[union-attr]  # no match fails the test too
    assert set(re.findall(r"^\| `make (\w+)", text("CONTRIBUTING.md"), re.MULTILINE)) == targets
    defined = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    assert defined <= targets


def test_sdist_knows_every_file() -> None:
    """MANIFEST.in names whatever git tracks beside the package, and setuptools takes the rest by itself."""
    listing = subprocess.run(["git", "ls-files"], cwd=dist.CHECKOUT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("this is the sdist itself, without git")
    tops = {PurePath(name).parts[0] for name in listing.stdout.splitlines()}
    named = {word for line in text("MANIFEST.in").splitlines() if line[:1] not in "#" for word in line.split()[1:]}
    assert tops - named == {".gitignore", "MANIFEST.in", "certbot_dns_delegate", "pyproject.toml", "setup.cfg"}


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "changes/README.md"])
def test_links(document: str) -> None:
    """Every file that is linked to is there."""
    links = re.findall(r"\]\(([^)#]+)\)", text(document))
    folder = (dist.CHECKOUT / document).parent
    assert [link for link in links if "://" not in link and not (folder / link).exists()] == []


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragment(name: str) -> None:
    """A fragment has a kind in its name, and is one line that ends as a sentence does."""
    assert FRAGMENT.fullmatch(name)
    (line,) = text(f"changes/{name}").splitlines()
    assert line.endswith(".")


def test_actions_are_pinned() -> None:
    """The workflow names each action by commit, with its release beside it, and leaves no token in the checkout."""
    used = re.findall(r"uses: (.*)", text(".github/workflows/ci.yml"))
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)] == []
    checkouts = sum(action.startswith("actions/checkout@") for action in used)
    assert text(".github/workflows/ci.yml").count("persist-credentials: false") == checkouts


def text(name: str) -> str:
    """A file of the checkout."""
    return (dist.CHECKOUT / name).read_text()
