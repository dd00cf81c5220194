"""The HTTP API of PowerDNS Authoritative, as its versions differ for one who edits TXT RRsets.

Since 4.6.2 a zone can be read filtered, though without disabled records before 5.0; 4.9.12 and 5.0.2 brought EXTEND
and PRUNE, which lose the RRset's disabled records (measured, 4.9.18 and 5.1.5); 5.1 refuses a record whose TTL differs
from its RRset's. A NOTIFY is remembered; a zone without SOA-EDIT-API keeps its serial.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.servers import txt
from tests.servers.web import Answer, Request, Service, main

KEY = "a-powerdns-key"


class Invalid(Exception):
    """422 with this text."""


@dataclass
class Zone:
    name: str
    kind: str = "Native"
    serial: int = 2026010100
    edits_serial: bool = True
    rrsets: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return re.sub(r"[^A-Za-z0-9.-]", lambda m: f"={ord(m[0]):02X}", self.name)


class PowerDns(Service):
    """Zones by absolute name; ``version`` decides what it understands."""

    def __init__(self, *zones: Zone, version: str = "5.1.4") -> None:
        super().__init__()
        self.zones = {zone.name: zone for zone in zones}
        self.version = version
        self.notified: list[str] = []
        number = tuple(int(part) for part in version.split("."))
        self.extends = number >= (5, 0, 2) or (4, 9, 12) <= number < (5,)
        self.compares_ttl = number >= (5, 1)
        self.shows_disabled = number >= (5,)
        self.filters = number >= (4, 6, 2)

    def rrset(self, owner: str) -> dict[str, Any] | None:
        """The TXT RRset at an absolute name, whichever zone holds it."""
        return next((z.rrsets[owner, "TXT"] for z in self.zones.values() if (owner, "TXT") in z.rrsets), None)

    def values(self, owner: str) -> frozenset[str]:
        """What a name server would serve."""
        rrset = self.rrset(owner) or {"records": []}
        return frozenset(txt.read(r["content"]) for r in rrset["records"] if not r["disabled"])

    def plant(self, owner: str, *contents: str, ttl: int = 300, disabled: bool = False, comment: str = "") -> None:
        """Records of another host or person."""
        zone = next(z for z in self.zones.values() if owner.endswith(z.name))
        rrset = zone.rrsets.setdefault(
            (owner, "TXT"), {"name": owner, "type": "TXT", "ttl": ttl, "records": [], "comments": []}
        )
        rrset["records"] += [{"content": content, "disabled": disabled} for content in contents]
        rrset["comments"] += [{"content": comment, "account": "", "modified_at": 0}] if comment else []

    def answer(self, request: Request) -> Answer:
        if request.headers.get("x-api-key") != KEY:
            return Answer(
                401, {"error": "Unauthorized"} if "json" in request.headers.get("accept", "") else "Unauthorized"
            )
        if request.path[:4] != ("api", "v1", "servers", "localhost"):
            return Answer(404, {"error": "Not Found"})
        match request.method, request.path[4:]:
            case "GET", ():
                return Answer(200, {"type": "Server", "id": "localhost", "version": self.version})
            case "GET", ("zones",):
                asked = request.query.get("zone")
                return Answer(200, [self._head(z) for z in self.zones.values() if asked in {None, z.name}])
            case _, ("zones", zone_id, *rest):
                zone = next((z for z in self.zones.values() if _decoded(zone_id) == z.name), None)
                if zone is None:
                    return Answer(404, {"error": f"Could not find domain '{zone_id}'"})
                return self._zone(request, zone, rest)
        return Answer(404, {"error": "Not Found"})

    def _head(self, zone: Zone) -> dict[str, Any]:
        return {"id": zone.id, "name": zone.name, "kind": zone.kind, "serial": zone.serial, "type": "Zone"}

    def _zone(self, request: Request, zone: Zone, rest: list[str]) -> Answer:
        match request.method, rest:
            case "GET", []:
                wanted = request.query.get("rrset_name") if self.filters else None
                rdtype = request.query.get("rrset_type") if wanted else None
                chosen = [r for (n, t), r in zone.rrsets.items() if wanted in {None, n} and rdtype in {None, t}]
                if wanted and not self.shows_disabled:
                    chosen = [{**r, "records": [x for x in r["records"] if not x["disabled"]]} for r in chosen]
                return Answer(200, {**self._head(zone), "rrsets": [r for r in chosen if r["records"]]})
            case "PATCH", []:
                return self._patch(zone, request.body)
            case "PUT", ["notify"]:
                if zone.kind != "Master":
                    return Answer(422, {"error": f"Domain '{zone.name}' is not a primary domain"})
                self.notified.append(zone.name)
                return Answer(200, {"result": "Notification queued"})
        return Answer(405, {"error": "Method Not Allowed"})

    def _patch(self, zone: Zone, body: Any) -> Answer:
        if not isinstance(body, dict) or not isinstance(body.get("rrsets"), list):
            return Answer(400, {"error": "Request body is not valid JSON"})
        draft, seen = dict(zone.rrsets), set()
        try:
            if zone.kind == "Slave":
                raise Invalid("Can't modify a secondary zone")
            for change in body["rrsets"]:
                self._change(zone, draft, seen, change)
        except Invalid as error:
            return Answer(422, {"error": str(error)})
        old, zone.rrsets = zone.serial, draft
        if not zone.edits_serial:
            return Answer(204)
        zone.serial += 1
        return Answer(204, None, {"X-PDNS-Old-Serial": str(old), "X-PDNS-New-Serial": str(zone.serial)})

    def _change(self, zone: Zone, draft: dict[tuple[str, str], Any], seen: set[Any], change: Any) -> None:
        name, rdtype, how = change.get("name", ""), change.get("type", ""), change.get("changetype", "").upper()
        key, at = (name, rdtype), f"RRset {name} IN {rdtype}"
        if not name.endswith("."):
            raise Invalid(f"DNS Name '{name}' is not canonical")
        if not name.endswith("." + zone.name) and name != zone.name:
            raise Invalid(f"{at}: Name is out of zone")
        if how not in {"REPLACE", "DELETE"} and not (self.extends and how in {"EXTEND", "PRUNE"}):
            raise Invalid("Changetype not understood")
        if how in {"REPLACE", "DELETE"} and key in seen:
            raise Invalid(f"Duplicate RRset {name} IN {rdtype} with changetype: {how}")
        seen.add(key)
        if how == "DELETE":
            draft.pop(key, None)
            return
        if not isinstance(change.get("ttl"), int) and (change.get("records") or how != "REPLACE"):
            raise Invalid("Key 'ttl' not an Integer or not present")
        records = [_record(r, rdtype, name) for r in change.get("records", [])]
        if how != "REPLACE" and len(records) != 1:
            raise Invalid(f"Exactly one record should be provided for {how}")
        if how != "PRUNE" and records and (name, "CNAME") in draft:
            raise Invalid(f"{at}: Conflicts with pre-existing RRset")
        if len({r["content"] for r in records}) < len(records):
            raise Invalid(f"{at}: duplicate record")
        held = draft.get(key, {"name": name, "type": rdtype, "ttl": change.get("ttl"), "records": [], "comments": []})
        if how != "REPLACE":
            held = {**held, "records": [r for r in held["records"] if not r["disabled"]]}
        if how == "PRUNE":
            records = [r for r in held["records"] if r["content"] != records[0]["content"]]
        elif how == "EXTEND":
            if self.compares_ttl and held["records"] and held["ttl"] != change["ttl"]:
                raise Invalid(f"{at}: uses a different TTL value than the remainder of the RRset")
            known = {r["content"] for r in held["records"]}
            records = held["records"] + [r for r in records if r["content"] not in known]
        ttl = change["ttl"] if how == "REPLACE" and records else held["ttl"]
        draft[key] = {**held, "ttl": ttl, "records": records}
        if not records:
            del draft[key]


def _record(record: Any, rdtype: str, name: str) -> dict[str, Any]:
    content = record["content"]
    if rdtype == "TXT" and not txt.STRINGS.fullmatch(content):
        raise Invalid(f"Record {name}/TXT '{content}': Not in expected format (parsed as '')")
    return {"content": content, "disabled": bool(record.get("disabled", False))}


def _decoded(zone_id: str) -> str:
    name = re.sub(r"=([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), zone_id)
    return name if name.endswith(".") else name + "."


if __name__ == "__main__":
    main(PowerDns(Zone("acme.example.")))
