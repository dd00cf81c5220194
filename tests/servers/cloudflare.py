"""Cloudflare's API v4 (https://developers.cloudflare.com/api/resources/dns), as far as TXT records of zones go.

Every record has an id. A name outside the zone gets the zone's appended. Content is kept as it was sent, quoted or not,
and compared without quotes.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from tests.servers import txt
from tests.servers.web import Answer, Request, Service, main

TOKEN = "a-cloudflare-token"
BATCH = 200
"""Changes in one batch on the Free plan."""


class Invalid(Exception):
    """An error of the envelope."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass
class Zone:
    name: str
    id: str
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: str = "active"
    """Of several zones with one name one is active; others are pending, moved or purged."""


class Cloudflare(Service):
    """Zones of one account; ``lists_zones`` False: the token may not list them, ``filters_zones`` False: by name."""

    def __init__(
        self, *names: str, lists_zones: bool = True, filters_zones: bool = True, reads_zone: bool = True
    ) -> None:
        super().__init__()
        self.url += "/client/v4"
        self.zones = {f"{n + 0xABC:032x}": Zone(name, f"{n + 0xABC:032x}") for n, name in enumerate(names)}
        self.lists_zones, self.filters_zones, self.reads_zone = lists_zones, filters_zones, reads_zone
        self.knows_tokens = True
        self._next = 0x1000

    def zone(self, name: str) -> Zone:
        return next(zone for zone in self.zones.values() if zone.name == name)

    def records(self, owner: str) -> list[dict[str, Any]]:
        return [r for z in self.zones.values() for r in z.records.values() if r["name"] == owner]

    def values(self, owner: str) -> frozenset[str]:
        """What a name server would serve."""
        return frozenset(txt.read(r["content"]) for r in self.records(owner) if r["type"] == "TXT")

    def plant(self, owner: str, content: str, ttl: int = 300, rdtype: str = "TXT", comment: str | None = None) -> None:
        """A record of another host or person."""
        zone = next(z for z in self.zones.values() if owner.endswith(z.name))
        body = {"type": rdtype, "name": owner, "content": content, "ttl": ttl, "comment": comment}
        self._create(zone, zone.records, body)

    def answer(self, request: Request) -> Answer:
        try:
            result, info = self._answer(request)
        except Invalid as error:
            return Answer(error.status, _envelope(None, [{"code": error.code, "message": error.message}]))
        return Answer(200, {**_envelope(result, []), **({"result_info": info} if info else {})})

    def _answer(self, request: Request) -> tuple[Any, Any]:
        given = request.headers.get("authorization", "")
        if not given.startswith("Bearer "):
            raise Invalid(6003, "Invalid request headers")
        if not self.knows_tokens:
            raise Invalid(10000, "Authentication error", 403)
        if given != f"Bearer {TOKEN}":
            raise Invalid(9109, "Invalid access token", 403)
        match request.method, request.path[2:]:
            case "GET", ("zones",):
                return self._list_zones(request)
            case method, ("zones", zone_id, *rest) if zone_id in self.zones:
                return self._zone(request, method, self.zones[zone_id], rest)
        raise Invalid(7003, f"Could not route to /{'/'.join(request.path)}, perhaps your object identifier is invalid?")

    def _list_zones(self, request: Request) -> tuple[Any, Any]:
        if not self.lists_zones:
            need = "com.cloudflare.api.account.zone.list"
            raise Invalid(0, f"Actor 'com.cloudflare.api.token.1' requires permission '{need}' to list zones", 403)
        name = request.query.get("name")
        if name is not None and not self.filters_zones:
            raise Invalid(1001, "Invalid filter")
        found = [_head(zone) for zone in self.zones.values() if name in {None, zone.name}]
        return _page(request, found, 50)

    def _zone(self, request: Request, method: str, zone: Zone, rest: list[str]) -> tuple[Any, Any]:
        match method, rest:
            case "GET", []:
                if not self.reads_zone:
                    raise Invalid(9109, "Unauthorized to access requested resource", 403)
                return _head(zone), None
            case "GET", ["dns_records"]:
                return _page(request, [r for r in zone.records.values() if _matches(r, request)], 5000)
            case "POST", ["dns_records"]:
                return self._create(zone, zone.records, request.body), None
            case "POST", ["dns_records", "batch"]:
                return self._batch(zone, request.body), None
            case "DELETE", ["dns_records", record_id]:
                return _delete(zone.records, record_id), None
        raise Invalid(7000, "No route for that URI", 404)

    def _batch(self, zone: Zone, body: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """One transaction: deletes, then posts."""
        if sum(len(changes) for changes in body.values()) > BATCH:
            raise Invalid(81000, f"A batch must not hold more than {BATCH} changes")
        draft = dict(zone.records)
        deletes = [_delete(draft, change["id"]) for change in body.get("deletes", [])]
        posts = [self._create(zone, draft, change) for change in body.get("posts", [])]
        zone.records = draft
        return {"deletes": deletes, "patches": [], "puts": [], "posts": posts}

    def _create(self, zone: Zone, records: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        name, ttl, comment = body["name"].lower().rstrip("."), int(body.get("ttl", 1)), body.get("comment")
        if name != zone.name and not name.endswith("." + zone.name):
            name = f"{name}.{zone.name}"
        if ttl != 1 and not 60 <= ttl <= 86400:
            raise Invalid(9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
        if comment and (len(comment) > 100 or "\n" in comment):
            raise Invalid(9207, "DNS record comment is too long or has a line break")
        same = [r for r in records.values() if r["name"] == name]
        if any(r["type"] == "CNAME" for r in same):
            raise Invalid(81053, "An A, AAAA, or CNAME record with that host already exists.")
        if any((r["type"], txt.read(r["content"])) == (body["type"], txt.read(body["content"])) for r in same):
            raise Invalid(81058, "An identical record already exists.")
        self._next += 1
        record = {
            "id": f"{self._next:032x}",
            "name": name,
            "type": body["type"],
            "content": body["content"],
            "ttl": ttl,
            "comment": comment,
            "proxied": False,
        }
        records[record["id"]] = record
        return record


def _delete(records: dict[str, Any], record_id: str) -> dict[str, str]:
    if record_id not in records:
        raise Invalid(81044, "Record does not exist.", 404)
    del records[record_id]
    return {"id": record_id}


def _matches(record: dict[str, Any], request: Request) -> bool:
    asked = request.query
    name = asked.get("name", asked.get("name.exact"))
    content = asked.get("content", asked.get("content.exact"))
    return (
        asked.get("type") in {None, record["type"]}
        and (name is None or name.lower() == record["name"])
        and (content is None or txt.read(content) == txt.read(record["content"]))
    )


def _head(zone: Zone) -> dict[str, Any]:
    return {"id": zone.id, "name": zone.name, "status": zone.status, "type": "full"}


def _page(request: Request, items: list[Any], most: int) -> tuple[list[Any], dict[str, int]]:
    page, size = int(request.query.get("page", 1)), min(int(request.query.get("per_page", 20)), most)
    shown = items[(page - 1) * size : page * size]
    total = math.ceil(len(items) / size)
    info = {"page": page, "per_page": size, "count": len(shown), "total_count": len(items), "total_pages": total}
    return shown, info


def _envelope(result: Any, errors: list[Any]) -> dict[str, Any]:
    return {"success": not errors, "errors": errors, "messages": [], "result": result}


if __name__ == "__main__":
    main(Cloudflare("acme.example"))
