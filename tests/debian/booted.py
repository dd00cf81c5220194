"""The system as it runs: its own systemd is process 1, in the network that is at hand."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.debian import machine

PATIENCE_S = 120
GROUP = "certbot-dns-delegate-booted"
"""The control group that all others of the system are in."""
BELOW = r"""
set -eu
read -r own rest < /proc/self/stat
echo "$own"
mount --make-rprivate /
mount -t cgroup2 cgroup2 "$ROOT/mnt"
mkdir -p "$ROOT/mnt/$GROUP"
echo $$ > "$ROOT/mnt/$GROUP/cgroup.procs"
umount "$ROOT/mnt"
exec unshare --cgroup sh -c "$BOOT"
"""
# Kernel variables are the machine's own, so they cannot be written.
BOOT = r"""
set -eu
mount --rbind "$ROOT" "$ROOT"
cd "$ROOT"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts dev/shm
ln -s pts/ptmx dev/ptmx
[ -s etc/machine-id ] || echo 00000000000040008000000000000001 > etc/machine-id
mkdir -p run/systemd/system
for unit in modules-load udevd udev-trigger; do ln -s /dev/null run/systemd/system/systemd-$unit.service; done
mkdir -p run/outside
pivot_root . run/outside
umount -l /run/outside
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=basic.target
"""
AWAY = r"""
mount -t cgroup2 cgroup2 "$ROOT/mnt"
cd "$ROOT/mnt"
while [ -d "$GROUP" ]; do find "$GROUP" -depth -type d -exec rmdir {} + 2> /dev/null || sleep 0.1; done
"""
NAMESPACES = ("--pid", "--mount", "--uts", "--ipc", "--cgroup")


class Booted:
    """A running system.

    :param leader: its process 1, as it is numbered here.
    """

    def __init__(self, leader: int) -> None:
        self._enter = ["nsenter", f"--target={leader}", *NAMESPACES, "--root", "--wd"]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run WORDS in it, as its root."""
        return subprocess.run(
            [*self._enter, *words],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def said(self, unit: str) -> str:
        """What a unit has written into the journal."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"_SYSTEMD_UNIT={unit}").stdout


@contextmanager
def booted() -> Iterator[Booted]:
    """The system of :mod:`tests.debian.machine`, running until the end.

    :raises AssertionError: when it does not come up; its own words are in it.
    """
    given = {**os.environ, "ROOT": str(machine.ROOT), "GROUP": GROUP, "BOOT": BOOT}
    with subprocess.Popen(
        ["unshare", *NAMESPACES, "--fork", "--kill-child", "sh", "-c", BELOW],
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as starter:
        try:
            yield _up(starter)
        finally:
            starter.kill()
            starter.wait()
            subprocess.run(
                ["unshare", "--mount", "--cgroup", "sh", "-c", AWAY], env=given, timeout=PATIENCE_S, check=True
            )


def _up(starter: subprocess.Popen[str]) -> Booted:
    assert starter.stdout is not None
    leader = starter.stdout.readline().strip()  # as /proc has it, which need not be of this process's namespace
    until = time.monotonic() + PATIENCE_S
    while leader and starter.poll() is None and time.monotonic() < until:
        system = Booted(int(leader))
        if system.run("systemctl", "is-system-running", "--wait").stdout.strip() in {"running", "degraded"}:
            return system
        time.sleep(0.1)
    starter.kill()
    raise AssertionError(f"systemd did not come up: {leader} {starter.communicate()[0]}")
