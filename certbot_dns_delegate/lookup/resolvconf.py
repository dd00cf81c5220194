"""The system's resolvers: the nameserver lines of resolv.conf, read as glibc reads them (resolv.conf(5))."""

import contextlib
import logging
import re
import socket
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.text import cited, command_line, printable

log = logging.getLogger(__name__)

FILE = Path("/etc/resolv.conf")
MOST = 3
"""Lines that glibc takes (MAXNS)."""
MOST_OCTETS = 1 << 20
"""Of the file; glibc has no bound, and a file of real lines has some hundred."""
LOCAL = "127.0.0.1"
"""What glibc asks where no line names a resolver."""

_LINE = re.compile(r"nameserver[ \t]+([^ \t\n\0]*)")


def nameservers(file: Path = FILE) -> list[str]:
    """The addresses, in their order; :data:`LOCAL` where there is none.

    :raises SettingsError: when the file cannot be read.
    """
    try:
        with file.open("rb") as opened:
            # Comments may be in any encoding; addresses are ASCII.
            text = opened.read(MOST_OCTETS).decode("latin-1")
    except FileNotFoundError:
        text = ""
    except OSError as error:
        why = printable(error.strerror or str(error))
        raise SettingsError(f"{file} cannot be read: {why}", command_line("ls", "-l", file)) from None
    found = list(_addresses(text, file))[:MOST]
    if not found:
        log.warning("%s names no resolver: %s is asked, as the system does", file, LOCAL)
    return found or [LOCAL]


def _addresses(text: str, file: Path) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), 1):
        if match := _LINE.match(line):
            address = _address(match[1])
            if address is None:
                log.warning("%s, line %d: %s is no address, and is left out", file, number, cited(match[1], 80))
            else:
                yield address


def _address(text: str) -> str | None:
    """As inet_aton(3) and inet_pton(3) read it, in its usual form; None where it is none."""
    with contextlib.suppress(OSError):
        return socket.inet_ntoa(socket.inet_aton(text))
    address, percent, scope = text.partition("%")
    try:
        return f"{IPv6Address(address)}{percent}{scope}"
    except ValueError:
        return None
