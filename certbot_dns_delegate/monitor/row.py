"""A row of ``monitor``: an object for programs, a line for people."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from certbot_dns_delegate.command.output import Output, count
from certbot_dns_delegate.monitor.letter import letter
from certbot_dns_delegate.monitor.standing import OK, WILDCARD, Standing
from certbot_dns_delegate.state.fleet import Known

GONE, NEVER, STALE = "gone", "never arrived", "stale"
WIDTH = max(map(len, (WILDCARD, NEVER)))
INDENT = " " * 6


def row(standing: Standing, before: Known, since: float, issued: float | None) -> dict[str, object]:
    """What there is to say of one name.

    :param before: what was known at the last look.
    :param since: when its state began, seconds since the epoch.
    :param issued: when a certificate for it was last ordered here; None: not asked.
    """
    return {
        "name": standing.name,
        "state": standing.state,
        "since": since,
        "since_utc": _utc(int(since)),
        "was": before.state,
        "delegate": standing.delegate,
        "addresses": standing.addresses,
        "seen": standing.seen,
        "do": standing.do,
        "issued": issued,
        "letter": letter(standing, since, issued) if standing.state in {GONE, NEVER, STALE} else "",
    }


def as_json(record: Mapping[str, Any]) -> str:
    """A row as a line of JSON: as ``json.dumps`` writes it, in a third of the time, since the form is known."""
    return (
        f'{{"name": {quoted(record["name"])}, "state": {quoted(record["state"])}, "since": {record["since"]!r},'
        f' "since_utc": {quoted(record["since_utc"])}, "was": {quoted(record["was"])},'
        f' "delegate": {quoted(record["delegate"])}, "addresses": {_other(record["addresses"])},'
        f' "seen": {quoted(record["seen"])}, "do": {quoted(record["do"])}, "issued": {_other(record["issued"])},'
        f' "letter": {quoted(record["letter"])}}}\n'
    )


def _other(value: object) -> str:
    return "null" if value is None else json.dumps(value)


@lru_cache(16_384)
def _utc(second: int) -> str:
    """Many names were first seen in the same second."""
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"


def line(each: Mapping[str, object], output: Output) -> str:
    """A row as a line of a table, with what to do below it."""
    verdict = output.verdict("ok" if each["state"] == OK else "fail")
    seen = " ".join(str(each["seen"]).split())
    text = f"{verdict}  {each['state']!s:{WIDTH}}  {str(each['since_utc'])[:10]}  {each['name']}  {seen}"
    return text + (f"\n{INDENT}do: {each['do']}" if each["do"] else "") + "\n"


def summary(tally: Mapping[str, int], states: Collection[str]) -> str:
    """How many names are in which state."""
    parts = [f"{tally[state]:,} {state}" for state in states if tally.get(state)]
    return f"{count(sum(tally.values()), 'name')}: {', '.join(parts) or 'none'}"
