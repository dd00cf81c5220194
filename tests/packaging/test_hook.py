"""The post-refresh hook, with this interpreter's packages in the snap's place."""

import sysconfig
from pathlib import Path

import pytest

from tests.packaging import snap
from tests.packaging.hook import Refresh


@pytest.fixture
def refresh(tmp_path: Path) -> Refresh:
    """A refresh of a snap that holds what the development environment holds."""
    root, data = tmp_path / "snap", tmp_path / "data"
    (root / "certbot-shared").mkdir(parents=True)
    packages = root / snap.SITE_PACKAGES
    packages.parent.mkdir(parents=True)
    packages.symlink_to(sysconfig.get_path("purelib"))
    data.mkdir()
    return Refresh(root, data, snap.SNAP / "hooks/post-refresh")


def test_not_connected(refresh: Refresh) -> None:
    """Without Certbot's version the refresh goes on, and the log says why nothing was checked."""
    done = refresh.run(None)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    log = (refresh.data / "debuglog").read_text()
    assert log == "no version of Certbot to be seen; certbot:certbot-metadata is not connected\n"


@pytest.mark.parametrize("version", ["2.1", "2.1.0", "4.0.0", "5.9.0.dev0", "10.0"])
def test_new_enough(refresh: Refresh, version: str) -> None:
    """A Certbot that this plugin works with lets the refresh through."""
    done = refresh.run(version)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("version", ["2.0.0", "1.32.2", "0.9"])
def test_too_old(refresh: Refresh, version: str) -> None:
    """An older Certbot holds the refresh back, and the message names both versions."""
    done = refresh.run(version)
    assert done.returncode == 1
    assert done.stderr == f"Certbot is {version}, and this plugin needs >=2.1\nhint: snap refresh certbot\n"


def test_no_version(refresh: Refresh) -> None:
    """What is no version is shown as it stands."""
    done = refresh.run("none of your business")
    assert done.returncode == 1
    assert done.stderr.startswith("'none of your business' in ")
