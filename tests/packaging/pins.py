"""``python -m tests.packaging.pins``: pin what image and snap add to Certbot's, by version and hash.

The newest release that fits is taken; its files for each platform of the image (Alpine) and of the snap (core24) are
downloaded and hashed. The result is committed, and a build that meets another file fails.
"""

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.packaging import dist

PYTHON = "3.12"  # of Certbot's image and of core24
TAGS = ("manylinux2014", "manylinux_2_28", "manylinux_2_34")
"""The wheels that run on core24's glibc 2.39."""
BUILD = ["setuptools>=66", "wheel"]
ADDED = ["dnspython>=2.6.1", "zope-interface>=5.5"]
ANY = ["--no-binary=zope-interface"]
"""Alpine has no wheel of zope.interface: it is built from source, without its optional C."""
EACH = [[*(f"--platform={tag}_{machine}" for tag in TAGS), "--only-binary=:all:"] for machine in ("x86_64", "aarch64")]
FILES: dict[str, tuple[list[str], list[list[str]]]] = {
    "container/requirements.txt": (ADDED, [ANY]),
    "container/build-requirements.txt": (BUILD, [["--only-binary=:all:"]]),
    "snap/requirements.txt": ([*ADDED, "packaging"], EACH),
}
"""File -> what it pins, and how pip finds the file for each platform."""


def pins(requirements: Iterable[str], ways: Iterable[Sequence[str]]) -> str:
    """Lines for ``pip install --require-hashes -r``."""
    hashes: dict[str, set[str]] = {}
    for way in ways:
        with tempfile.TemporaryDirectory(prefix="pins-") as directory:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, *way]
            python = [f"--python-version={PYTHON}"] if "--only-binary=:all:" in way else []
            subprocess.run([*command, *python, *requirements], check=True)
            for file in Path(directory).iterdir():
                name, version = file.name.removesuffix(".tar.gz").split("-")[:2]
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                hashes.setdefault(f"{name.replace('_', '-').replace('.', '-').lower()}=={version}", set()).add(digest)
    lines = []
    for pinned in sorted(hashes):
        lines += [pinned, *(f"    --hash=sha256:{digest}" for digest in sorted(hashes[pinned]))]
    continued = [*(line.startswith(" ") for line in lines[1:]), False]
    return "\n".join(f"{line} \\" if is_more else line for line, is_more in zip(lines, continued, strict=True))


def read(file: Path) -> dict[str, str]:
    """Name -> version, of what a file pins.

    Every pin has a hash: pip refuses the file otherwise.
    """
    lines = file.read_text().replace("\\\n", "").splitlines()
    pinned = [line.split() for line in lines if line and not line.startswith("#")]
    assert all(words[1:] and all(word.startswith("--hash=sha256:") for word in words[1:]) for words in pinned)
    return dict(words[0].split("==") for words in pinned)


def main() -> None:
    """Write the files anew."""
    for name, (requirements, ways) in FILES.items():
        text = f"# Made by `make pins`.\n{pins(requirements, ways)}\n"
        (dist.CHECKOUT / name).write_text(text)
        print(name)


if __name__ == "__main__":
    main()
