"""The packed snap as snapd and Certbot's snap see it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import certbot_dns_delegate
from tests.e2e.lab import Lab, namespace
from tests.packaging import built, pythons, smoke, snap, snapd
from tests.packaging.hook import Refresh


def test_metadata_agree(unpacked: Path) -> None:
    """snap.yaml says what snapcraft.yaml says, field by field, for the version and architecture built."""
    packed = yaml.safe_load((unpacked / "meta/snap.yaml").read_text())
    said = snap.recipe()
    built = {"version": certbot_dns_delegate.__version__, "type": "app", "architectures": [snap.architecture()]}
    assert packed == {**{field: said[field] for field in snap.SHARED}, **built}
    # What snapcraft.yaml says besides is how it is built.
    assert said.keys() - packed.keys() == {"adopt-info", "platforms", "parts"}


def test_content(unpacked: Path) -> None:
    """It holds what the recipe names, the shared directory and the hook, and nothing that Certbot's snap brings."""
    packages = {path.name for path in (unpacked / snap.SITE_PACKAGES).iterdir() if path.suffix != ".dist-info"}
    assert packages == {"certbot_dns_delegate", "dns", "packaging", "zope"}
    assert {path.name for path in unpacked.iterdir()} == {"lib", "meta", "certbot-shared"}
    hook = unpacked / "meta/hooks/post-refresh"
    assert hook.read_text() == (snap.SNAP / "hooks/post-refresh").read_text()
    assert hook.stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize(("version", "code"), [(None, 0), ("5.8.0", 0), ("2.0.0", 1)])
def test_hook(unpacked: Path, tmp_path: Path, version: str | None, code: int) -> None:
    """The hook runs on core24's Python with what the snap holds, and has its three outcomes."""
    refresh = Refresh(unpacked, tmp_path, unpacked / "meta/hooks/post-refresh", pythons.find("3.12"))
    assert refresh.run(version).returncode == code
    (unpacked / "certbot-shared/certbot-version.txt").unlink(missing_ok=True)


def test_plugin_path(lab: Lab, unpacked: Path) -> None:
    """A Certbot that has nothing of ours finds every authenticator through CERTBOT_PLUGIN_PATH."""
    path = {"CERTBOT_PLUGIN_PATH": str(unpacked / snap.SITE_PACKAGES)}
    found = smoke.Smoke(lab, "path", [str(built.CERTBOT_ALONE / "bin/certbot")], [], path)
    found.list()
    with pytest.raises(smoke.SmokeError, match="not listed"):
        smoke.of(lab, built.CERTBOT_ALONE, "path").list()


@pytest.fixture
def machine(tmp_path: Path, unpacked: Path) -> Iterator[snapd.Machine]:
    """A machine with both snaps connected."""
    if os.environ[namespace.VARIABLE] != "namespace":
        pytest.skip("a root of its own needs mounts, which this system refuses")
    with snapd.machine(tmp_path, built.CERTBOT_ALONE, unpacked) as machine:
        yield machine


def test_connected(lab: Lab, machine: snapd.Machine) -> None:
    """Certbot's snap asks snapd for its connections, finds the plugin, issues, renews, and our command runs."""
    smoke.Smoke(lab, "snap", machine.certbot(), machine.delegate()).run()
    assert set(machine.asked) == {"/v2/connections?snap=certbot&interface=content"}


def test_command_needs_the_line(lab: Lab, machine: snapd.Machine) -> None:
    """Without the README's PYTHONPATH there is no such module: the line is not longer than it must be."""
    bare = machine.command("/snap/certbot/current/bin/python3", "-s", "-m", "certbot_dns_delegate", "sweep")
    done = subprocess.run(bare, capture_output=True, text=True, check=False)
    assert "No module named certbot_dns_delegate" in done.stderr
