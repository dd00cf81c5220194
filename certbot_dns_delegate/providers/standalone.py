"""Answer for the delegate's zone from this very process, while the order runs: no DNS server, no API."""

import secrets
import socket
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

from dns.name import Name

from certbot_dns_delegate.authority.binding import EVERYWHERE
from certbot_dns_delegate.authority.errors import ListenError
from certbot_dns_delegate.authority.host import outward_addresses
from certbot_dns_delegate.authority.listener import PORT, Listener
from certbot_dns_delegate.authority.zone import VALUE_TTL, ServedZone, ServedZones
from certbot_dns_delegate.errors import PlanError, Refused, SettingsError
from certbot_dns_delegate.model import Limits, Server, Sighting, Values, Zone
from certbot_dns_delegate.providers import turn
from certbot_dns_delegate.providers.interface import Context, Options, Provider
from certbot_dns_delegate.schema import HOSTS, NAME, Key
from certbot_dns_delegate.text import listed, parse_name, printable, record, show

HOSTS_FILE = Path("/etc/hosts")
PRIVATE = (".localdomain", ".local", ".internal", ".arpa")
"""Ends of names that nobody else knows this host by."""
SERIAL = secrets.randbits(32)
"""Of the SOA in every answer of this process, by which it knows that it was itself who answered."""

Listen = Sequence[tuple[str, int]] | None
"""The setting: addresses, each with the port that all share; None for all of this host and port 53."""


class Desk:
    """The one listener of this process and whose zones it serves; several delegates share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listener: Listener | None = None
        self._listen: Listen = None
        self._held = ExitStack()
        """What goes with the last user: the listener, and then the turn."""
        self._zones: dict[Name, ServedZone] = {}
        self._users = 0

    def open(self, listen: Listen, context: Context) -> None:
        """Bind and answer, once it is this order's turn.

        :raises Refused: when that is not possible; nothing was written then.
        """
        with self._lock:
            if self._listener is None:
                with ExitStack() as held:  # a signal too must leave neither turn nor port taken
                    # The CA's resolver may hold the last order's values for their TTL.
                    held.enter_context(turn.take(context, VALUE_TTL))
                    hosts = [host for host, _ in listen] if listen else None
                    try:
                        listener = Listener(ServedZones(), hosts, listen[0][1] if listen else PORT)
                    except ListenError as error:
                        raise Refused(error.problem, error.hint) from None
                    held.callback(listener.stop)
                    listener.start()
                    self._listener, self._listen, self._held = listener, listen, held.pop_all()
            elif set(listen or ()) != set(self._listen or ()):
                raise _other_addresses(context.title, listen, self._listen)
            self._users += 1

    def serve(self, apex: Name, change: Callable[[ServedZone], ServedZone], empty: ServedZone) -> None:
        """Serve ``apex`` as ``change`` makes it of what is served now, or of ``empty``."""
        with self._lock:
            zones = {**self._zones, apex: change(self._zones.get(apex, empty))}
            try:
                served = ServedZones(zones.values())
            except ValueError as error:
                raise Refused(f"{show(apex)} cannot be served: {printable(str(error))}") from None
            self._zones = zones
            if self._listener is not None:
                self._listener.zones = served

    def close(self) -> None:
        """One user less; the last one ends the listening and lets the next order in."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._listener, self._zones = None, {}
                self._held.close()


def _other_addresses(title: str, wanted: Listen, held: Listen) -> Refused:
    """Why a second delegate of an order cannot listen on addresses of its own."""
    both = list(dict.fromkeys([*(held or ()), *(wanted or ())]))
    line = ""
    if wanted and held and len({port for _, port in both}) == 1:
        line = f", such as  listen = {_shown(both)}"
    return Refused(
        f"[{title}] wants to listen on {_shown(wanted)}, but this order listens on {_shown(held)} already",
        f"give all delegates of provider standalone the same listen{line}",
    )


def _shown(listen: Listen) -> str:
    return ", ".join(str(Server(*each)) for each in listen) if listen else "all addresses"


DESK = Desk()


class Standalone(Provider):
    """Serves the values itself; they are gone when the process ends, however it ends."""

    name = "standalone"
    limits = Limits(has_credentials=False)
    KEYS = (
        Key("listen", HOSTS, "Addresses to listen on, with @port if not 53; the default is all of this host."),
        Key(
            "server_name",
            NAME,
            "This host's name in the NS record; the default is its full name in /etc/hosts.",
        ),
    )

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:  # noqa: ARG004  nothing to warn of
        listen = options["listen"] or ()
        addresses = []
        for host, _ in listen:
            try:
                addresses.append(ip_address(host))
            except ValueError:
                yield f"listen takes addresses, not names such as {printable(host, 60)}"
        for address in dict.fromkeys(addresses):
            if addresses.count(address) > 1:
                yield f"listen has {address} twice"
            if address.is_unspecified and sum(other.version == address.version for other in addresses) > 1:
                yield f"listen has {address}, which is every IPv{address.version} address, and others besides"
        if len({port for _, port in listen}) > 1:
            yield "listen takes one port for all addresses"

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._lock = threading.Lock()
        self._is_open = False

    @property
    def _apex(self) -> Name:
        if self._context.suffix is None:
            raise SettingsError(f"{self._context.title} has no zone to answer for", "zone = acme.example.net")
        return self._context.suffix

    def begin(self) -> None:
        """Listen, before the first question about the zone: the way to the target leads here."""
        with self._lock:
            if not self._is_open:
                apex = self._apex
                DESK.open(self._options["listen"], self._context)
                self._is_open = True
                DESK.serve(apex, lambda zone: zone, self._empty)

    def end(self) -> None:
        """Listen no longer."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                DESK.close()

    def capacity_key(self, owner: Name) -> Hashable:
        return owner

    def zone_of(self, owner: Name) -> Name | None:
        return self._apex if owner.is_subdomain(self._apex) else None

    def probe(self) -> str:
        self.begin()
        return f"this host answers for {show(self._apex)} while an order runs"

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:  # noqa: ARG002  the TTL is always 1
        if zone != self._apex:
            raise Refused(*self._not_delegated(zone))
        self.begin()
        DESK.serve(zone, lambda served: _with(served, values), self._empty)
        return ()

    def why_unreached(self, addresses: Sequence[str]) -> tuple[str, str]:
        listen = self._options["listen"]
        if not listen or {host for host, _ in listen} & {*addresses, *EVERYWHERE}:
            return "", ""
        led, hint = listed(list(dict.fromkeys(addresses))), "let the NS record lead to the address of listen"
        own = [address for address in addresses if address in outward_addresses()]
        if own:
            hint = f"listen = {', '.join(own)}"
        return (
            f"the NS record leads to {led}, but listen = {_shown(listen)}",
            f"{hint}; or, where a router is between, let it forward port 53 to {_shown(listen)}",
        )

    def recognise(self, zone: Zone) -> None:
        """Tell, before anything is written, that the way to the zone does not lead to this process."""
        if zone.apex != self._apex:
            raise PlanError(*self._not_delegated(zone.apex))
        if zone.serial not in (None, SERIAL):
            servers = listed([*map(str, zone.servers)])
            raise PlanError(
                f"the NS records of {show(self._apex)} lead to {servers}, and not to this process",
                f"{self._record()}  and no other; its address that of this host, or of a router that forwards port 53",
            )

    def _not_delegated(self, zone: Name) -> tuple[str, str]:
        """Problem and hint where the target lies in another zone than ours."""
        problem = f"by its servers {show(self._apex)} lies in the zone {show(zone)}: no NS record leads here"
        return problem, self._record()

    def _record(self) -> str:
        """The record that leads here."""
        return record(self._apex, "NS", self._server())

    def withdraw(self, zone: Name, values: Values) -> None:
        if self._is_open:
            DESK.serve(zone, lambda served: _without(served, values), self._empty)
        # Else another process served them, and they ended with it.

    def _server(self) -> Name:
        name: Name | None = self._options["server_name"]
        if name is not None:
            return name
        with suppress(OSError, UnicodeDecodeError, ValueError):
            return parse_name(own_name(socket.gethostname(), HOSTS_FILE.read_text()))
        raise SettingsError(
            f"{self._context.title}: this host does not know its full name ({printable(socket.gethostname(), 80)})",
            "server_name = the name that the NS record in the parent zone points to",
        )

    @cached_property
    def _empty(self) -> ServedZone:
        """The zone as it is without values."""
        server = self._server()
        if not server.is_subdomain(self._apex):
            return ServedZone(self._apex, {server: ()}, serial=SERIAL)
        addresses: list[str] = []
        for host in [host for host, _ in self._options["listen"] or ()] or EVERYWHERE:
            known_by = outward_addresses() if host in EVERYWHERE else [host]
            addresses += [each for each in known_by if ip_address(each).version == ip_address(host).version]
        if not addresses:
            raise SettingsError(
                f"{self._context.title}: {show(server)} lies inside the zone, and this host has no address to give it",
                "listen = the address that the parent zone has for that name",
            )
        return ServedZone(self._apex, {server: addresses}, serial=SERIAL)


def own_name(hostname: str, hosts: str) -> str:
    """The host's full name, as it is set on the host itself; empty where it is not.

    The resolver is not asked: whoever answers for the host's address would name a server of our zone.

    :param hostname: as gethostname(2) has it, often without a domain.
    :param hosts: what is in hosts(5), where the full name comes first.
    """
    known = [hostname]
    for line in hosts.splitlines():
        words = line.partition("#")[0].split()[1:]
        known += words if hostname in words else []
    # A made-up name would be one more server of the zone, which a resolver may try and wait for.
    full = [name for name in known if "." in name and not name.endswith(PRIVATE)]
    return full[0] if full else ""


def _with(zone: ServedZone, values: Values) -> ServedZone:
    served = {owner: frozenset(texts) for owner, texts in zone.values.items()}
    for owner, texts in values.items():
        served[owner] = served.get(owner, frozenset()) | texts
    return replace(zone, values=served)


def _without(zone: ServedZone, values: Mapping[Name, frozenset[str]]) -> ServedZone:
    served = {owner: frozenset(texts) - values.get(owner, frozenset()) for owner, texts in zone.values.items()}
    return replace(zone, values={owner: texts for owner, texts in served.items() if texts})
