"""``python -m tests.packaging.dist DIRECTORY``: sdist and wheel, the same bytes from the same commit."""

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]


class Dist(NamedTuple):
    """The two files of a release."""

    sdist: Path
    wheel: Path


def build(directory: Path, checkout: Path = CHECKOUT) -> Dist:
    """Build both into DIRECTORY from a clean copy of CHECKOUT, the wheel from the sdist."""
    epoch = source_date_epoch(checkout)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dist-") as name:
        tree, out = Path(name, "tree"), Path(name, "out")
        copy_sources(checkout, tree)
        done = subprocess.run(
            [sys.executable, "-m", "build", "--outdir", str(out), str(tree)],
            env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
            umask=0o022,  # modes go into both archives
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            sys.exit(done.stdout)
        sdist, wheel = next(out.glob("*.tar.gz")), next(out.glob("*.whl"))
        normalise(sdist, epoch)
        return Dist(*(Path(shutil.copy(file, directory)) for file in (sdist, wheel)))


def source_date_epoch(checkout: Path) -> int:
    """SOURCE_DATE_EPOCH, else the time of the last commit, in an sdist of its files; in seconds since 1970."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    if not (checkout / ".git").exists():
        return int((checkout / "PKG-INFO").stat().st_mtime)
    log = ["git", "-C", str(checkout), "log", "-1", "--format=%ct"]
    return int(subprocess.run(log, capture_output=True, text=True, check=True).stdout)


def copy_sources(checkout: Path, tree: Path) -> None:
    """Copy what git tracks, or would, or what an sdist lists: nothing that a build or an editor left lying about."""
    for name in sources(checkout):
        if name and (checkout / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(checkout / name, tree / name)
            (tree / name).chmod(0o755 if os.access(checkout / name, os.X_OK) else 0o644)


def sources(checkout: Path) -> list[str]:
    """The files that make a distribution, as paths in CHECKOUT."""
    if not (checkout / ".git").exists():
        return (checkout / "certbot_dns_delegate.egg-info/SOURCES.txt").read_text().splitlines()
    listing = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split("\0")


def normalise(sdist: Path, epoch: int) -> None:
    """Pack the sdist again without what differs between two builds; setuptools heeds the epoch in wheels alone."""
    raw = io.BytesIO()
    with tarfile.open(sdist) as source, tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as target:
        for member in sorted(source.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            target.addfile(member, source.extractfile(member) if member.isfile() else None)
    with sdist.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=epoch) as archive:
        archive.write(raw.getvalue())


if __name__ == "__main__":
    for built in build(Path(sys.argv[1])):
        print(built)
