"""``python -m tests.debian.machine``: a Debian 13 in the checkout, with our package installed by apt; as root.

It is made while the network can still be had; the lab, in which the package is used, has no way out.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.lab import programs
from tests.packaging import deb, debian, tools

SUITE = "trixie"
HOME = programs.HOME / "debian-13"
BASE, ROOT = HOME / "base", HOME / "root"
"""The system as it was unpacked, kept; and the copy in which the package is."""
FIRST, SECOND = HOME / "first", HOME / "second"
"""The package, and a later one, with another file of settings."""
BESIDE = ("bash-completion", "ca-certificates", "fish", "man-db", "systemd", "zsh")
"""What shows that the package fits into the system; it depends on none of them."""
PATIENCE_S = 1200
"""Seconds for a system to be unpacked: ten times what it took with a mirror at hand."""
# The system's own mounts, and the lab's directory under the name that it has outside; they go with the process.
ENTER = r"""
set -eu
for entry in /dev /proc $SHARED; do mkdir -p "$ROOT$entry"; mount --rbind "$entry" "$ROOT$entry"; done
exec chroot "$ROOT" "$@"
"""


def command(*words: str, shared: Path | None = None, root: Path = ROOT) -> list[str]:
    """A command line that runs WORDS in the system, or another one.

    :param shared: a directory that is there, too, under the same name.
    """
    variables = [f"ROOT={root}", f"SHARED={shared or ''}"]
    own = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
    return ["env", *variables, *own, "unshare", "--mount", "sh", "-c", ENTER, "sh", *words]


def run(*words: str, environment: Mapping[str, str] | None = None, **given: str | Path) -> str:
    """Run WORDS in the system, and return what they print; an AssertionError has it when they fail."""
    done = subprocess.run(
        command(*words, **given),  # type: ignore[arg-type]  # ROOT is given here
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def debootstrap() -> None:
    """Unpack the system once, with the machine's debootstrap, else Debian's own."""
    program, variables = shutil.which("debootstrap"), dict(os.environ)
    if program is None:
        if not (HOME / "tool").exists():
            debian.unpack(HOME / "tool", "debootstrap")
        program = str(HOME / "tool/usr/sbin/debootstrap")
        variables["DEBOOTSTRAP_DIR"] = str(HOME / "tool/usr/share/debootstrap")
    part = HOME / "base.part"
    shutil.rmtree(part, ignore_errors=True)
    words = [program, "--variant=minbase", f"--include={','.join(BESIDE)}", SUITE, str(part)]
    with (HOME / "debootstrap.log").open("w") as log:
        subprocess.run(words, env=variables, stdout=log, stderr=log, timeout=PATIENCE_S, check=True)
    part.rename(BASE)


def later(tree: Path) -> None:
    """Make the source that of a later package, whose file of settings has changed."""
    changelog = tree / "debian/changelog"
    first, rest = changelog.read_text().split("\n", 1)
    changelog.write_text(first.replace("-1)", "-2)") + f"\n{rest}\n{first}\n{rest}")
    with (tree / "systemd/certbot-dns-delegate.default").open("a") as file:
        file.write("# A line of the later package.\n")


def main() -> None:
    """Build both packages, and install the first one in a fresh copy of the system."""
    if os.geteuid() != 0:
        raise deb.DebError("a system of its own takes root\nhint: sudo make debian")
    os.umask(0o022)
    tools.ready(HOME)
    for directory, edit in ((FIRST, lambda tree: None), (SECOND, later)):
        shutil.rmtree(directory, ignore_errors=True)
        deb.build(directory, edit)
    if not BASE.exists():
        debootstrap()
    shutil.rmtree(ROOT, ignore_errors=True)
    subprocess.run(["cp", "--archive", "--reflink=auto", str(BASE), str(ROOT)], check=True)
    shutil.copy("/etc/resolv.conf", ROOT / "etc/resolv.conf")
    (package,) = FIRST.glob("*.deb")
    shutil.copy(package, ROOT / "root")
    run("apt-get", "-qq", "update")
    run("apt-get", "-qq", "-y", "--no-install-recommends", "install", f"/root/{package.name}")


if __name__ == "__main__":
    try:
        main()
    except (deb.DebError, programs.ProgramsMissingError, subprocess.SubprocessError, AssertionError) as error:
        sys.exit(str(error))
