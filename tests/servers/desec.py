"""deSEC's API (https://desec.readthedocs.io/en/latest/dns/rrsets.html), as far as RRsets of one account go.

A write replaces a whole RRset. Lists of more than 500 need a cursor. Writes are counted by sliding windows per domain,
and reads per user, as on the hosted service, unless other windows are given.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.servers import txt
from tests.servers.web import Answer, Request, Service, main

TOKEN = "a-desec-token"
HOSTED = ((2, 1), (15, 60), (100, 3600), (300, 86400))
"""Writes per seconds and domain (https://desec.readthedocs.io/en/latest/rate-limits.html)."""
HOSTED_READS = ((10, 1), (50, 60))
"""Reads per seconds and user (desec-stack, api/settings.py: dns_api_cheap)."""
PAGE = 500
DUPLICATE = "Another RRset with the same subdomain and type exists for this domain."


class Invalid(Exception):
    """400 with these messages by field."""

    def __init__(self, **messages: str) -> None:
        super().__init__(messages)
        self.body = {name: [message] for name, message in messages.items()}


class Desec(Service):
    """Domains by name, with their minimum TTL; ``writable`` holds the subnames that the token may write (None: all)."""

    def __init__(
        self,
        *domains: str,
        minimum_ttl: int = 3600,
        writable: set[str] | None = None,
        windows: Sequence[tuple[int, int]] = HOSTED,
        reads: Sequence[tuple[int, int]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.url += "/api/v1"
        self.rrsets: dict[str, dict[tuple[str, str], dict[str, Any]]] = {domain: {} for domain in domains}
        self.minimum_ttl, self.writable, self.windows, self.clock = minimum_ttl, writable, windows, clock
        self.writes: dict[str, list[float]] = {domain: [] for domain in domains}
        self.read_windows = (HOSTED_READS if windows else ()) if reads is None else reads
        self.reads: list[float] = []
        self.throttled: list[Request] = []

    def values(self, domain: str, subname: str) -> frozenset[str]:
        """What the name servers would serve."""
        rrset = self.rrsets[domain].get((subname, "TXT"), {"records": []})
        return frozenset(txt.read(record) for record in rrset["records"])

    def plant(self, domain: str, subname: str, *records: str, ttl: int = 3600) -> None:
        """An RRset of another host or person."""
        self.rrsets[domain][subname, "TXT"] = _shown(domain, subname, "TXT", list(records), ttl)

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Token {TOKEN}":
            return Answer(401, {"detail": "Invalid token."})
        if request.method == "GET" and (seconds := self._wait(self.reads, self.read_windows)):
            return self._throttle(request, seconds)
        match request.path:
            case ("api", "v1", "domains", ""):
                return self._domains(request)
            case ("api", "v1", "domains", domain, *rest, "") if domain in self.rrsets:
                if not rest and request.method == "GET":
                    return Answer(200, self._domain(domain))
                if rest[:1] == ["rrsets"]:
                    return self._rrsets(request, domain, rest[1:])
        return Answer(404, {"detail": "Not found."})

    def _domain(self, name: str) -> dict[str, Any]:
        return {"name": name, "minimum_ttl": self.minimum_ttl, "published": None, "touched": None, "created": None}

    def _domains(self, request: Request) -> Answer:
        if "owns_qname" in request.query:
            qname = request.query["owns_qname"]
            owning = [d for d in self.rrsets if qname == d or qname.endswith("." + d)]
            return Answer(200, [self._domain(d) for d in sorted(owning, key=len)[-1:]])
        return _page(request, self.url + "/domains/", [self._domain(d) for d in sorted(self.rrsets)])

    def _rrsets(self, request: Request, domain: str, rest: list[str]) -> Answer:
        held = self.rrsets[domain]
        if request.method != "GET" and (seconds := self._wait(self.writes[domain], self.windows)):
            return self._throttle(request, seconds)
        try:
            match request.method, rest:
                case "GET", []:
                    wanted = {k: v for k, v in request.query.items() if k in {"subname", "type"}}
                    chosen = [r for _, r in sorted(held.items()) if all(r[k] == v for k, v in wanted.items())]
                    return _page(request, f"{self.url}/domains/{domain}/rrsets/", chosen)
                case "POST" | "PUT" | "PATCH", []:
                    return self._bulk(request, domain)
                case method, [subname, rdtype]:
                    key = ("" if subname == "@" else subname.removesuffix("..."), rdtype)
                    return self._one(request, method, domain, key)
        except Invalid as error:
            return Answer(400, error.body)
        return Answer(405, {"detail": f'Method "{request.method}" not allowed.'})

    def _one(self, request: Request, method: str, domain: str, key: tuple[str, str]) -> Answer:
        held = self.rrsets[domain]
        if method == "DELETE":
            if not self._may_write(key):
                return FORBIDDEN
            held.pop(key, None)
            return Answer(204)
        if key not in held:
            return Answer(404, {"detail": "Not found."})
        if method == "GET":
            return Answer(200, held[key])
        if not self._may_write(key):
            return FORBIDDEN
        draft = dict(held)
        changed = self._write(draft, domain, {**request.body, "subname": key[0], "type": key[1]}, method)
        self.rrsets[domain] = draft
        return Answer(204) if changed is None else Answer(200, changed)

    def _bulk(self, request: Request, domain: str) -> Answer:
        """All or nothing; the problems are listed in the order of the request."""
        items = request.body if isinstance(request.body, list) else [request.body]
        if not all(isinstance(item, dict) for item in items):
            return Answer(400, {"non_field_errors": ["Expected a list of items."]})
        draft, problems, changed, seen = dict(self.rrsets[domain]), [], [], set()
        for item in items:
            key = (item.get("subname", ""), item.get("type", ""))
            if not self._may_write(key):
                return FORBIDDEN
            try:
                if key in seen:
                    raise Invalid(non_field_errors="Same subname and type as in position(s) 0, but must be unique.")
                seen.add(key)
                changed.append(self._write(draft, domain, item, request.method))
                problems.append({})
            except Invalid as error:
                problems.append(error.body)
        if any(problems):
            return Answer(400, problems if isinstance(request.body, list) else problems[0])
        self.rrsets[domain] = draft
        status = 201 if request.method == "POST" else 200
        return Answer(status, [c for c in changed if c] if isinstance(request.body, list) else changed[0])

    def _write(
        self, draft: dict[tuple[str, str], dict[str, Any]], domain: str, item: dict[str, Any], method: str
    ) -> dict[str, Any] | None:
        key = (item.get("subname", ""), item.get("type"))
        if not key[1]:
            raise Invalid(type="This field is required.")
        if method == "POST" and key in draft:
            raise Invalid(non_field_errors=DUPLICATE)
        held = draft.get(key, {})
        needed = ["records"] if held and method == "PATCH" else ["records", "ttl"]
        records = item.get("records", held.get("records") if method == "PATCH" else None)
        if records == [] and method != "POST":
            draft.pop(key, None)
            return None
        ttl = item.get("ttl", held.get("ttl") if method == "PATCH" else None)
        for name, value in {"records": records, "ttl": ttl}.items():
            if value is None and name in needed:
                raise Invalid(**{name: "This field is required."})
        if "ttl" in item and int(ttl) < self.minimum_ttl:
            raise Invalid(ttl=f"Ensure this value is greater than or equal to {self.minimum_ttl}.")
        if "ttl" in item and int(ttl) > 86400:
            raise Invalid(ttl="Ensure this value is less than or equal to 86400.")
        if len(key[0]) > 178:
            raise Invalid(subname="Ensure this field has no more than 178 characters.")
        if key[1] == "TXT" and not all(txt.STRINGS.fullmatch(record) for record in records):
            raise Invalid(records="Record content for TXT must be enclosed in double quotes.")
        if len(set(records)) < len(records):
            raise Invalid(records="Duplicate records are not allowed.")
        if len(records) > 4091:
            raise Invalid(records="Ensure this field has no more than 4091 elements.")
        draft[key] = _shown(domain, key[0], key[1], sorted(records), int(ttl))
        return draft[key]

    def _may_write(self, key: tuple[str, str]) -> bool:
        return self.writable is None or (key[1] == "TXT" and key[0] in self.writable)

    def _wait(self, times: list[float], windows: Sequence[tuple[int, int]]) -> int:
        """Seconds until a further request is allowed; 0 counts it."""
        now = self.clock()
        for count, seconds in windows:
            if len(times) >= count and now - times[-count] < seconds:
                return max(1, math.ceil(seconds - (now - times[-count])))
        times.append(now)
        return 0

    def _throttle(self, request: Request, seconds: int) -> Answer:
        self.throttled.append(request)
        detail = f"Request was throttled. Expected available in {seconds} second{'' if seconds == 1 else 's'}."
        return Answer(429, {"detail": detail}, {"Retry-After": str(seconds)})


FORBIDDEN = Answer(403, {"detail": "Insufficient token permissions."})
CONFLICT = Answer(409, {"detail": "Conflict: The request could not be completed; try again."})
"""What two requests that make one RRset at the same time get (desec-stack, api/desecapi/exception_handlers.py)."""


def _shown(domain: str, subname: str, rdtype: str, records: list[str], ttl: int) -> dict[str, Any]:
    name = f"{subname}.{domain}." if subname else f"{domain}."
    return {"domain": domain, "subname": subname, "name": name, "type": rdtype, "records": records, "ttl": ttl}


def _page(request: Request, url: str, items: list[Any]) -> Answer:
    """A list of at most 500; a longer one only with a cursor, its further pages named by a Link header."""
    cursor = request.query.get("cursor")
    if cursor is None and len(items) > PAGE:
        detail = f"Pagination required. You can query up to {PAGE} items at a time ({len(items)} total)."
        return Answer(400, {"detail": detail}, {"Link": f'<{url}?cursor=>; rel="first"'})
    start = int(cursor or 0)
    further = "&".join(f"{k}={v}" for k, v in request.query.items() if k != "cursor")
    links = [f'<{url}?{further}&cursor=>; rel="first"']
    if start + PAGE < len(items):
        links.append(f'<{url}?{further}&cursor={start + PAGE}>; rel="next"')
    return Answer(200, items[start : start + PAGE], {"Link": ", ".join(links)} if cursor is not None else {})


if __name__ == "__main__":
    main(Desec("acme.example"))
