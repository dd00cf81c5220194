"""``python -m tests.packaging.built``: everything that the checks look at, made while the network can still be had.

The lab, in which they run, has no way out.
"""

import os
import shutil
import subprocess
import sys
import tarfile

from tests.e2e.lab import programs
from tests.packaging import dist, pythons, snap

HOME = programs.HOME / "packages"
FIRST, SECOND = HOME / "first", HOME / "second"  # two builds of the same commit
FROM_SDIST = HOME / "from-sdist"  # and one of the first one's sdist
TESTS_ALONE = HOME / "tests-alone"  # that sdist without the package, so that its tests meet the installed wheel
SNAP = HOME / "snap"
WHEEL_ALONE = HOME / "wheel-alone"  # an environment in which pip was given the wheel and nothing else
WHEEL_TESTED = HOME / "wheel-tested"  # one with what the tests need besides
CERTBOT_ALONE = HOME / "certbot-alone"  # the newest Certbot under core24's Python: what Certbot's snap holds


def of(directory: dist.Path) -> dist.Dist:
    """The files of one build."""
    return dist.Dist(next(directory.glob("*.tar.gz")), next(directory.glob("*.whl")))


def main() -> None:
    """Make everything anew."""
    os.umask(0o022)  # everybody may read what is in a snap
    shutil.rmtree(HOME, ignore_errors=True)
    epoch = dist.source_date_epoch(dist.CHECKOUT)
    for directory in (FIRST, SECOND):
        dist.build(directory)
    wheel = of(FIRST).wheel
    with tarfile.open(of(FIRST).sdist) as archive:
        archive.extractall(HOME, filter="data")
    (HOME / of(FIRST).sdist.name.removesuffix(".tar.gz")).rename(TESTS_ALONE)
    dist.build(FROM_SDIST, TESTS_ALONE)
    shutil.rmtree(TESTS_ALONE / "certbot_dns_delegate")
    (TESTS_ALONE / programs.HOME.name).symlink_to(programs.HOME)
    SNAP.mkdir()
    snap.pack(SNAP, wheel, snap.architecture(), epoch)
    pythons.environment(WHEEL_ALONE, dist.Path(sys.executable), str(wheel))
    pythons.environment(WHEEL_TESTED, dist.Path(sys.executable), f"{wheel}[dev]")
    pythons.environment(CERTBOT_ALONE, pythons.find("3.12"), "certbot")


if __name__ == "__main__":
    try:
        main()
    except (pythons.NoPythonError, programs.ProgramsMissingError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
