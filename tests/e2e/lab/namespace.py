"""Run a command in private namespaces, in which port 53 and resolv.conf are its own."""

import contextlib
import ctypes
import getpass
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from tests.e2e.lab import network

VARIABLE = "DELEGATE_LAB"  # tells code inside where it is: "namespace" or "loopback"

# linux/sched.h, linux/mount.h, linux/prctl.h
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x10000000, 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

SYSTEM_FILES = {
    Path("/etc/resolv.conf"): f"nameserver {network.RESOLVER}\noptions timeout:2 attempts:2\n",
    Path("/etc/nsswitch.conf"): "passwd: files\ngroup: files\nhosts: files dns\n",
}

libc = ctypes.CDLL(None, use_errno=True)


def inside() -> bool:
    """Whether this process runs in the lab."""
    return VARIABLE in os.environ


def run(command: Sequence[str]) -> int:
    """Run COMMAND in the lab and return its exit code; nothing started inside outlives it."""
    if inside():
        return subprocess.call(command)
    # Inside, everybody looks like root, and pytest's temporary directory is named after the user.
    os.environ.setdefault("LOGNAME", getpass.getuser())
    flags = possible()
    if flags is not None:
        return supervise(lambda: namespaced(command, flags))
    if os.geteuid() != 0:
        print(
            "the lab needs unprivileged user namespaces, which this system refuses\n"
            "hint: sysctl -w kernel.unprivileged_userns_clone=1"
            " (Ubuntu: kernel.apparmor_restrict_unprivileged_userns=0), or run as root",
            file=sys.stderr,
        )
        return 2
    print(
        "lab: no namespaces here: plain loopback addresses, no private /etc/resolv.conf, no IPv6",
        file=sys.stderr,
    )
    return supervise(lambda: plain(command))


def possible() -> int | None:
    """The flags with which namespaces can be had here; None where they cannot."""
    # Root may lack user namespaces (a container) and still be allowed the others.
    for flags in (CLONE_NEWUSER, 0) if os.geteuid() == 0 else (CLONE_NEWUSER,):
        if works(lambda flags=flags: enter(flags)):  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            return flags
    return None


def works(step: Callable[[], None]) -> bool:
    """Whether STEP succeeds, tried in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            step()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def enter(user_namespace: int) -> None:
    """Move this process into new namespaces, in which it is root; only its children count processes anew."""
    user, group = os.geteuid(), os.getegid()
    call(libc.unshare, user_namespace | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID)
    if user_namespace:
        Path("/proc/self/setgroups").write_text("deny")  # user_namespaces(7): before gid_map, for an ordinary user
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    call(libc.mount, None, b"/", None, MS_REC | MS_PRIVATE, None)
    network.bring_up()


def call(function: Callable[..., int], *arguments: object) -> None:
    """A system call through libc, its error as OSError."""
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def namespaced(command: Sequence[str], user_namespace: int) -> int:
    """Run COMMAND below a process 1 of its own: when that ends, the kernel kills everything inside."""
    enter(user_namespace)
    with tempfile.TemporaryDirectory(prefix="lab-") as directory:
        replace_system_files(Path(directory))  # a bound file lives on when its name is gone
    return supervise(lambda: init(command, "namespace"))


def plain(command: Sequence[str]) -> int:
    """Run COMMAND on the host's own loopback, and take back what it leaves: processes and addresses."""
    call(libc.prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        network.add_ipv4()
    except PermissionError:
        print(
            "lab: no namespaces and no addresses on lo allowed here\nhint: docker run --cap-add NET_ADMIN",
            file=sys.stderr,
        )
        return 2
    try:
        return init(command, "loopback")
    finally:
        with contextlib.suppress(ChildProcessError):
            while True:
                for child in Path("/proc/self/task", str(os.getpid()), "children").read_text().split():
                    os.kill(int(child), signal.SIGKILL)
                os.wait()
        network.remove_ipv4()


def replace_system_files(directory: Path) -> None:
    """Bind our own files over the system's, so that the C library and Certbot ask the lab's resolver."""
    for file, text in SYSTEM_FILES.items():
        if not file.exists():
            print(f"lab: {file} does not exist here, so it cannot be replaced", file=sys.stderr)
            continue
        own = directory / file.name
        own.write_text(text)
        call(libc.mount, bytes(own), bytes(file.resolve()), None, MS_BIND, None)


def init(command: Sequence[str], kind: str) -> int:
    """Start COMMAND, pass signals on to it, reap orphans, and return its exit code."""
    child = subprocess.Popen(command, env={**os.environ, VARIABLE: kind})

    def forward(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to COMMAND as well
    while True:
        process, status = os.wait()
        if process == child.pid:
            return shell_code(os.waitstatus_to_exitcode(status))


def supervise(body: Callable[[], int]) -> int:
    """Run BODY in a child that dies with this process; returns its exit code, passing signals on."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() not in (parent, 0):  # 0: the parent is in another process namespace
            os._exit(1)
        try:
            code = body()
        except OSError as error:
            print(f"lab: {error}", file=sys.stderr)
            code = 2
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def forward(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return shell_code(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def shell_code(code: int) -> int:
    """An exit code as a shell gives it: 128 + N for a death by signal N."""
    return code if code >= 0 else 128 - code
