"""Cloudflare's API v4 below its records: envelopes, pages, error codes, and which zones a token sees."""

from collections.abc import Iterable, Iterator
from typing import Any

from dns.name import Name

from certbot_dns_delegate.errors import Refused
from certbot_dns_delegate.providers import http
from certbot_dns_delegate.providers.apexes import Apexes
from certbot_dns_delegate.text import parse_name, plain

PAGES = 1000
"""Of 100 records or 50 zones; more than any plan has of ours."""
BAD_TOKEN = frozenset({6003, 9103, 9109, 10000})


class Token:
    """What one token may see and do."""

    def __init__(self, client: http.Client) -> None:
        self._client = client
        self._zones: dict[Name, str | None] = {}
        self.apexes = Apexes(self._list)
        """The ids of the zones that the token may list."""

    def call(self, method: str, path: str, **more: Any) -> http.Answer:
        """As :meth:`~certbot_dns_delegate.providers.http.Client.call`; an envelope without success is an error too."""
        answer = self._client.call(method, path, **more)
        if answer.is_success and answer.value(dict).get("success") is not True:
            raise answer.error()
        return answer

    def pages(self, path: str, **query: str) -> Iterator[tuple[http.Answer, Any]]:
        """Every item of a list, with the answer it came in."""
        for page in range(1, PAGES + 1):
            answer = self.call("GET", path, query={**query, "page": str(page)})
            for item in result(answer, list):
                yield answer, item
            info = answer.field(answer.value(dict), "result_info", dict)
            if page >= answer.field(info, "total_pages", int):
                return
        raise answer.unusable("its list does not end")

    def apex(self, zone_id: str) -> Name | None:
        """The apex of a zone; None where the token may not read it."""
        answer = self.call("GET", f"zones/{zone_id}", accept={403})
        return _name(answer, result(answer, dict)) if answer.is_success else None

    def zone_id(self, apex: Name) -> str | None:
        """The id of a zone; None where the token sees no such zone."""
        if apex not in self._zones:
            answer = self.call("GET", "zones", query={"name": text(apex), "per_page": "50"}, accept={400, 403})
            if answer.is_success:
                self._zones[apex] = dict(_active((answer, zone) for zone in result(answer, list))).get(apex)
            elif codes(answer) & BAD_TOKEN:
                raise Refused(answer.error().problem, "check api_token")
            else:
                # Some tokens of one zone may list it but not ask for it by name, others neither.
                found = self.apexes.around(apex)
                self._zones[apex] = found[1] if found and found[0] == apex else None
        return self._zones[apex]

    def _list(self) -> Iterator[tuple[Name, str]]:
        try:
            yield from _active(self.pages("zones", per_page="50"))
        except Refused as error:
            raise Refused(error.problem, "set zone_id, from the overview page of the zone") from None


def _active(zones: Iterable[tuple[http.Answer, Any]]) -> Iterator[tuple[Name, str]]:
    """The zones with their ids; of several with one name the active one comes last, and so counts."""
    named = [(name, of, zone) for of, zone in zones if (name := _name(of, zone)) is not None]
    for name, of, zone in sorted(named, key=lambda each: each[2].get("status") == "active"):
        yield name, of.id(zone)


def result(answer: http.Answer, kind: type) -> Any:
    """What the envelope holds."""
    return answer.field(answer.value(dict), "result", kind)


def codes(answer: http.Answer) -> set[int]:
    """The codes of the errors in an answer."""
    errors = answer.value(dict).get("errors")
    return {answer.field(error, "code", int) for error in errors} if isinstance(errors, list) else set()


def text(name: Name) -> str:
    """A name as the API spells it."""
    return plain(name)


def _name(answer: http.Answer, zone: Any) -> Name | None:
    """The apex; None for a name that the service has and IDNA 2008 forbids: none of ours lies in it."""
    try:
        return parse_name(answer.field(zone, "name", str))
    except ValueError:
        return None
