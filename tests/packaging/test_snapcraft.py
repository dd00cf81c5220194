"""What snapcraft.yaml promises is what Certbot's snap looks for."""

import configparser
import os

from packaging.requirements import Requirement

from tests.packaging import dist, pins, snap

BROUGHT_BY_CERTBOT = {"acme", "certbot", "requests"}  # certbot's snap has them, and its own copies come first


def test_slot_is_where_certbot_looks() -> None:
    """Certbot takes content `certbot-1` whose first `read` names its own Python's packages."""
    slot = snap.recipe()["slots"]["certbot"]
    assert slot == {"interface": "content", "content": "certbot-1", "read": [f"$SNAP/{snap.SITE_PACKAGES}"]}


def test_plug_is_where_the_hook_looks() -> None:
    """Certbot's version is mounted where the hook reads it, and the directory for that is in the snap."""
    said = snap.recipe()
    target = said["plugs"]["certbot-metadata"]["target"]
    assert said["plugs"]["certbot-metadata"]["content"] == "metadata-1"
    assert f"{target}/certbot-version.txt" in (snap.SNAP / "hooks/post-refresh").read_text()
    assert target.removeprefix("$SNAP/") in said["parts"]["certbot-metadata"]["override-build"]


def test_packages_are_what_certbot_does_not_bring() -> None:
    """The snap pins our requirements, within their bounds, less what Certbot's snap brings; and the hook's."""
    setup = configparser.ConfigParser()
    setup.read(dist.CHECKOUT / "setup.cfg")
    ours = [Requirement(line) for line in setup["options"]["install_requires"].split("\n") if line.strip("# ")]
    wanted = {each.name: each for each in ours if each.name not in BROUGHT_BY_CERTBOT}
    assert snap.recipe()["parts"][snap.recipe()["name"]]["python-requirements"] == ["snap/requirements.txt"]
    pinned = pins.read(dist.CHECKOUT / "snap/requirements.txt")
    assert pinned.keys() == {*wanted, "packaging"}
    assert all(wanted[name].specifier.contains(version) for name, version in pinned.items() if name in wanted)


def test_platforms_are_those_that_can_be_packed() -> None:
    """Every platform of snapcraft.yaml can be packed without snapcraft, too."""
    assert set(snap.recipe()["platforms"]) == set(snap.MACHINES)


def test_hooks_are_executable() -> None:
    """snapd runs a hook only when it is executable."""
    hooks = list((snap.SNAP / "hooks").iterdir())
    assert hooks
    assert all(os.access(hook, os.X_OK) for hook in hooks)
