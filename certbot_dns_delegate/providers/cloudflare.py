"""Cloudflare by its API v4 (https://developers.cloudflare.com/api/resources/dns/subresources/records)."""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from dns.name import Name
from zope.interface import implementer

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, Refused, WriteError
from certbot_dns_delegate.model import Limits, Sighting, Values
from certbot_dns_delegate.providers import http
from certbot_dns_delegate.providers.interface import Context, IProvider, Options
from certbot_dns_delegate.providers.rrset import in_quotes
from certbot_dns_delegate.schema import SECRET, TEXT, Key, Kind, Secret
from certbot_dns_delegate.text import parse_name, show

FEW = 4
"""Changes that are made one by one; more go into batches."""
BATCH = 200
"""Changes in one batch on the Free plan (https://developers.cloudflare.com/dns/manage-dns-records/how-to/batch-record-changes/)."""
PAGES = 1000
"""Of 100 records or 50 zones; more than any plan has of ours."""
COMMENT = "ACME challenge of certbot-dns-delegate; goes away after the validation"
"""One line, below the 100 characters of the Free plan."""

EXISTS = frozenset({81057, 81058})
GONE = frozenset({81044})
BAD_TOKEN = frozenset({6003, 9103, 9109, 10000})


def _refuse(_: str) -> Any:
    raise ValueError("belongs to the legacy key, which may do anything in the account: make a token, set api_token")


LEGACY = Kind("refused", _refuse)


@implementer(IProvider)
class Cloudflare:
    """Writes and deletes records by their ids, so that hosts never touch each other's."""

    name = "cloudflare"
    limits = Limits(lowest_ttl=60)
    KEYS = (
        *http.keys(url="https://api.cloudflare.com/client/v4"),
        Key("api_token", SECRET, "An API token with the permission Zone / DNS / Edit on one zone.", is_required=True),
        Key("zone_id", TEXT, "The zone's id, for a token that may not list zones."),
        Key("email", LEGACY, "Refused: half of the legacy key."),
        Key("api_key", LEGACY, "Refused: the legacy key, which may do anything in the account."),
    )

    def __init__(self, options: Options, context: Context) -> None:
        token: Secret = options["api_token"]
        header = {"Authorization": Secret(f"Bearer {token.reveal()}")}
        self._client = http.Client(options, headers=header, secrets=[token], credentials="api_token", warn=context.warn)
        self._zone_id: str | None = options["zone_id"] and http.segment(options["zone_id"])
        self._zones: dict[Name, str | None] = {}

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
        yield from http.validate(options, warn)
        if options["api_token"] and re.fullmatch(r"[0-9a-f]{37}", options["api_token"].reveal()):
            yield "api_token holds a Global API Key, which may do anything in the account: make a token"

    @staticmethod
    def translate(entries: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Take a file that was written for certbot-dns-cloudflare."""
        known = {f"dns_cloudflare_{name}": name for name in ("api_token", "email", "api_key")}
        ours = {known[key]: value for key, value in entries.items() if key in known}
        return ours, {key: value for key, value in entries.items() if key not in known}

    def capacity_key(self, owner: Name) -> Hashable:
        return owner

    def zone_of(self, owner: Name) -> Name | None:
        if self._zone_id is not None:
            apex = self._apex()
            if apex is None:
                raise DelegateError("api_token may not read the zone of zone_id", "zone = the domain's name")
            return apex if owner.is_subdomain(apex) else None
        while len(owner) > 2:  # a label and the root: a public suffix
            if self._find(owner) is not None:
                return owner
            owner = owner.parent()
        return None

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        posts = [
            {
                "type": "TXT",
                "name": _text(owner),
                "content": in_quotes(value),
                "ttl": max(ttl, self.limits.lowest_ttl),
                "comment": COMMENT,
            }
            for owner in sorted(values)
            for value in sorted(values[owner])
        ]
        records = self._records(zone)
        self._change(records, "posts", posts, lambda post: self._post(records, post), EXISTS)
        return ()

    def withdraw(self, zone: Name, values: Values) -> None:
        records = self._records(zone)
        deletes = [{"id": record_id} for record_id in self._ids(records, values)]
        self._change(records, "deletes", deletes, lambda delete: self._delete(records, delete["id"]), GONE)

    def probe(self) -> str:
        if self._zone_id is not None:
            answer = self._call("GET", f"zones/{self._zone_id}/dns_records", query={"per_page": "5"})
            _result(answer, list)
            return "Cloudflare accepts the token for the zone of zone_id"
        names = [answer.field(zone, "name", str) for answer, zone in self._pages("zones", per_page="50")]
        return f"Cloudflare accepts the token; it may use {len(names)} zones"

    def _change(
        self,
        records: str,
        kind: str,
        changes: Sequence[Any],
        change_one: Callable[[Any], None],
        done: frozenset[int],
    ) -> None:
        """Make ``changes``: many at once, or one by one where one of them is ``done`` already and spoils its batch."""
        is_written = False
        try:
            for start in range(0, len(changes), BATCH):
                part = changes[start : start + BATCH]
                if len(changes) > FEW:
                    answer = self._call("POST", f"{records}/batch", json={kind: part}, repeat=True, accept={400, 404})
                    if answer.is_success:
                        is_written = True
                        continue
                    if not _codes(answer) & done:
                        raise answer.error()
                for change in part:
                    change_one(change)
                    is_written = True
        except Refused as error:
            if is_written:
                raise OutcomeUnknown(error.problem, error.hint) from None
            raise

    def _post(self, records: str, post: Mapping[str, Any]) -> None:
        # A repeat finds the identical record, which is success.
        answer = self._call("POST", records, json=post, repeat=True, accept={400})
        if not answer.is_success and not _codes(answer) & EXISTS:
            raise answer.error()

    def _delete(self, records: str, record_id: str) -> None:
        self._call("DELETE", f"{records}/{record_id}", repeat=True, accept={404})

    def _ids(self, records: str, values: Values) -> Iterator[str]:
        """The ids of the records that hold ``values``."""
        filters = [{"name.exact": _text(owner)} for owner in values] if len(values) <= FEW else [{}]
        wanted = {(_text(owner), value) for owner, of_owner in values.items() for value in of_owner}
        for given in filters:
            for answer, record in self._pages(records, type="TXT", per_page="100", **given):
                name, content = answer.field(record, "name", str), answer.field(record, "content", str)
                # Compared here, whatever the filters did; an older record comes back without quotes.
                if (name.lower(), _bare(content)) in wanted and answer.field(record, "type", str) == "TXT":
                    yield answer.id(record)

    def _records(self, zone: Name) -> str:
        """The path of the records of ``zone``."""
        if self._zone_id is not None:
            # The service would append its zone's name to an owner outside of it, and say that all is well.
            if self._apex() not in {None, zone}:
                raise Refused(f"zone_id is not the id of {show(zone)}", "zone_id is on the zone's overview page")
            return f"zones/{self._zone_id}/dns_records"
        zone_id = self._find(zone)
        if zone_id is None:
            hint = "give the token the permission Zone / DNS / Edit on that zone, or set zone_id"
            raise Refused(f"api_token sees no zone {show(zone)}", hint)
        return f"zones/{zone_id}/dns_records"

    def _apex(self) -> Name | None:
        """The apex of the zone of ``zone_id``; None where the token may not read it."""
        answer = self._call("GET", f"zones/{self._zone_id}", accept={403})
        return _name(answer, _result(answer, dict)) if answer.is_success else None

    def _find(self, apex: Name) -> str | None:
        """The id of a zone."""
        if apex not in self._zones:
            answer = self._call("GET", "zones", query={"name": _text(apex), "per_page": "50"}, accept={400, 403})
            if answer.is_success:
                zones: list[tuple[http.Answer, Any]] = [(answer, zone) for zone in _result(answer, list)]
            elif _codes(answer) & BAD_TOKEN:
                raise _with_hint(answer.error(), "check api_token")
            else:
                # Some tokens of one zone may list it but not ask for it by name.
                zones = list(self._pages("zones", per_page="50"))
            self._zones |= {_name(of, zone): of.id(zone) for of, zone in zones}
            self._zones.setdefault(apex, None)
        return self._zones[apex]

    def _pages(self, path: str, **query: str) -> Iterator[tuple[http.Answer, Any]]:
        """Every item of a list, with the answer it came in."""
        for page in range(1, PAGES + 1):
            answer = self._call("GET", path, query={**query, "page": str(page)})
            for item in _result(answer, list):
                yield answer, item
            info = answer.field(answer.value(dict), "result_info", dict)
            if page >= answer.field(info, "total_pages", int):
                return
        raise answer.unusable("its list does not end")

    def _call(self, method: str, path: str, **more: Any) -> http.Answer:
        answer = self._client.call(method, path, **more)
        if answer.is_success and answer.value(dict).get("success") is not True:
            raise answer.error()
        return answer


def _result(answer: http.Answer, kind: type) -> Any:
    return answer.field(answer.value(dict), "result", kind)


def _codes(answer: http.Answer) -> set[int]:
    """The codes of the errors in an answer."""
    errors = answer.value(dict).get("errors")
    return {answer.field(error, "code", int) for error in errors} if isinstance(errors, list) else set()


def _with_hint(error: WriteError, hint: str) -> WriteError:
    return type(error)(error.problem, hint)


def _name(answer: http.Answer, zone: Any) -> Name:
    try:
        return parse_name(answer.field(zone, "name", str))
    except ValueError as error:
        raise answer.unusable(str(error)) from None


def _bare(content: str) -> str:
    return content[1:-1] if len(content) > 1 and content[0] == content[-1] == '"' else content


def _text(name: Name) -> str:
    return name.canonicalize().to_text(omit_final_dot=True)
