"""``python -m tests.packaging.deb DIRECTORY``: the Debian package, by debhelper, without the network."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.packaging import dist

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""The distribution's own programs: what is packaged for its Python is built by it."""
TOOLS = "debhelper dh-python dpkg-dev pybuild-plugin-pyproject python3-all python3-certbot python3-dnspython"


class DebError(Exception):
    """The package could not be built; the text is why."""


def build(directory: Path, edit: Callable[[Path], object] = lambda tree: None) -> Path:
    """Build the package into DIRECTORY from a clean copy of the checkout.

    :param edit: changes the copy first.
    :raises DebError: something is missing, or the build has failed.
    """
    if shutil.which("dpkg-buildpackage", path=PATH) is None:
        raise DebError(f"dpkg-buildpackage is not on this machine\nhint: apt-get install {TOOLS}")
    with tempfile.TemporaryDirectory(prefix="deb-") as name:
        tree = Path(name, "tree")
        dist.copy_sources(dist.CHECKOUT, tree)
        edit(tree)
        environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": name}
        done = subprocess.run(
            ["dpkg-buildpackage", "--build=binary", "--no-sign"],
            cwd=tree,
            env=environment,
            umask=0o022,  # modes go into the package
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            hint = f"\nhint: apt-get install {TOOLS}" if "Unmet build dependencies" in done.stdout else ""
            raise DebError(done.stdout + hint)
        (built,) = Path(name).glob("*.deb")
        directory.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(built, directory))


if __name__ == "__main__":
    try:
        print(build(Path(sys.argv[1])))
    except DebError as error:
        sys.exit(str(error))
