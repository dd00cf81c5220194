"""Why the server cannot listen, each reason with the command that helps.

::

    ListenError
      PortTakenError
      NoPermissionError
      NoSuchAddressError
      NoIPv6Error
"""

import errno
import os
from ipaddress import ip_address

from certbot_dns_delegate.authority.host import Holder, holders, may_bind, outward_addresses

_STUBS = {"127.0.0.53", "127.0.0.54"}
"""systemd-resolved's listeners (systemd-resolved.service(8)), for those who may not see its name."""


class ListenError(Exception):
    """A socket of the server cannot be opened.

    :ivar problem: what was seen
    :ivar hint: what to do, ready to paste
    """

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"{problem}\nhint: {hint}")
        self.problem = problem
        self.hint = hint


class PortTakenError(ListenError):
    """Another program listens there."""


class NoPermissionError(ListenError):
    """The port needs a privilege that this process lacks."""


class NoSuchAddressError(ListenError):
    """The address is not one of this host's."""


class NoIPv6Error(ListenError):
    """This host has no IPv6."""


def explain(error: OSError, address: str, port: int, protocol: str) -> ListenError:
    """Say what an error of ``socket``, ``bind`` or ``listen`` means.

    :param protocol: "udp" or "tcp"
    """
    where = f"{address} port {port} ({protocol.upper()})"
    if error.errno == errno.EADDRINUSE:
        return _port_taken(where, address, port, protocol)
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = how_to_be_allowed(is_root=os.geteuid() == 0, is_capable=may_bind())
        return NoPermissionError(f"no permission to listen on {where}", hint)
    if error.errno == errno.EAFNOSUPPORT and ":" in address:
        return NoIPv6Error(f"this host has no IPv6, so nothing can listen on {where}", _listen_elsewhere(address))
    if error.errno == errno.EADDRNOTAVAIL:
        return NoSuchAddressError(
            f"{address} is not an address of this host",
            f"ip address  shows those it has (behind NAT take the inner one); {_listen_elsewhere(address)}",
        )
    hint = _listen_elsewhere(address)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        hint = "ulimit -n  shows how many files a process may have; LimitNOFILE= below [Service] is systemd's"
    return ListenError(f"cannot listen on {where}: {error.strerror}", hint)


def how_to_be_allowed(*, is_root: bool, is_capable: bool) -> str:
    """How this process gets the permission.

    :param is_capable: whether it has the capability already (capabilities(7), CAP_NET_BIND_SERVICE)
    """
    if is_capable:
        return (
            "a security module (SELinux, AppArmor) or systemd's SocketBindDeny= forbids it;  ausearch -m AVC -ts "
            "recent  or  journalctl -k  shows which; on the host's network a rootless container needs, on the host,  "
            "sysctl net.ipv4.ip_unprivileged_port_start=53  (which lets every user there listen on port 53)"
        )
    if is_root:
        return (
            "root has no CAP_NET_BIND_SERVICE here: start the container with  --cap-add=NET_BIND_SERVICE , or add the "
            "capability to  CapabilityBoundingSet=  below [Service] with  systemctl edit certbot.service"
        )
    return (
        "run Certbot as root; or, where systemd runs it, add  AmbientCapabilities=CAP_NET_BIND_SERVICE  "
        "below [Service] with  systemctl edit certbot.service ; do not give the capability to Python itself: any user "
        "of this host could then answer for the zone, and get certificates for its names"
    )


def _port_taken(where: str, address: str, port: int, protocol: str) -> PortTakenError:
    found = [holder for holder in holders(protocol, port) if _in_the_way(holder.address, address)]
    problem = f"{where} is taken"
    if found:
        problem += f": a program listens on {', '.join(_show(holder) for holder in found)}"
    ours = outward_addresses()
    blocking = any(_everywhere(holder.address) or holder.address in ours for holder in found)
    if _everywhere(address) and found and not blocking:
        # The classic: a stub resolver on loopback, or a hypervisor's on its bridge, against 0.0.0.0.
        return PortTakenError(problem, f"leave that address out; {_listen_elsewhere(address)}")
    return PortTakenError(
        problem,
        f"ss -lnp 'sport = :{port}'  shows the program; stop it while the challenge runs, or "
        f"{_listen_elsewhere(address)}; if it is a DNS server, let it take updates and use "
        "dns-delegate-rfc2136",
    )


def _show(holder: Holder) -> str:
    unknown = "systemd-resolved" if holder.address in _STUBS else "another user's program"
    return f"{holder.address} ({holder.program or unknown})"


def _everywhere(address: str) -> bool:
    return address in ("0.0.0.0", "::")  # noqa: S104 compared, not bound


def _in_the_way(theirs: str, ours: str) -> bool:
    """Whether a listener there can be the reason.

    A wildcard address blocks its whole family, and that of IPv6 perhaps IPv4 too (ipv6(7), IPV6_V6ONLY).
    """
    there, here = ip_address(theirs), ip_address(ours)
    there = getattr(there, "ipv4_mapped", None) or there
    if there.version != here.version:
        return there.version == 6 and there.is_unspecified
    return there == here or there.is_unspecified or here.is_unspecified


def _listen_elsewhere(address: str) -> str:
    """The line of the settings that names this host's own addresses, without the one that failed."""
    others = [other for other in outward_addresses() if other != address]
    line = ", ".join(f"[{other}]" if ":" in other else other for other in others) or "ADDRESS"
    return f"listen on another address:  listen = {line}"
