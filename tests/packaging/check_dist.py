"""The sdist and the wheel as a distribution or pip gets them."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.e2e.lab import Lab
from tests.packaging import built, dist, smoke

FILES = built.of(built.FIRST)


@pytest.mark.parametrize("directory", [built.SECOND, built.FROM_SDIST])
def test_reproducible(directory: Path) -> None:
    """A second build of the same commit has the same bytes, and so has one from the unpacked sdist, without git."""
    assert [digest(file) for file in built.of(directory)] == [digest(file) for file in FILES]


def digest(file: Path) -> tuple[str, str]:
    """A file's name and SHA-256."""
    return file.name, hashlib.sha256(file.read_bytes()).hexdigest()


def test_twine() -> None:
    """The package index would take both, and show the README."""
    command = [sys.executable, "-m", "twine", "--no-color", "check", "--strict", *map(str, FILES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("PASSED")) == (0, 2), done.stdout + done.stderr


def test_sdist_is_whole() -> None:
    """The sdist holds every file that git tracks: tests and documentation for distributions, and every packaging."""
    listing = subprocess.run(["git", "ls-files"], cwd=dist.CHECKOUT, capture_output=True, text=True, check=True)
    tracked = {name for name in listing.stdout.splitlines() if (dist.CHECKOUT / name).is_file()}
    with tarfile.open(FILES.sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked - held == {".gitignore"}


def test_wheel_is_the_package_alone() -> None:
    """The wheel holds the package with its type marker, its licence, and nothing of the tests."""
    with zipfile.ZipFile(FILES.wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"certbot_dns_delegate"}
    assert "certbot_dns_delegate/py.typed" in names
    assert any(name.endswith("/LICENSE") for name in names)


def test_tests_meet_the_wheel() -> None:
    """Where the end-to-end tests run against the wheel there is no other copy of the package."""
    code = "import certbot_dns_delegate as c, tests.e2e; print(c.__file__, tests.e2e.__file__)"
    where = [built.WHEEL_TESTED / "bin/python", "-c", code]
    found = subprocess.run(where, cwd=built.TESTS_ALONE, capture_output=True, text=True, check=True).stdout.split()
    assert found[0].startswith(str(built.WHEEL_TESTED))
    assert found[1].startswith(str(built.TESTS_ALONE))


def test_installed_wheel(lab: Lab) -> None:
    """The installed wheel issues, renews and cleans up, and every module comes from there."""
    where = [built.WHEEL_ALONE / "bin/python", "-I", "-c", "import certbot_dns_delegate as c; print(c.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(built.WHEEL_ALONE))
    smoke.of(lab, built.WHEEL_ALONE, "wheel").run()
    assert len(list((lab.directory / "wheel/config/live").glob("*/fullchain.pem"))) == 1
