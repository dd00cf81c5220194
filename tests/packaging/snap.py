"""``python -m tests.packaging.snap DIRECTORY [ARCHITECTURE]``: the snap from the wheel, without snapcraft."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.packaging import dist, tools

SNAP = dist.CHECKOUT / "snap"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # snapd's word -> Python's, for those of snapcraft.yaml's platforms
SITE_PACKAGES = "lib/python3.12/site-packages"  # core24's Python; Certbot looks exactly there
# What snap.yaml says in the same words as snapcraft.yaml; version and architecture come with the build.
SHARED = ("name", "summary", "description", "license", "base", "confinement", "grade", "slots", "plugs")


def recipe() -> dict[str, Any]:
    """What snapcraft.yaml says."""
    return dict(yaml.safe_load((SNAP / "snapcraft.yaml").read_text()))


def architecture() -> str:
    """This machine's, in snapd's word."""
    return next(word for word, machine in MACHINES.items() if machine == platform.machine())


def pack(directory: Path, wheel: Path, arch: str, epoch: int) -> Path:
    """Lay out what snapcraft would prime, and pack it under snapcraft's name for it; returns the .snap."""
    packed = directory / f"{recipe()['name']}_{version_of(wheel)}_{arch}.snap"
    with tempfile.TemporaryDirectory(prefix="snap-") as name:
        prime = Path(name, "prime")
        lay_out(prime, wheel, arch)
        subprocess.run(
            ["snap", "pack", f"--filename={packed.name}", str(prime), str(directory)],
            env={**tools.environment(), "SOURCE_DATE_EPOCH": str(epoch)},  # mksquashfs heeds it
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return packed


def version_of(wheel: Path) -> str:
    """The version in a wheel's name."""
    return wheel.name.split("-")[1]


def lay_out(prime: Path, wheel: Path, arch: str) -> None:
    """Fill the prime directory: packages for core24's Python, the empty shared directory, metadata and hooks."""
    said = recipe()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--only-binary=:all:"]
    # An interpreter that is not here, on core24's glibc 2.39: wheels of any of these name tags run there.
    tags = [f"--platform={tag}_{MACHINES[arch]}" for tag in ("manylinux2014", "manylinux_2_28", "manylinux_2_34")]
    target = ["--python-version=3.12", "--target", str(prime / SITE_PACKAGES)]
    (pinned,) = said["parts"][said["name"]]["python-requirements"]
    subprocess.run([*pip, *tags, *target, "--require-hashes", "-r", str(dist.CHECKOUT / pinned)], check=True)
    subprocess.run([*pip, *tags, *target, str(wheel)], check=True)
    shutil.rmtree(prime / SITE_PACKAGES / "bin", ignore_errors=True)
    (prime / "certbot-shared").mkdir()
    (prime / "meta").mkdir()
    built = {"type": "app", "version": version_of(wheel), "architectures": [arch]}
    metadata = {**{key: said[key] for key in SHARED}, **built}
    (prime / "meta/snap.yaml").write_text(yaml.safe_dump(metadata, sort_keys=False))
    shutil.copytree(SNAP / "hooks", prime / "meta/hooks")


def unpack(packed: Path, directory: Path) -> Path:
    """Unsquash a snap into DIRECTORY, which must not exist."""
    command = ["unsquashfs", "-quiet", "-no-progress", "-dest", str(directory), str(packed)]
    subprocess.run(command, env=tools.environment(), stdout=subprocess.DEVNULL, check=True)
    return directory


def main() -> None:
    """Build the wheel and the snap into a directory."""
    os.umask(0o022)  # everybody may read what is in a snap
    directory = Path(sys.argv[1])
    wheel = dist.build(directory).wheel
    arch = sys.argv[2] if len(sys.argv) > 2 else architecture()
    print(pack(directory, wheel, arch, dist.source_date_epoch(dist.CHECKOUT)))


if __name__ == "__main__":
    main()
