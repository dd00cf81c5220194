"""The snap tools: the machine's own, or Debian's unpacked into the checkout without root."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from tests.e2e.lab import programs

HOME = programs.HOME / "snap"
# Program -> the Debian package that brings it; squashfs-tools wants a library that a small system lacks.
PACKAGES = {"snap": "snapd", "mksquashfs": "squashfs-tools", "unsquashfs": "squashfs-tools"}
LIBRARY = "liblzo2-2"


def environment() -> dict[str, str]:
    """The environment in which ``snap``, ``mksquashfs`` and ``unsquashfs`` are found; fetches them once."""
    if all(map(shutil.which, PACKAGES)):
        return dict(os.environ)
    with programs.locked(ready(HOME) / "lock"):
        if not (HOME / "root").exists():
            fetch()
    root = HOME / "root"
    libraries = [str(folder) for folder in root.glob(f"**/lib/{platform.machine()}-linux-*")]
    path = os.pathsep.join((str(root / "usr/bin"), os.environ.get("PATH", os.defpath)))
    return {**os.environ, "PATH": path, "LD_LIBRARY_PATH": os.pathsep.join(libraries)}


def fetch() -> None:
    """Download and unpack Debian's packages; snapd's daemon is not needed to pack."""
    state = HOME / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial", "etc"):
        ready(state / folder)
    variables = {**os.environ, "APT_CONFIG": str(programs.configure_apt(state)), "LC_ALL": "C"}
    names = ", ".join(PACKAGES)
    programs.run(["apt-get", "-qq", "update"], variables, names)
    unpacking = ready(HOME / "root.part")
    for package in sorted({*PACKAGES.values(), LIBRARY}):
        subprocess.run(["apt-get", "-qq", "download", package], cwd=state, env=variables, check=True)
    for archive in sorted(state.glob("*.deb")):
        programs.run(["dpkg-deb", "-x", str(archive), str(unpacking)], variables, names)
    shutil.rmtree(state)
    unpacking.rename(HOME / "root")


def ready(directory: Path) -> Path:
    """DIRECTORY, made where it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    return directory
