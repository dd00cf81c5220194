"""Names of hosts and zones, as every name server's configuration takes them without quotes."""

import re
import socket
from contextlib import closing

from dns.name import Name

from certbot_dns_delegate.schema import parse_host
from certbot_dns_delegate.text import cited, parse_name, plain

LABELS = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)+")
CHALLENGE = "_acme-challenge."
ANY = "0.0.0.0/0 ::/0"
"""All networks; the key alone decides then."""


def full_name(text: str) -> Name:
    """A host name with a domain.

    :raises ValueError: when it is an address, or has one label.
    """
    name = parse_name(text)
    if not LABELS.fullmatch(plain(name)) or plain(name).rpartition(".")[2].isdigit():
        raise ValueError(f"{cited(text, 60)} is not the full name of a host, which the zone's NS record needs")
    return name


def zone_name(text: str) -> Name:
    """A zone for challenges.

    :raises ValueError: when it cannot be one.
    """
    name = parse_name(text)
    if not LABELS.fullmatch(plain(name)) or plain(name).rpartition(".")[2].isdigit():
        raise ValueError(f"{cited(text, 60)} is not a zone such as acme.example.net")
    if plain(name).startswith(CHALLENGE):
        raise ValueError(f"a zone covers everything below it; write {plain(name.parent())}")
    return name.canonicalize()


def key_name(text: str) -> str:
    """A TSIG key's name.

    :raises ValueError: when a configuration file could take it for something else.
    """
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", text):
        raise ValueError(f"{cited(text, 60)}: a key's name has letters, digits, hyphens and dots")
    return text


def this_host() -> str | None:
    """The full name of this host, where the system knows it."""
    name = socket.gethostname()
    return name if LABELS.fullmatch(name.lower()) else None


def short_name() -> str:
    """This host's name without its domain, for the name of a key or an account."""
    label = socket.gethostname().partition(".")[0].lower()
    return label if LABELS.fullmatch(f"{label}.a") else "certbot"


def local_zone(server: Name) -> str:
    """A zone beside a server, to suggest."""
    return f"acme.{plain(server.parent() if len(server) > 3 else server)}"


def networks_towards(server: str) -> str:
    """The address of this host from which it reaches a server, as a network; all, where that is not known."""
    host, port = parse_host(server.split(",")[0])
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with closing(socket.socket(kind, socket.SOCK_DGRAM)) as towards:
            towards.connect(address)  # of UDP: nothing is sent
            own = towards.getsockname()[0].partition("%")[0]
    except OSError:
        return ANY
    return f"{own}/{32 if kind == socket.AF_INET else 128}"
