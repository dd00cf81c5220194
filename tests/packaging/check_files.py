"""Files for other programs, by those programs' own linters and schemas."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging import dist

BIN = Path(sys.executable).parent
MAINTAINERS = {".postinst", ".postrm", ".prerm"}
"""The Debian package's scripts."""
SCHEMAS = {
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/workflows/ci.yml": "vendor.github-workflows",
    ".github/workflows/release.yml": "vendor.github-workflows",
    ".github/ISSUE_TEMPLATE/bug.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    ".github/ISSUE_TEMPLATE/provider.yml": "vendor.github-issue-forms",
    "container/compose.yaml": "vendor.compose-spec",
    "snap/snapcraft.yaml": "vendor.snapcraft",
}


def lint(*command: str) -> None:
    """Run a linter of this environment in the checkout; what it finds is the failure."""
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=dist.CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", SCHEMAS)
def test_schema(file: str) -> None:
    """The file has the form that its reader publishes."""
    lint("check-jsonschema", "--builtin-schema", SCHEMAS[file], file)


def test_dockerfile() -> None:
    """hadolint has nothing to say."""
    lint("hadolint", "container/Dockerfile")


def test_shell() -> None:
    """shellcheck has nothing to say about the scripts."""
    scripts = [str(path) for path in sorted((dist.CHECKOUT / "debian").glob("*.p*")) if path.suffix in MAINTAINERS]
    assert len(scripts) == len(MAINTAINERS)
    lint("shellcheck", "snap/hooks/post-refresh", ".ci/run", *scripts)


def test_changelog() -> None:
    """The fragments make a changelog."""
    lint("towncrier", "build", "--draft", "--version", "1.0")
