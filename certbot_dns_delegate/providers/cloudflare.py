"""Cloudflare by its API v4 (https://developers.cloudflare.com/api/resources/dns/subresources/records)."""

import re
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, Refused
from certbot_dns_delegate.model import Limits, Sighting, Values
from certbot_dns_delegate.providers import http
from certbot_dns_delegate.providers.cloudflare_api import Token, codes, result, text
from certbot_dns_delegate.providers.interface import Context, Options, Provider
from certbot_dns_delegate.providers.rrset import in_quotes
from certbot_dns_delegate.schema import SECRET, TEXT, Key, Kind, Secret
from certbot_dns_delegate.text import printable, show

FEW = 4
"""Changes that are made one by one; more go into batches."""
BATCH = 200
"""Changes in one batch on the Free plan (https://developers.cloudflare.com/dns/manage-dns-records/how-to/batch-record-changes/)."""
COMMENT = "ACME challenge of certbot-dns-delegate; goes away after the validation"
"""One line, below the 100 characters of the Free plan."""

UNWRITTEN = frozenset({429})
"""Above the rate limit (https://developers.cloudflare.com/fundamentals/api/reference/limits/)."""
EXISTS = frozenset({81057, 81058})
GONE = frozenset({81044})


def _refuse(_: str) -> Any:
    raise ValueError("belongs to the legacy key, which may do anything in the account: make a token, set api_token")


LEGACY = Kind("refused", _refuse)


class Cloudflare(Provider):
    """Writes and deletes records by their ids, so that hosts never touch each other's."""

    name = "cloudflare"
    limits = Limits(lowest_ttl=60)
    KEYS = (
        *http.keys(url="https://api.cloudflare.com/client/v4"),
        Key("api_token", SECRET, "An API token with the permission Zone / DNS / Edit on one zone.", is_required=True),
        Key("zone_id", TEXT, "The zone's id, for a token that may not list zones."),
        Key("email", LEGACY, "Refused: belongs to the legacy key."),
        Key("api_key", LEGACY, "Refused: the legacy key, which may do anything in the account."),
    )

    def __init__(self, options: Options, context: Context) -> None:
        token: Secret = options["api_token"]
        header = {"Authorization": Secret(f"Bearer {token.reveal()}")}
        client = http.Client(
            options,
            headers=header,
            secrets=[token],
            credentials="api_token",
            unwritten=UNWRITTEN,
            wait=context.wait,
            warn=context.warn,
        )
        self._account = Token(client)
        self._zone_id: str | None = options["zone_id"] and http.segment(options["zone_id"])

    THEIRS = {f"dns_cloudflare_{name}": name for name in ("api_token", "email", "api_key")}  # noqa: RUF012  never changed

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
        yield from http.validate(options, warn)
        yield from http.unsendable("api_token", options["api_token"])
        if options["api_token"] and re.fullmatch(r"[0-9a-f]{37}", options["api_token"].reveal()):
            yield "api_token holds a Global API Key, which may do anything in the account: make a token"

    def capacity_key(self, owner: Name) -> Hashable:
        return owner

    def zone_of(self, owner: Name) -> Name | None:
        if self._zone_id is not None:
            apex = self._account.apex(self._zone_id)
            if apex is None:
                raise DelegateError("api_token may not read the zone of zone_id", "zone = the domain's name")
            return apex if owner.is_subdomain(apex) else None
        found = self._account.apexes.around(owner)
        return found[0] if found else None

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        records = self._records(zone)
        held: dict[str, dict[str, int]] = {text(owner): {} for owner in values}
        for answer, record in self._listed(records, values):
            of_owner = held[answer.field(record, "name", str).lower()]
            of_owner[_bare(answer.field(record, "content", str))] = answer.field(record, "ttl", int)
        posts = [
            {
                "type": "TXT",
                "name": text(owner),
                "content": in_quotes(value),
                # Records of one RRset have one TTL (RFC 2181 section 5.2): theirs, where there are any.
                "ttl": next(iter(held[text(owner)].values()), max(ttl, self.limits.lowest_ttl)),
                "comment": COMMENT,
            }
            for owner in sorted(values)
            for value in sorted(values[owner] - held[text(owner)].keys())
        ]
        self._change(records, "posts", posts, lambda post: self._post(records, post), EXISTS)
        return ()

    def withdraw(self, zone: Name, values: Values) -> None:
        records = self._records(zone)
        wanted = {(text(owner), value) for owner, of_owner in values.items() for value in of_owner}
        deletes = [
            {"id": answer.id(record)}
            for answer, record in self._listed(records, values)
            if (record["name"].lower(), _bare(answer.field(record, "content", str))) in wanted
        ]
        self._change(records, "deletes", deletes, lambda delete: self._delete(records, delete["id"]), GONE)

    def probe(self) -> str:
        if self._zone_id is not None:
            answer = self._account.call("GET", f"zones/{self._zone_id}/dns_records", query={"per_page": "5"})
            result(answer, list)
            return "Cloudflare accepts the token for the zone of zone_id"
        names = [answer.field(zone, "name", str) for answer, zone in self._account.pages("zones", per_page="50")]
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
                    answer = self._account.call(
                        "POST", f"{records}/batch", json={kind: part}, repeat=True, accept={400, 404}
                    )
                    if answer.is_success:
                        if kind == "posts":
                            made = answer.field(result(answer, dict), "posts", list)
                            self._check_names(records, answer, made, {post["name"] for post in part})
                        is_written = True
                        continue
                    if not codes(answer) & done:
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
        answer = self._account.call("POST", records, json=post, repeat=True, accept={400})
        if answer.is_success:
            self._check_names(records, answer, [result(answer, dict)], {post["name"]})
        elif not codes(answer) & EXISTS:
            raise answer.error()

    def _check_names(self, records: str, answer: http.Answer, made: Sequence[Any], wanted: Collection[str]) -> None:
        """The service appends its zone's name to an owner outside of it, and says that all is well."""
        names = [(answer.field(record, "name", str), answer.id(record)) for record in made]
        astray = [(name, record_id) for name, record_id in names if name.lower() not in wanted]
        for _, record_id in astray:
            self._delete(records, record_id)
        if astray:
            shown = printable(", ".join(name for name, _ in astray))
            problem = f"Cloudflare made {shown} of what was asked for; it was taken away again"
            raise Refused(problem, "zone_id must be the id of the zone of the target")

    def _delete(self, records: str, record_id: str) -> None:
        answer = self._account.call("DELETE", f"{records}/{record_id}", repeat=True, accept={400, 404})
        if answer.status == 400 and not codes(answer) & GONE:
            raise answer.error()

    def _listed(self, records: str, owners: Collection[Name]) -> Iterator[tuple[http.Answer, Any]]:
        """The TXT records of ``owners``, each with the answer it came in."""
        filters = [{"name.exact": text(owner)} for owner in owners] if len(owners) <= FEW else [{}]
        wanted = {text(owner) for owner in owners}
        for given in filters:
            for answer, record in self._account.pages(records, type="TXT", per_page="100", **given):
                # Compared here, whatever the filters did.
                if answer.field(record, "name", str).lower() in wanted and answer.field(record, "type", str) == "TXT":
                    yield answer, record

    def _records(self, zone: Name) -> str:
        """The path of the records of ``zone``."""
        if self._zone_id is not None:
            if self._account.apex(self._zone_id) not in {None, zone}:
                raise Refused(f"zone_id is not the id of {show(zone)}", "zone_id is on the zone's overview page")
            return f"zones/{self._zone_id}/dns_records"
        zone_id = self._account.zone_id(zone)
        if zone_id is None:
            hint = "give the token the permission Zone / DNS / Edit on that zone, or set zone_id"
            raise Refused(f"api_token sees no zone {show(zone)}", hint)
        return f"zones/{zone_id}/dns_records"


def _bare(content: str) -> str:
    """A value without quotes: an older record comes back without, a newer one with them."""
    return content[1:-1] if len(content) > 1 and content[0] == content[-1] == '"' else content
