"""The lab's addresses, and the two ioctls that make them work in an empty network namespace."""

import fcntl
import socket
import struct

ROOT = "127.0.53.1"  # the root and "test."
CUSTOMER = "127.0.53.2"  # the customer's operator: a zone nobody can update
LINKS = "127.0.53.3"  # another operator, in the middle of chains
BIND = "127.0.53.10"  # primary of most delegate zones
LAGGING = "127.0.53.11"  # its BIND secondary, behind by the primary's notify-delay
NSD = "127.0.53.12"  # its NSD secondary
KNOT = "127.0.53.20"
POWERDNS = "127.0.53.30"
POWERDNS_LUA = "127.0.53.31"  # where a Lua policy replaces every other check
ACME_DNS = "127.0.53.40"
STANDALONE = "127.0.53.60"  # for a listener that a test brings
RECIPES = "127.0.53.61"  # for the servers of the documentation's recipes, one after the other
OWN_BIND, OWN_POWERDNS = "127.0.53.90", "127.0.53.91"  # for the servers that a provider's test brings
# For the worlds in which a file of certbot-dns-rfc2136 is tried.
DROPIN = {
    name: f"127.0.53.{number}" for number, name in enumerate(("root", "prim", "sec", "third", "resolver", "ca"), 70)
}
RESOLVER = "127.0.53.53"
WITNESS, FAR = (
    "127.0.53.54",
    "127.0.53.55",
)  # a resolver at another place, and the site that it meets
CA = "127.0.53.80"
DEAD = "127.0.53.99"  # nothing listens here

IPV6 = {
    BIND: "fd53::10",
    LAGGING: "fd53::11",
    KNOT: "fd53::20",
    POWERDNS: "fd53::30",
    RESOLVER: "fd53::53",
    DROPIN["prim"]: "fd53::71",
}

LINK_LOCAL = "fe80::53"  # for a resolver on this link, as routers announce theirs

ADDRESSES = (
    *(ROOT, CUSTOMER, LINKS, BIND, LAGGING, NSD, KNOT, POWERDNS, POWERDNS_LUA),
    *(ACME_DNS, STANDALONE, RECIPES, OWN_BIND, OWN_POWERDNS, RESOLVER, FAR, CA),
    *DROPIN.values(),
)

SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR = 0x8913, 0x8914, 0x8916  # linux/sockios.h
IFF_UP = 1  # linux/if.h


def far(address: str) -> str:
    """The address of the delaying forwarder in front of ADDRESS."""
    return address.replace("127.0.53.", "127.0.54.")


def bring_up() -> None:
    """Set lo up and give it the lab's addresses (BIND listens only on addresses that an interface owns)."""
    set_up(b"lo", up=True)
    add_ipv4()
    if socket.has_ipv6:
        add_ipv6()


def add_ipv4() -> None:
    """Give lo an alias (lo:1, lo:2, …) with each address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for alias, address in aliases():
            # struct ifreq: name, sockaddr_in
            packed = socket.inet_aton(address)
            fcntl.ioctl(control, SIOCSIFADDR, struct.pack("16sHH4s8x8x", alias, socket.AF_INET, 0, packed))


def remove_ipv4() -> None:
    """Take the aliases away again: an alias that is set down is deleted."""
    for alias, _ in aliases():
        set_up(alias, up=False)


def aliases() -> list[tuple[bytes, str]]:
    """The name and address of each alias."""
    return [(f"lo:{number}".encode(), address) for number, address in enumerate(ADDRESSES, 1)]


def add_ipv6(*addresses: str) -> None:
    """Give lo IPv6 addresses, by default the lab's."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control:
        for address in addresses or (*IPV6.values(), LINK_LOCAL):
            # struct in6_ifreq: address, prefix length, interface index
            packed = socket.inet_pton(socket.AF_INET6, address)
            fcntl.ioctl(control, SIOCSIFADDR, struct.pack("16sIi", packed, 128, socket.if_nametoindex("lo")))


def set_up(interface: bytes, *, up: bool) -> None:
    """Set an interface up or down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH22x", interface, 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        flags = flags | IFF_UP if up else flags & ~IFF_UP
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", interface, flags))


def has_ipv6() -> bool:
    """Whether the lab's IPv6 addresses are here (they are not as plain root without namespaces)."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((IPV6[RESOLVER], 0))
    except OSError:
        return False
    return True
