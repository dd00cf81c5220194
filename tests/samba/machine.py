"""``python -m tests.samba.machine``: Samba in a Debian 13 of its own in the checkout, with a new domain; as root.

The domain is made outside the lab: its files have attributes that a user namespace may not set.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.debian import machine
from tests.e2e.lab import programs

ROOT = machine.HOME / "samba"
PACKAGES = ("samba-ad-dc", "samba-ad-provision", "winbind")
ADDRESS = "127.0.53.92"
REALM, HOST = "AD.TEST", "dc1.ad.test"
PASSWORD = "Administrator of the lab alone 1"
HOME = Path("/srv/ad")
"""Where the domain is, in the system."""
CONFIGURATION = f"--configfile={HOME}/etc/smb.conf"


def command(*words: str) -> Sequence[str]:
    """A command line that runs WORDS in the system."""
    return machine.command(*words, root=ROOT)


def run(*words: str) -> str:
    """Run WORDS in the system, and return what they print."""
    return machine.run(*words, root=ROOT)


def main() -> None:
    """Install Samba, once, and make a domain, anew."""
    if os.geteuid() != 0:
        raise programs.ProgramsMissingError("a system of its own takes root\nhint: sudo make samba")
    os.umask(0o022)
    if not machine.BASE.exists():
        machine.debootstrap()
    if not (ROOT / "usr/sbin/samba").exists():
        shutil.rmtree(ROOT, ignore_errors=True)
        subprocess.run(["cp", "--archive", "--reflink=auto", str(machine.BASE), str(ROOT)], check=True)
        shutil.copy("/etc/resolv.conf", ROOT / "etc/resolv.conf")
        run("apt-get", "-qq", "update")
        run("apt-get", "-qq", "-y", "--no-install-recommends", "install", *PACKAGES)
    shutil.rmtree(ROOT / HOME.relative_to("/"), ignore_errors=True)
    (ROOT / "etc/samba/smb.conf").unlink(missing_ok=True)  # the package's own would be in the way
    options = [f"interfaces={ADDRESS}/8", "bind interfaces only=yes"]  # without the length loopback is passed over
    run(
        *("samba-tool", "domain", "provision", f"--targetdir={HOME}", f"--realm={REALM}", "--domain=AD"),
        *("--server-role=dc", "--dns-backend=SAMBA_INTERNAL", f"--adminpass={PASSWORD}"),
        *(f"--host-name={HOST.partition('.')[0]}", f"--host-ip={ADDRESS}", *(f"--option={each}" for each in options)),
    )
    print(run("samba", "--version").strip())


if __name__ == "__main__":
    try:
        main()
    except (programs.ProgramsMissingError, subprocess.SubprocessError, AssertionError) as error:
        sys.exit(str(error))
