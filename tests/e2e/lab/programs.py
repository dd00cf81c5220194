"""Find the servers' programs on the system, or fetch Debian's packages into the checkout without root."""

import contextlib
import fcntl
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
HOME = CHECKOUT / ".lab"
DEBIAN = HOME / "debian"  # Debian's packages, unpacked

# Program -> the Debian package that brings it (Debian 12 and later).
PACKAGES = {
    "named": "bind9",
    "rndc": "bind9",
    "dnssec-keygen": "bind9-utils",
    "tsig-keygen": "bind9-utils",
    "dig": "bind9-dnsutils",
    "dnsperf": "dnsperf",
    "nsupdate": "bind9-dnsutils",
    "knotd": "knot",
    "knotc": "knot",
    "nsd": "nsd",
    "pdns_server": "pdns-server",
    "pdnsutil": "pdns-server",
    "unbound": "unbound",
    "pebble": "pebble",
    "lego": "lego",
    "nginx": "nginx",
    "ss": "iproute2",
    "zsh": "zsh",
    "fish": "fish",
    "krb5kdc": "krb5-kdc",
    "kdb5_util": "krb5-kdc",
    "kadmin.local": "krb5-admin-server",
}
PDNS_MODULE = "libgsqlite3backend.so"
FAKETIME = "libfaketime.so.1"
# Library -> the Debian package that brings it, and where: neither is on a library path.
LIBRARIES = {PDNS_MODULE: ("pdns-backend-sqlite3", "pdns"), FAKETIME: ("libfaketime", "faketime")}

# Python module -> the Debian package that brings it, for Debian's own Python of that release.
MODULES = {"gssapi": "python3-gssapi"}
DIST_PACKAGES = Path("usr/lib/python3/dist-packages")

# Newer than Debian's, built where Go is there; what fails is reported, never fatal.
GO_PROGRAMS = {"pebble": "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.3"}
GO = {program: HOME / "go" / module.rpartition("@")[2] / program for program, module in GO_PROGRAMS.items()}
UNCONFINED = HOME / "unconfined"
APPARMOR = Path("/etc/apparmor.d")
FOLDERS = ("usr/bin", "usr/sbin", "bin", "sbin")
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on an ordinary user's PATH


class ProgramsMissingError(Exception):
    """The lab cannot start; the text names every missing program and what to do."""


def find(program: str) -> Path | None:
    """Where PROGRAM is: built with Go, else the system's, else the unpacked Debian package's."""
    for own in (GO.get(program), UNCONFINED / program):
        if own is not None and own.is_file():
            return own
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN))
    if found := shutil.which(program, path=path):
        return Path(found)
    for folder in FOLDERS:
        if (DEBIAN / folder / program).is_file():
            return DEBIAN / folder / program
    return None


def path(program: str) -> str:
    """The absolute path of PROGRAM, as text for a command line."""
    found = find(program)
    if found is None:
        raise ProgramsMissingError(f"{program} is missing\nhint: python -m tests.e2e.lab setup")
    return str(found)


def library(name: str) -> Path | None:
    """Where a library of LIBRARIES is."""
    for root in (Path("/"), DEBIAN):
        for found in sorted(root.glob(f"usr/lib/*/{LIBRARIES[name][1]}/{name}")):
            return found
    return None


def module(name: str) -> Path | None:
    """The folder that holds a module of MODULES."""
    folders = [root / DIST_PACKAGES for root in (Path("/"), DEBIAN)]
    return next((folder for folder in folders if (folder / name).is_dir()), None)


def pdns_modules() -> Path | None:
    """The module-dir that holds PowerDNS's SQLite backend."""
    module = library(PDNS_MODULE)
    return module.parent if module else None


def clock_off_by(seconds: int) -> dict[str, str]:
    """The environment in which a program takes it to be so many seconds later, by libfaketime.

    libc stands before jemalloc then, which BIND brings and which would ask for the time before libfaketime can say it.
    """
    own = library(FAKETIME)
    if own is None:
        raise ProgramsMissingError(f"{FAKETIME} is missing\nhint: python -m tests.e2e.lab setup")
    return {"LD_PRELOAD": f"{own}:libc.so.6", "FAKETIME": f"{seconds:+}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def pdns_schema() -> Path:
    """The SQL that makes an empty database for PowerDNS's SQLite backend."""
    for root in (Path("/"), DEBIAN):
        for schema in sorted(root.glob("usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")):
            return schema
    raise ProgramsMissingError("PowerDNS's SQLite schema is missing\nhint: python -m tests.e2e.lab setup")


def environment() -> dict[str, str]:
    """The environment in which any program of the lab runs, the unpacked libraries included."""
    variables = dict(os.environ)
    libraries = [str(folder) for pattern in ("usr/lib/*-linux-*", "lib/*-linux-*") for folder in DEBIAN.glob(pattern)]
    if libraries:
        variables["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
    variables["PATH"] = os.pathsep.join([variables.get("PATH", os.defpath), *(str(DEBIAN / each) for each in FOLDERS)])
    return variables


@functools.cache
def version(program: str, option: str) -> tuple[int, int]:
    """The first two numbers of what PROGRAM answers to the OPTION that asks for its version."""
    done = subprocess.run([path(program), option], env=environment(), capture_output=True, text=True, check=False)
    number = re.search(r"(\d+)\.(\d+)", done.stdout + done.stderr)  # PowerDNS logs it
    assert number, done
    return int(number[1]), int(number[2])


def missing() -> list[str]:
    """The programs that the lab needs and neither the system nor the checkout has."""
    absent = [program for program in PACKAGES if find(program) is None]
    absent += [name for name in MODULES if module(name) is None]
    return absent + [name for name in LIBRARIES if library(name) is None]


def described() -> list[str]:
    """Lines for a person: the programs that are here, which Pebble, and what is not here with the reason."""
    here = [program for program in PACKAGES if find(program)]
    lines = [f"lab: {', '.join(here) or 'no programs'}"]
    for program, module in GO_PROGRAMS.items():
        if find(program) == GO[program]:
            lines.append(f"lab: {program} is {module.rpartition('/')[2]}, built with Go")
        elif found := find(program):
            lines.append(f"lab: {program} is {found}, in the version that the system's packages have")
    lines += [f"lab: {program} is missing: python -m tests.e2e.lab setup" for program in missing()]
    return lines


def setup() -> list[str]:
    """Make every program available; returns one line for each optional program that is not, with the reason.

    Raises ProgramsMissingError where a needed program can neither be found nor fetched.
    """
    HOME.mkdir(exist_ok=True)
    with locked(HOME / "lock"):
        notes = [note for program, module in GO_PROGRAMS.items() if (note := build(program, module))]
        if missing():
            shutil.rmtree(DEBIAN, ignore_errors=True)  # unpacked for an older list
            fetch(missing())
        for program in PACKAGES:
            free(program)
    return notes


def free(program: str) -> None:
    """Copy a system program that AppArmor confines, by its path, to the system's own directories."""
    found = find(program)
    if found is not None and (APPARMOR / str(found)[1:].replace("/", ".")).exists():
        UNCONFINED.mkdir(exist_ok=True)
        shutil.copy(found, UNCONFINED / program)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock, so that two runs in one checkout do not unpack over each other."""
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build(program: str, module: str) -> str | None:
    """Install a Go program once; the reason, in one line, where it cannot be had. A failure is remembered."""
    place = GO[program]
    failure = HOME / f"{program}-{place.parent.name}.failure"
    if place.is_file():
        return None
    if failure.exists():
        return failure.read_text()
    go = shutil.which("go")
    if go is None:
        return f"{program}: no Go here to build {module}"
    print(f"building {module}", flush=True)
    built = subprocess.run(
        [go, "install", module],
        env={**os.environ, "GOBIN": str(place.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode == 0:
        return None
    reason = " ".join(built.stderr.split())[-200:]
    failure.write_text(f"{program}: go install {module} failed (remembered in {failure}): {reason}")
    return failure.read_text()


def fetch(absent: Sequence[str]) -> None:
    """Download and unpack Debian's packages for ABSENT programs, and the libraries the system lacks."""
    names = ", ".join(absent)
    tools = [tool for tool in ("apt-get", "apt-config", "dpkg-deb") if shutil.which(tool) is None]
    if tools:
        raise ProgramsMissingError(
            f"missing programs: {names} (and no {', '.join(tools)} here to fetch them)\n"
            f"hint: install BIND, Knot DNS, NSD, PowerDNS with SQLite, Unbound, Pebble, nginx, dnsperf, lego, ss,"
            " zsh, fish and libfaketime"
        )
    packages = sorted({PACKAGES.get(name) or MODULES.get(name) or LIBRARIES[name][0] for name in absent})
    print(f"fetching Debian's packages for {names}", flush=True)
    state = HOME / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial", "etc"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    variables = {**os.environ, "APT_CONFIG": str(configure_apt(state)), "LC_ALL": "C"}
    run(["apt-get", "-qq", "update"], variables, names)
    # Recommended packages are not needed to run a server; "install" alone resolves what the system lacks.
    install = ["apt-get", "-qq", "-y", "--no-install-recommends", "--download-only", "install"]
    run([*install, *packages], variables, names)
    unpacking = HOME / "debian.part"
    shutil.rmtree(unpacking, ignore_errors=True)
    for archive in sorted((state / "cache/archives").glob("*.deb")):
        run(["dpkg-deb", "-x", str(archive), str(unpacking)], variables, names)
    unpacking.rename(DEBIAN)
    shutil.rmtree(state)
    if still := missing():
        raise ProgramsMissingError(f"Debian's packages {', '.join(packages)} do not hold {', '.join(still)}")


def configure_apt(state: Path) -> Path:
    """A configuration with a private state, the system's sources and keys, and none of the system's hooks."""
    acquire = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
    # The languages, hashes and proxies of "Acquire" stay; hooks (Docker's images empty the cache in one) and
    # further indexes (AppStream) live in the parts that are left out.
    kept = [line for line in acquire.splitlines() if not line.startswith("Acquire::IndexTargets")]
    file = state / "apt.conf"
    file.write_text(
        "\n".join(kept)
        + f"""
Acquire::Languages "none";
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "{state}/etc";
Dir::State "{state}/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{state}/cache";
APT::Sandbox::User "";
Debug::NoLocking "1";
"""
    )
    return file


def run(command: Sequence[str], variables: dict[str, str], names: str) -> None:
    """Run a step of fetching; its last words become the error."""
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        words = " ".join(done.stderr.split())[-400:]
        raise ProgramsMissingError(f"missing programs: {names}; {' '.join(command[:2])} failed: {words}")
