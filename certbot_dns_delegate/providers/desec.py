"""deSEC, hosted or self-hosted (https://desec.readthedocs.io/en/latest/dns/rrsets.html)."""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from dns.name import Name

from certbot_dns_delegate.errors import Refused
from certbot_dns_delegate.model import Limits, Sighting, Values
from certbot_dns_delegate.providers import http
from certbot_dns_delegate.providers.apexes import Apexes
from certbot_dns_delegate.providers.interface import Context, Options, Provider
from certbot_dns_delegate.providers.rrset import Change, Contended, Held, Record, edit, lock_file
from certbot_dns_delegate.schema import SECRET, Key, Secret
from certbot_dns_delegate.text import parse_name, plain, show

FEW = 1
"""Owners that are read one by one; more of them are picked from the zone's list, as reads are limited to 10 a second
and 50 a minute (https://desec.readthedocs.io/en/latest/rate-limits.html)."""
UNWRITTEN = frozenset({409, 429})
"""A conflict with another request, whose transaction was rolled back; a request above a rate limit."""
PAGES = 200
"""Of 500 items: no list of ours is longer, whatever a cursor says."""


class Desec(Provider):
    """Changes all targets of a zone by one atomic request: two writes in a second are all that a domain may have."""

    name = "desec"
    limits = Limits()  # 64,000 bytes an RRset: more values than a certificate has names
    KEYS = (
        *http.keys(url="https://desec.io/api/v1"),
        Key("token", SECRET, "An API token, best with a policy for one RRset.", is_required=True),
    )

    def __init__(self, options: Options, context: Context) -> None:
        self._context = context
        self._url = options["url"]
        token: Secret = options["token"]
        header = {"Authorization": Secret(f"Token {token.reveal()}")}
        self._client = http.Client(
            options,
            headers=header,
            secrets=[token],
            credentials="token",
            unwritten=UNWRITTEN,
            wait=context.wait,
            warn=context.warn,
        )
        self.limits = replace(self.limits, proves=self._client.is_protected)
        self._lowest: dict[Name, int] = {}
        self._apexes = Apexes(self._domains)

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
        yield from http.validate(options, warn)
        yield from http.unsendable("token", options["token"])

    def capacity_key(self, owner: Name) -> Hashable:
        return owner

    def zone_of(self, owner: Name) -> Name | None:
        found = self._apexes.around(owner)
        if found is None:
            return None
        apex, self._lowest[found[0]] = found
        return apex

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        ttl = max(ttl, self._lowest_ttl(zone))
        self._edit(zone, values, lambda owner, held: held.extended(values[owner], ttl))
        return ()

    def withdraw(self, zone: Name, values: Values) -> None:
        self._edit(zone, values, lambda owner, held: held.pruned(values[owner]))

    def probe(self) -> str:
        count = sum(1 for _ in self._domains())
        return f"deSEC accepts the token; {count} domains are there"

    def _domains(self) -> Iterator[tuple[Name, int]]:
        """The domains of the account, with the lowest TTL of each."""
        for answer, domain in _pages(self._client, "domains/", {}):
            try:
                apex = parse_name(answer.field(domain, "name", str))
            except ValueError as error:
                raise answer.unusable(str(error)) from None
            yield apex, answer.field(domain, "minimum_ttl", int)

    def _lowest_ttl(self, zone: Name) -> int:
        if zone not in self._lowest:
            answer = self._client.call("GET", f"domains/{http.segment(_text(zone))}/", accept={404})
            if answer.status == 404:
                hint = "a domain is added at the service's web page, and its parent delegates to its name servers"
                raise Refused(f"the account of this token has no domain {show(zone)}", hint)
            self._lowest[zone] = answer.field(answer.value(dict), "minimum_ttl", int)
        return self._lowest[zone]

    def _edit(self, zone: Name, values: Values, change: Callable[[Name, Held], Held]) -> None:
        lock = lock_file(self._context.state, self.name, self._url, zone)
        edit(_Domain(self._client, zone), tuple(values), change, lock=lock, wait=self._context.wait)


class _Domain:
    """One domain's RRsets, for :func:`edit`."""

    def __init__(self, client: http.Client, zone: Name) -> None:
        self._client = client
        self._zone = zone
        self._path = f"domains/{http.segment(_text(zone))}/rrsets/"

    def read(self, owners: Collection[Name]) -> Mapping[Name, Held]:
        if len(owners) <= FEW:
            return {owner: self._one(owner) for owner in owners}
        held = {owner: Held() for owner in owners}
        by_subname = {self._subname(owner): owner for owner in owners}
        for answer, rrset in _pages(self._client, self._path, {"type": "TXT"}):
            owner = by_subname.get(answer.field(rrset, "subname", str))
            if owner is not None and answer.field(rrset, "type", str) == "TXT":
                held[owner] = _held(answer, rrset)
        return held

    def _one(self, owner: Name) -> Held:
        segment = http.segment(self._subname(owner) or "@")
        answer = self._client.call("GET", f"{self._path}{segment}/TXT/", accept={404})
        return Held() if answer.status == 404 else _held(answer, answer.value(dict))

    def write(self, changes: Mapping[Name, Change]) -> None:
        body = [
            # Without a TTL the RRset keeps its own, which may be lower than what could be set today. No records: gone.
            {"subname": self._subname(owner), "type": "TXT", "records": _contents(change.after)}
            | ({} if change.before.records else {"ttl": change.after.ttl})
            for owner, change in changes.items()
        ]
        answer = self._client.call("PATCH", self._path, json=body, accept={400, 409})
        if answer.status == 409:  # another request made the same RRset at the same time
            error = answer.error(is_unknown=False)
            raise Contended(error.problem, error.hint)
        if answer.status == 400:
            error = answer.error()
            # What stood there in our look is gone, and the new RRset would need a TTL.
            is_stale = "required" in answer.text and any(change.before.records for change in changes.values())
            raise Contended(error.problem, error.hint) if is_stale else error

    def _subname(self, owner: Name) -> str:
        subname = show(owner.canonicalize().relativize(self._zone))
        return "" if subname == "@" else subname


def _pages(client: http.Client, path: str, query: Mapping[str, str]) -> Iterator[tuple[http.Answer, Any]]:
    """Every item of a list, with the answer it came in; a cursor makes any number of items come in pages."""
    cursor: str | None = ""
    for _ in range(PAGES):
        answer = client.call("GET", path, query={**query, "cursor": cursor or ""})
        for item in answer.value(list):
            yield answer, item
        cursor = _next_cursor(answer.headers.get("Link", ""))
        if cursor is None:
            return
    raise answer.unusable("its list does not end")


def _held(answer: http.Answer, rrset: Any) -> Held:
    contents = answer.field(rrset, "records", list)
    if not all(isinstance(content, str) for content in contents):
        raise answer.unusable("its records are no text")
    return Held(tuple(map(Record, contents)), answer.field(rrset, "ttl", int))


def _contents(held: Held) -> list[str]:
    """Each once: the service refuses a second."""
    return list(dict.fromkeys(record.content for record in held.records))


def _next_cursor(link: str) -> str | None:
    """The cursor of the next page (RFC 8288); nothing else of the URL is used, as it could lead anywhere."""
    for url, rel in (part.split(">", 1) for part in link.split("<") if ">" in part):
        if 'rel="next"' in rel:
            return next(iter(parse_qs(url.partition("?")[2]).get("cursor", [])), None)
    return None


def _text(name: Name) -> str:
    return plain(name)
