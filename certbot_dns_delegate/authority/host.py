"""Facts about this host for the texts of ``errors``: its addresses, who listens on a port, and who may."""

import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_LISTENING = {"tcp": "0A", "udp": "07"}
"""Column ``st`` of /proc/net: TCP_LISTEN, and an unconnected UDP socket (net/tcp_states.h)."""

_NET_BIND_SERVICE = 10
"""Number of the capability (linux/capability.h)."""

_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Documentation addresses (RFC 5737, RFC 3849) that stand for the rest of the Internet; nothing is sent to
them."""


class Holder(NamedTuple):
    """A socket that occupies a port.

    :ivar address: where it listens
    :ivar program: the program's name, empty where it is hidden from this user; what a process calls itself
        is its own choice, so only printable ASCII is kept
    """

    address: str
    program: str


def outward_addresses() -> list[str]:
    """The addresses this host would speak from to the Internet, IPv4 first, as far as it has a route."""
    addresses = []
    for family, destination in _ELSEWHERE.items():
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((destination, 53))
                addresses.append(str(probe.getsockname()[0]))
        except OSError:
            continue
    return addresses


def may_bind() -> bool:
    """Whether this process may use ports below 1024, as far as its capabilities go (proc_pid_status(5), CapEff)."""
    for line in _read(Path("/proc/self/status")).splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _NET_BIND_SERVICE & 1)
    return False


def holders(protocol: str, port: int) -> list[Holder]:
    """Who listens on a port, as far as /proc tells.

    :param protocol: "udp" or "tcp"
    """
    inodes = {inode: address for address, inode in _sockets(protocol, port)}
    programs = _programs(set(inodes))
    return [Holder(address, programs.get(inode, "")) for inode, address in inodes.items()]


def _sockets(protocol: str, port: int) -> Iterator[tuple[str, str]]:
    for table in protocol, protocol + "6":
        for line in _read(Path("/proc/net") / table).splitlines()[1:]:
            columns = line.split()
            address, _, number = columns[1].partition(":")
            if int(number, 16) == port and columns[3] == _LISTENING[protocol]:
                yield _address(address), columns[9]


def _address(text: str) -> str:
    """/proc/net prints addresses as 32-bit words in the machine's byte order."""
    words = [int(text[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(text), 8)]
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, b"".join(words))


def _programs(inodes: set[str]) -> dict[str, str]:
    """The programs that hold sockets: complete for root, our own ones for anybody else."""
    names = {f"socket:[{inode}]": inode for inode in inodes}
    programs: dict[str, str] = {}
    for process in Path("/proc").glob("[0-9]*") if names else ():
        for name in _open_files(process) & names.keys():
            text = _read(process / "comm").strip()
            programs[names[name]] = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return programs


def _open_files(process: Path) -> set[str]:
    """What a process has open, as far as it is ours to see and still so."""
    targets = set()
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                targets.add(str(descriptor.readlink()))
    return targets


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
