"""The bills of materials of wheel and snap: valid CycloneDX, and whole."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.packaging import built, sbom, snap


def wheel_packages() -> Path:
    """Where the wheel was installed for its tests."""
    (found,) = (built.WHEEL_ALONE / "lib").glob("python3*/site-packages")
    return found


@pytest.fixture(params=["wheel", "snap"])
def packages(request: pytest.FixtureRequest, unpacked: Path) -> Path:
    """The packages of each of the two."""
    return wheel_packages() if request.param == "wheel" else unpacked / snap.SITE_PACKAGES


def test_it_is_valid_and_names_every_package(packages: Path) -> None:
    """By the schema of ECMA-424; each package once, with the address that scanners look up."""
    text = sbom.made(packages)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert bill["metadata"]["component"]["name"] == sbom.NAME
    listed = {each["name"]: each["purl"] for each in bill["components"]}
    assert {"dnspython", "zope-interface"} <= listed.keys()
    assert len(listed) + 1 == len(list(packages.glob("*.dist-info")))
    assert all(purl.startswith(f"pkg:pypi/{name}@") for name, purl in listed.items())
    (ours,) = [each for each in bill["dependencies"] if each["ref"].startswith(sbom.NAME)]
    assert any(ref.startswith("dnspython==") for ref in ours["dependsOn"])


def test_the_same_packages_make_the_same_bytes(packages: Path) -> None:
    """So that a second build can be compared."""
    assert sbom.made(packages) == sbom.made(packages)
