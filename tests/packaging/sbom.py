"""``python -m tests.packaging.sbom SITE_PACKAGES FILE``: what is in there, as a CycloneDX bill of materials (ECMA-424).

The same packages give the same bytes: serial number and time come from what is listed.
"""

import sys
import tempfile
import uuid
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging import dist, pythons, snap

NAME = "certbot-dns-delegate"
SPACE = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
"""RFC 9562 section 6.6: the name space of DNS names."""


def made(site_packages: Path) -> str:
    """The bill of what is in a directory of packages: our own as its subject, the others as components."""
    found = {canonicalize_name(each.name): each for each in distributions(path=[str(site_packages)])}
    components = {name: component(each) for name, each in sorted(found.items())}
    bom = Bom(components=[each for name, each in components.items() if name != NAME])
    bom.metadata.component = components[NAME]
    bom.metadata.timestamp = datetime.fromtimestamp(dist.source_date_epoch(dist.CHECKOUT), UTC)
    bom.serial_number = uuid.uuid5(SPACE, " ".join(f"{name}=={each.version}" for name, each in components.items()))
    for name, each in found.items():
        needed = {canonicalize_name(Requirement(text).name) for text in each.requires or () if is_needed(text)}
        children = [Dependency(components[other].bom_ref) for other in sorted(needed & components.keys())]
        bom.dependencies.add(Dependency(components[name].bom_ref, children))
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def is_needed(text: str) -> bool:
    """Whether a requirement holds without extras."""
    marker = Requirement(text).marker
    return marker is None or marker.evaluate({"extra": ""})


def component(each: Distribution) -> Component:
    """One package, as the package index names it."""
    name = canonicalize_name(each.name)
    licence = each.metadata.get("License-Expression") or each.metadata.get("License") or ""
    return Component(
        name=name,
        version=each.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{name}=={each.version}",
        purl=PackageURL("pypi", name=name, version=each.version),
        properties=[Property(name="licence", value=licence.splitlines()[0][:200])] if licence.strip() else [],
    )


def of_dist(directory: Path) -> None:
    """Write the bill of each wheel in a directory beside it, as it installs here, and of what the snap would hold."""
    wheel = next(directory.glob("*.whl"), None) or dist.build(directory).wheel
    with tempfile.TemporaryDirectory(prefix="sbom-") as name:
        environment = Path(name, "wheel")
        pythons.environment(environment, Path(sys.executable), str(wheel))
        (packages,) = (environment / "lib").glob("python3*/site-packages")
        wheel.with_suffix(".whl.cdx.json").write_text(made(packages))
        prime = Path(name, "prime")
        snap.lay_out(prime, wheel, snap.architecture())
        (directory / f"{NAME}.snap.cdx.json").write_text(made(prime / snap.SITE_PACKAGES))


def main() -> None:
    """Write the bill of a directory to a file; or, with ``--dist DIRECTORY``, those of a release."""
    if sys.argv[1] == "--dist":
        of_dist(Path(sys.argv[2]))
    else:
        Path(sys.argv[2]).write_text(made(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
