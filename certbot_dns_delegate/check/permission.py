"""Standing permissions (dns-persist-01): whether every server has the record, and until when it permits."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from pathlib import Path

from dns.name import Name

from certbot_dns_delegate.check import caa
from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.orders import Order
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.command import standing
from certbot_dns_delegate.command.method import Orderer
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.lookup.answer import alias_in, txt_in
from certbot_dns_delegate.lookup.chain import name_below
from certbot_dns_delegate.lookup.descent import Found
from certbot_dns_delegate.order.owner import PERSIST, fits, owner_of
from certbot_dns_delegate.order.permission import SOON, Required, parse, strings_of
from certbot_dns_delegate.order.standing import Granted, Verifier
from certbot_dns_delegate.text import printable, record, show

TOPIC = "permission"


def examine(survey: Survey, order: Order, config_dir: Path, pool: Executor) -> Iterator[Finding]:
    """The findings about an order by standing records: nothing else is needed of its names."""
    allowed = [pool.submit(lambda at: list(caa.look(survey, at, order, PERSIST)), each) for each in order.wanted]
    for orderer in filter(None, (order.account, order.rehearser)):
        seen = look(survey, order.wanted, orderer, config_dir, pool)
        yield from seen if orderer is order.account else rehearsed(seen)
    for future in allowed:
        yield from future.result()


def look(
    survey: Survey, wanted: Sequence[Wanted], orderer: Orderer, config_dir: Path, pool: Executor
) -> Iterator[Finding]:
    """What a CA would find at each name; all names are looked at together."""
    required: list[tuple[Wanted, Required]] = []
    for each in wanted:
        try:
            required.append((each, standing.required(config_dir, orderer, each)))
        except DelegateError as error:
            yield from Finding.each_of(error, str(each), TOPIC)
    verifier = Verifier(survey.recursive, survey.zones, lambda: datetime.now(UTC))
    results = verifier.verify([(each.identifier, needed) for each, needed in required], pool)
    for (each, needed), result in zip(required, results, strict=True):
        if isinstance(result, DelegateError):
            yield from Finding.each_of(result, str(each), TOPIC)
        else:
            yield from judge(str(each), result, needed, datetime.now(UTC))


def rehearsed(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings about the account of a dry run: what an order would fail on is a warning here."""
    for each in findings:
        if each.verdict is Verdict.FAIL:
            seen = f"a dry run has another account: {each.seen}"
            yield Finding(Verdict.WARN, each.subject, "dry run", seen, each.do)


def others(survey: Survey, wanted: Sequence[Wanted]) -> Iterator[Finding]:
    """Standing records at names that are checked in another way: they permit all the same."""
    owners = {each: owner_of(PERSIST, each.identifier) for each in wanted if fits(PERSIST, each.identifier)}
    asked = {owner: survey.zones.look(owner, owner) for owner in owners.values() if not survey.is_inside(owner)}
    found = survey.zones.rounds.all(asked)
    below = {owner: name_below(owner) for owner, at in found.items() if isinstance(at, Found) and _alias(at)}
    beside = survey.zones.rounds.all({name: survey.zones.look(name, name) for name in below.values() if name})
    for each, owner in owners.items():
        if isinstance(at := found.get(owner), Found):
            other = beside.get(below.get(owner) or owner)
            is_wildcard = isinstance(other, Found) and _alias(other) == _alias(at)
            yield from _beside(str(each), at, is_wildcard=is_wildcard)


def _alias(found: Found) -> tuple[Name, bool] | None:
    try:
        return alias_in(found.reply.message, found.owner)
    except DelegateError:  # several: no resolver takes them
        return None


def _beside(name: str, found: Found, *, is_wildcard: bool) -> Iterator[Finding]:
    """What one server has at a name of standing records; a wildcard's CNAME was made for something else."""
    owner, message = found.owner, found.reply.message
    do = f"remove it, unless you want that: {show(owner)}"
    if _alias(found) and not is_wildcard:
        seen = f"{show(owner)} is a CNAME: whoever controls its target can let any account issue"
        yield Finding(Verdict.NOTE, name, TOPIC, seen, do)
    for value in sorted(txt_in(message, owner).values):
        try:
            permission = parse(value)
        except ValueError:
            continue
        whom = f"{printable(permission.account, 200)} at {printable(permission.issuer, 80)}"
        yield Finding(Verdict.NOTE, name, TOPIC, f"{show(owner)} lets {whom} issue, whatever becomes of the CNAME", do)


def judge(name: str, granted: Granted, required: Required, now: datetime) -> Iterator[Finding]:
    """The findings about a record that counts: how long it lasts, and what leads to it."""
    permission, owner = granted.permission, granted.chain.target
    whom = f"{printable(permission.account, 200)} at {printable(permission.issuer, 80)}"
    if permission.until is None:
        yield Finding(Verdict.OK, name, TOPIC, f"{show(owner)} lets {whom} issue, without an end")
    else:
        seen = f"{show(owner)} lets {whom} issue until {permission.until:%Y-%m-%d %H:%M} UTC (persistUntil)"
        is_soon = permission.until - now < SOON
        do = f"replace it by one that ends later, or does not end:  {record(owner, 'TXT', strings_of(required))}"
        yield Finding(Verdict.WARN if is_soon else Verdict.OK, name, TOPIC, seen, do if is_soon else "")
    if granted.chain.aliases:
        # Baseline Requirements 3.2.2.4.22: CNAME records MAY be followed.
        seen = f"a CA may follow CNAMEs to a standing permission, but need not: {granted.chain}"
        do = (
            f"if yours does not, add  {record(granted.chain.start, 'TXT', strings_of(required))}  in place of the CNAME"
        )
        yield Finding(Verdict.WARN, name, TOPIC, seen, do)
