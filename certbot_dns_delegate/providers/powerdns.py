"""PowerDNS Authoritative by its HTTP API (https://doc.powerdns.com/authoritative/http-api/zone.html)."""

import threading
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, Refused, WriteError
from certbot_dns_delegate.model import Limits, Sighting, Values
from certbot_dns_delegate.providers import http
from certbot_dns_delegate.providers.apexes import Apexes
from certbot_dns_delegate.providers.interface import Context, Options, Provider
from certbot_dns_delegate.providers.rrset import Change, Contended, Held, Record, edit, lock_file
from certbot_dns_delegate.schema import SECRET, TEXT, Key
from certbot_dns_delegate.text import command_line, parse_name, printable, show

PRIMARIES = frozenset({"Master", "Primary", "Producer"})
MOST_ZONES = 64 << 20
"""Bytes of a list of zones: 200,000 of them, of 300 bytes each."""
SECONDARIES = frozenset({"Slave", "Secondary", "Consumer"})


class PowerDns(Provider):
    """Writes single records (EXTEND, PRUNE) where the server can (4.9.12, 5.0.2 and later), else whole RRsets."""

    name = "powerdns"
    limits = Limits()
    KEYS = (
        *http.keys(),
        Key("api_key", SECRET, "The api-key of the server.", is_required=True),
        Key("server_id", TEXT, "The server's id; a front end may have others.", default="localhost"),
    )

    def __init__(self, options: Options, context: Context) -> None:
        self._context = context
        self._url = options["url"]
        self._client = http.Client(
            options,
            headers={"X-API-Key": options["api_key"]},
            credentials="api_key",
            wait=context.wait,
            warn=context.warn,
        )
        self.limits = replace(self.limits, proves=self._client.is_protected)
        self._path = f"api/v1/servers/{http.segment(options['server_id'])}"
        self._abilities = _Abilities()
        self._apexes = Apexes(self._zones)
        self._warned: set[tuple[Name, str]] = set()
        self._lock = threading.Lock()

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
        yield from http.validate(options, warn)
        yield from http.ends_before(options, "api/v1")
        yield from http.unsendable("api_key", options["api_key"])

    def capacity_key(self, owner: Name) -> Hashable:
        return owner

    def zone_of(self, owner: Name) -> Name | None:
        found = self._apexes.around(owner)
        return found[0] if found else None

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        self._edit(zone, values, lambda owner, held: held.extended(values[owner], ttl))
        return ()

    def withdraw(self, zone: Name, values: Values) -> None:
        self._edit(zone, values, lambda owner, held: held.pruned(values[owner]))

    def probe(self) -> str:
        return f"PowerDNS {printable(self._version(), 40)} accepts the key"

    def _zones(self) -> Iterator[tuple[Name, str]]:
        """The apexes of all zones, with the ids that they have here."""
        answer = self._client.call("GET", f"{self._path}/zones", query={"dnssec": "false"}, most=MOST_ZONES)
        for item in answer.value(list):
            with suppress(ValueError):  # a variant of a zone (5.1) has a name of its own form
                yield parse_name(answer.field(item, "name", str)), answer.field(item, "id", str)

    def _find(self, apex: Name) -> "_Zone | None":
        query = {"zone": _text(apex), "dnssec": "false"}
        answer = self._client.call("GET", f"{self._path}/zones", query=query)
        for item in answer.value(list):
            if _same(answer.field(item, "name", str), apex):
                path = f"{self._path}/zones/{answer.id(item)}"
                return _Zone(self._client, path, answer.field(item, "kind", str), self._abilities)
        return None

    def _edit(self, apex: Name, values: Values, change: Callable[[Name, Held], Held]) -> None:
        zone = self._find(apex)
        if zone is None:
            raise Refused(
                f"PowerDNS does not serve the zone {show(apex)}", command_line("pdnsutil", "create-zone", apex)
            )
        if zone.kind in SECONDARIES:
            raise Refused(f"{show(apex)} is a secondary zone here", "set url to the API of its primary")
        if self._abilities.shows_disabled is None:
            self._abilities.shows_disabled = self._shows_disabled()
        lock = lock_file(self._context.state, self.name, self._url, apex)
        edit(zone, tuple(values), change, lock=lock, wait=self._context.wait)
        if zone.why_partial and zone.is_changed:
            self._warn(apex, f"disabled TXT records at targets in {show(apex)} may be gone: {zone.why_partial}")
        if zone.is_serial_still and zone.kind != "Native":
            hint = command_line("pdnsutil", "set-meta", apex, "SOA-EDIT-API", "DEFAULT")
            self._warn(apex, f"the serial of {show(apex)} did not move: no secondary sees the change; hint: {hint}")
        if zone.is_changed and zone.kind in PRIMARIES:
            try:
                zone.notify()
            except DelegateError as error:
                # The server's own round comes within seconds, and whoever watches sees whether it did.
                hint = f"; hint: {error.hint}" if error.hint else ""
                self._warn(apex, f"NOTIFY was not sent: {error.problem}{hint}")

    def _shows_disabled(self) -> bool:
        try:
            return int(self._version().partition(".")[0]) >= 5
        except (WriteError, ValueError):
            return False  # a proxy may keep it to itself; then as with an old one

    def _version(self) -> str:
        answer = self._client.call("GET", self._path)
        return answer.field(answer.value(dict), "version", str)

    def _warn(self, apex: Name, text: str) -> None:
        with self._lock:
            if (apex, text) in self._warned:
                return
            self._warned.add((apex, text))
        self._context.warn(text)


@dataclass
class _Abilities:
    """What the server has shown it can do."""

    can_extend: bool = True
    """EXTEND and PRUNE, until it says that it cannot."""
    shows_disabled: bool | None = None
    """Disabled records, in a read of one RRset: since 5.0 (https://github.com/PowerDNS/pdns/issues/11473)."""


@dataclass
class _Zone:
    """One zone's RRsets, for :func:`edit`."""

    client: http.Client
    path: str
    kind: str
    abilities: _Abilities
    is_changed: bool = False
    is_serial_still: bool = False
    why_partial: str | None = None
    """Why disabled records may not have been seen before an RRset was written."""

    def read(self, owners: Collection[Name]) -> Mapping[Name, Held]:
        if not self.abilities.shows_disabled:
            # Any write loses what was not seen: REPLACE by its nature, EXTEND and PRUNE too (measured, 5.1.5).
            try:
                return self._read(owners, {})
            except WriteError as error:
                self.why_partial = error.problem
        return {
            owner: self._read([owner], {"rrset_name": _text(owner), "rrset_type": "TXT"})[owner] for owner in owners
        }

    def _read(self, owners: Collection[Name], query: Mapping[str, str]) -> dict[Name, Held]:
        held = {owner: Held() for owner in owners}
        by_text = {_text(owner): owner for owner in owners}
        answer = self.client.call("GET", self.path, query=query)
        # Before 4.6.2 the filters are ignored and the whole zone comes.
        for rrset in answer.field(answer.value(dict), "rrsets", list):
            owner = by_text.get(answer.field(rrset, "name", str).lower())
            if owner is not None and answer.field(rrset, "type", str) == "TXT":
                records = tuple(
                    Record(answer.field(record, "content", str), answer.field(record, "disabled", bool))
                    for record in answer.field(rrset, "records", list)
                )
                held[owner] = Held(records, answer.field(rrset, "ttl", int))
        return held

    def write(self, changes: Mapping[Name, Change]) -> None:
        can_extend = self.abilities.can_extend
        rrsets = [rrset for owner, change in changes.items() for rrset in _patches(owner, change, can_extend)]
        answer = self.client.call("PATCH", self.path, json={"rrsets": rrsets}, accept={422})
        if answer.status == 422:
            if can_extend and ("hangetype" in answer.text or "not a valid value" in answer.text):
                self.abilities.can_extend = False
                raise _stale(answer)
            raise _stale(answer) if "different TTL" in answer.text else answer.error()
        self.is_changed = True
        old, new = (answer.headers.get(f"X-PDNS-{which}-Serial") for which in ("Old", "New"))
        self.is_serial_still = new is None or new == old

    def notify(self) -> None:
        """Tell the secondaries now."""
        self.client.call("PUT", f"{self.path}/notify", repeat=True)


def _patches(owner: Name, change: Change, can_extend: bool) -> list[dict[str, Any]]:
    """What makes one change. Without a ``comments`` key the comments stay."""
    added = [record for record in change.after.records if record not in change.before.records]
    removed = [record for record in change.before.records if record not in change.after.records]
    base = {"name": _text(owner), "type": "TXT", "ttl": change.after.ttl}
    has_disabled = any(record.is_disabled for record in change.before.records)
    if not can_extend or (added and removed) or has_disabled:
        return [{**base, "changetype": "REPLACE", "records": [_json(record) for record in change.after.records]}]
    how = "EXTEND" if added else "PRUNE"
    # One record in each, and the TTL that the RRset has: 4.9.12 to 5.0.7 would store two TTLs, 5.1 refuses.
    return [{**base, "changetype": how, "records": [_json(record)]} for record in added or removed]


def _stale(answer: http.Answer) -> Contended:
    error = answer.error()
    return Contended(error.problem, error.hint)


def _json(record: Record) -> dict[str, Any]:
    return {"content": record.content, "disabled": record.is_disabled}


def _text(name: Name) -> str:
    return show(name.canonicalize())


def _same(text: str, name: Name) -> bool:
    try:
        return bool(parse_name(text) == name)
    except ValueError:
        return False
