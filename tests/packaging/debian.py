"""The distribution's own packages, unpacked: its Certbot, with the wheel beside it as pip would put it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.lab import programs
from tests.packaging import tools

SYSTEM_PYTHON = Path("/usr/bin/python3")


def prepare(place: Path, wheel: Path) -> None:
    """An environment at PLACE over Debian's Certbot; nothing where there is no apt."""
    if shutil.which("apt-get") is None:
        return
    unpacked = place.with_name(f"{place.name}-packages")
    if not unpacked.exists():
        unpack(unpacked, "certbot")
    shutil.rmtree(place, ignore_errors=True)
    # What the system has already was not downloaded. Debian's python3 may lack ensurepip: another pip installs for it.
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--system-site-packages", "--without-pip", str(place)], check=True)
    site_packages = next(place.glob("lib/python3.*/site-packages"))
    (site_packages / "debian.pth").write_text(f"{unpacked / 'usr/lib/python3/dist-packages'}\n")
    # What Debian's Certbot does not depend on; its dnspython is too old.
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin/python"), "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, str(wheel), "dnspython>=2.6.1", "zope-interface>=5.5"], check=True)
    script = place / "bin/certbot"
    script.write_text(f"#!{place / 'bin/python'}\nimport sys\nfrom certbot.main import main\nsys.exit(main())\n")
    script.chmod(0o755)


def unpack(directory: Path, *packages: str) -> None:
    """Download PACKAGES and what they need and the system lacks, and unpack it at DIRECTORY."""
    names = ", ".join(packages)
    state = directory.with_name(f"{directory.name}-apt")
    for folder in ("state/lists/partial", "cache/archives/partial", "etc"):
        tools.ready(state / folder)
    variables = {**os.environ, "APT_CONFIG": str(programs.configure_apt(state)), "LC_ALL": "C"}
    programs.run(["apt-get", "-qq", "update"], variables, names)
    install = ["apt-get", "-qq", "-y", "--no-install-recommends", "--download-only", "install", *packages]
    programs.run(install, variables, names)
    part = directory.with_name(f"{directory.name}.part")
    for archive in sorted((state / "cache/archives").glob("*.deb")):
        programs.run(["dpkg-deb", "-x", str(archive), str(part)], variables, names)
    part.rename(directory)
    shutil.rmtree(state)
