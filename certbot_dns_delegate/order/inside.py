"""What is at a name inside a delegate, and in which zone: asked where the settings allow it to be known.

As a rule the way leads down from the world's servers (:mod:`certbot_dns_delegate.lookup.descent`). Of a flat file for
dynamic updates the server in it is asked first, and the world only for the other servers of the zone. Where a section
names the zone and who is to be watched, nobody else is asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import dns.name
from dns.name import Name

from certbot_dns_delegate.errors import LookupFailed, PlanError
from certbot_dns_delegate.lookup.answer import alias_in, txt_in
from certbot_dns_delegate.lookup.chain import authority, name_below
from certbot_dns_delegate.lookup.step import Step, call, share
from certbot_dns_delegate.lookup.zone import Found, Zones
from certbot_dns_delegate.model import Alias, Askable, Content, RRset, Server, Zone
from certbot_dns_delegate.order.router import ProviderOf, Router
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.text import command_line, plain, show
from certbot_dns_delegate.timing import Watch

Addresses = Callable[[str, int], Sequence[Server]]
"""The addresses of a host that the settings name, at a port."""


class Inside:
    """Looks into delegates."""

    def __init__(
        self, settings: Settings, provider_of: ProviderOf, router: Router, zones: Zones, addresses: Addresses
    ) -> None:
        self._settings = settings
        self._provider_of = provider_of
        self._router = router
        self._zones = zones
        self._addresses = addresses

    def at(self, owner: Name, suffix: Name) -> Step[tuple[Found | Content, Alias | None]]:
        """What is at a name, and the CNAME there, if it is to be followed.

        :raises LookupFailed: when nobody that may be asked says anything to go by.
        """
        delegate = self._router.delegate(owner)
        if self._router.is_asked_first(delegate) or delegate.is_self_contained:
            content = yield from self._by_settings(delegate, owner)
            if content is not None:
                return content, _alias(content, owner)
        try:
            return (yield from authority(self._zones, owner, suffix))
        except LookupFailed:
            content = yield from self._by_settings(delegate, owner)
            if content is None:
                raise
            return content, _alias(content, owner)

    def zone(self, delegate: Delegate, owner: Name, found: Found | Content) -> Step[tuple[Zone, RRset]]:
        """The zone to write in, and what is at the owner.

        :raises PlanError: where the zone that the settings name does not hold the owner.
        :raises LookupFailed: where none of the servers that the settings have watched answers with authority.
        """
        if isinstance(found, Content):
            zone, present = (yield from self._zone_of(delegate, owner, found)), found.present
        else:
            zone = yield from self._zones.determine(found)
            present = txt_in(found.reply.message, owner)
        if delegate.zone is not None and zone.apex != delegate.zone:
            if zone.apex.is_subdomain(delegate.zone):
                raise PlanError(
                    f"{show(owner)} lies in the zone {show(zone.apex)}, which is delegated away from"
                    f" {show(delegate.zone)}: a record written in that would never be seen",
                    delegate.setting("zone", plain(zone.apex)),
                )
            if not owner.is_subdomain(delegate.zone):
                raise PlanError(
                    f"{show(owner)} lies in the zone {show(zone.apex)}, not in the one that zone = names,"
                    f" {show(delegate.zone)}",
                    f"{delegate.setting('zone', plain(zone.apex))}, or leave it out",
                )
            zone = replace(zone, apex=delegate.zone)
        if delegate.watch_servers and delegate.watch is Watch.AUTHORITATIVE:
            zone = yield from self._with_watched(delegate, owner, zone, found)
        return zone, present

    def found(self, owner: Name, found: Found | Content | None) -> Step[Found | None]:
        """What is at a name, as a whole reply; None where nobody can be asked without a key."""
        if not isinstance(found, Content):
            return found
        if found.server is None or found.is_by_key:
            return None
        try:
            return (yield from self._zones.look_at([found.server], found.zone, owner))
        except LookupFailed:
            return None

    def _with_watched(self, delegate: Delegate, owner: Name, zone: Zone, found: Found | Content) -> Step[Zone]:
        """The zone with the servers that the section has watched instead of its own."""
        servers = yield from share(("watched", delegate.title), lambda: call(lambda: self._watched(delegate)))
        if isinstance(found, Content) and found.server in servers:
            return replace(zone, servers=servers, answering=frozenset([found.server]))
        seen = yield from self._zones.look_at(servers, zone.apex, owner)
        return replace(zone, servers=servers, answering=frozenset(reply.ask.server for reply in seen.replies))

    # Without the world

    def _by_settings(self, delegate: Delegate, owner: Name) -> Step[Content | None]:
        """What those say whom the settings name; None where they name nobody."""
        if self._router.is_asked_first(delegate):
            return (yield from call(lambda: self._router.content(delegate, owner)))
        if delegate.watch_servers:
            servers = yield from share(("watched", delegate.title), lambda: call(lambda: self._watched(delegate)))
            return (yield from self._at_servers(servers, delegate.zone or dns.name.root, owner))
        if delegate.watch not in {Watch.SERVER, Watch.NONE}:
            return None
        try:
            return (yield from call(lambda: self._provider_of(delegate).content_of(owner)))
        except NotImplementedError:
            apex = delegate.zone or (yield from call(lambda: self._provider_of(delegate).zone_of(owner)))
        return Content(None, apex) if apex is not None else None

    def _watched(self, delegate: Delegate) -> tuple[Server, ...]:
        servers: list[Server] = []
        for host, port in delegate.watch_servers:
            try:
                servers += self._addresses(host, port)
            except LookupFailed as error:
                problem = f"[{delegate.title}] watch_servers: {host}: {error.problem}"
                raise LookupFailed(problem, command_line("getent", "hosts", host)) from None
        return tuple(servers)

    def _at_servers(self, servers: Sequence[Server], above: Name, owner: Name) -> Step[Content]:
        """What the first of these servers that answers with authority has at a name."""
        found = yield from self._zones.look_at(servers, above, owner)
        reply = found.reply
        link = alias_in(reply.message, owner)
        below = name_below(owner) if link is not None and not link[1] else None
        if below is not None:
            beside = yield from self._zones.look_at(servers, above, below)
            link = None if alias_in(beside.reply.message, below) == link else link
        zone = yield from self._zones.apex(found)
        return Content(
            reply.ask.server,
            zone.apex,
            link[0] if link is not None else None,
            txt_in(reply.message, owner),
            zone.negative_ttl,
            zone.serial,
        )

    # The zone around what a server of ours has

    def _zone_of(self, delegate: Delegate, owner: Name, content: Content) -> Step[Zone]:
        zone = Zone(content.zone, (), negative_ttl=content.negative_ttl, serial=content.serial)
        if delegate.watch_servers or delegate.watch in {Watch.SERVER, Watch.NONE} or content.server is None:
            return zone
        server = content.server
        return (yield from self._published(zone, owner, content, server))

    def _published(self, zone: Zone, owner: Name, content: Content, server: Server) -> Step[Zone]:
        """The zone with the servers that the world knows, as far as they can be asked from here."""
        try:
            found = yield from self._zones.look(owner, zone.apex)
            seen = yield from self._zones.determine(found)
        except LookupFailed as error:
            why = error.problem
        else:
            others = tuple(each for each in seen.servers if each.address != server.address)
            if content.is_by_key and seen.servers and not others:
                # Unsigned, the server shows this host some view; the key shows the one that is written.
                return replace(zone, askable=Askable.WRITER)
            if seen.apex == zone.apex and not content.is_by_key:
                return seen
            own = next((r for r in found.replies if r.ask.server.address == server.address), None)
            if seen.apex == zone.apex and (own is None or seen.serial == zone.serial):
                return replace(seen, servers=others)
            why = f"unsigned, {server} shows another view" if own is not None else _elsewhere(seen)
        if not content.is_by_key:
            servers = yield from share(("own", zone.apex), lambda: self._zones.published(server, zone.apex))
            if servers:
                return replace(zone, servers=servers, notes=(f"{why}; the NS records of {show(zone.apex)} count",))
        return replace(zone, askable=Askable.NOBODY, why=why)


def _elsewhere(seen: Zone) -> str:
    servers = ", ".join(str(server) for server in seen.servers[:2])
    return f"{servers or 'nobody'} answers for it, from the zone {show(seen.apex)}"


def _alias(content: Content, owner: Name) -> Alias | None:
    return Alias(owner, content.alias, str(content.server)) if content.alias is not None else None
