"""The container's files say what this package and Certbot's image need. (An engine builds it elsewhere.)"""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import dns.name
import yaml

from certbot_dns_delegate.settings import reader
from tests.packaging import dist, pins

CONTAINER = dist.CHECKOUT / "container"


def compose() -> dict[str, Any]:
    """The compose file."""
    return dict(yaml.safe_load((CONTAINER / "compose.yaml").read_text()))


def test_mounted_files_are_there() -> None:
    """Every file that a service mounts or builds from is in the checkout, and every volume is declared."""
    said = compose()
    for service in said["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (CONTAINER / source).is_file() if source.startswith(".") else source in said["volumes"]
    build = said["services"]["certbot"]["build"]
    assert (CONTAINER / build["context"] / build["dockerfile"]).is_file()


def test_state_outlives_a_run() -> None:
    """Certbot's configuration and our journal lie on volumes."""
    kept = {volume.split(":")[1] for volume in compose()["services"]["certbot"]["volumes"]}
    assert kept >= {"/etc/letsencrypt", "/var/lib/letsencrypt"}


def test_context_has_what_the_wheel_needs() -> None:
    """The build context lets in the package and every file that its metadata name, and nothing else."""
    ignore = (CONTAINER / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    pinned = {"container/requirements.txt", "container/build-requirements.txt"}
    assert let_in == {"certbot_dns_delegate", "LICENSE", "README.md", "pyproject.toml", "setup.cfg", *pinned}
    assert all((dist.CHECKOUT / name).exists() for name in let_in)


def test_same_image_in_every_stage() -> None:
    """The wheels are made by the Python that runs them; a release gives the one image, by its digest."""
    lines = (CONTAINER / "Dockerfile").read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("FROM ")] == ["${BASE}", "${BASE}"]
    (default,) = [line for line in lines if line.startswith("ARG BASE=")]
    assert default.startswith("ARG BASE=certbot/certbot:v")


def test_what_is_added_is_pinned() -> None:
    """What Certbot's image does not bring is there by version and hash, and so is what builds it."""
    added = pins.read(CONTAINER / "requirements.txt")
    assert added.keys() == {"dnspython", "zope-interface"}
    assert pins.read(CONTAINER / "build-requirements.txt").keys() == {"setuptools", "wheel"}
    text = (CONTAINER / "Dockerfile").read_text()
    assert text.count("--require-hashes -r /src/container/") == 2
    assert "--no-index" in text


def test_credentials(tmp_path: Path) -> None:
    """The credentials file is accepted, and routes acme-dns's domain to the API of the service beside it."""
    ini = Path(shutil.copy(CONTAINER / "delegate.ini", tmp_path))
    ini.chmod(0o600)
    warnings: list[str] = []
    (delegate,) = reader.load(ini, "dns-delegate", warnings.append).delegates
    acme_dns = tomllib.loads((CONTAINER / "acme-dns.cfg").read_text())
    assert warnings == []
    assert delegate.suffix == dns.name.from_text(acme_dns["general"]["domain"])
    assert delegate.options["url"] == "http://acme-dns"
    assert "acme-dns" in compose()["services"]
    assert acme_dns["api"]["port"] == "80"


def test_acme_dns_listens_where_it_is_published() -> None:
    """acme-dns answers on the published port, keeps its database on the volume, and its API is published nowhere."""
    acme_dns = tomllib.loads((CONTAINER / "acme-dns.cfg").read_text())
    service = compose()["services"]["acme-dns"]
    assert acme_dns["general"]["listen"] == "0.0.0.0:53"
    assert service["ports"] == ["53:53/tcp", "53:53/udp"]
    folder = service["volumes"][1].split(":")[1]
    assert acme_dns["database"]["connection"].startswith(folder + "/")
