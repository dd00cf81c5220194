"""Values of dead runs that no later run could remove for a day."""

import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from dns.name import from_text

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import count
from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.state.entry import DAY_S, Entry
from certbot_dns_delegate.text import printable, show_all

SHOWN = 3
"""Owners that are named; the rest are counted."""


def written(host: Host) -> list[Entry]:
    """What runs have written and not withdrawn; nothing where that cannot be read, which :func:`look` reports."""
    try:
        return list(host.pending.all_open())
    except StateError:
        return []


def look(host: Host) -> Iterator[Finding]:
    """A warning for each delegate with such values; what only waits for its time is none."""
    now = time.time()
    old: dict[str, list[Entry]] = defaultdict(list)
    try:
        for noted in host.pending.dead():
            entry = noted.entry
            if now - entry.written >= DAY_S and not (noted.is_in_doubt and entry.waits(now)):
                old[entry.delegate].append(entry)
    except StateError as error:
        yield from Finding.each_of(error, "state", "leftovers")
    for title, entries in old.items():
        owners = sorted({from_text(entry.owner) for entry in entries})
        more = f" and {len(owners) - SHOWN} more" if len(owners) > SHOWN else ""
        since = datetime.fromtimestamp(min(entry.written for entry in entries), UTC).strftime("%Y-%m-%d")
        values = count(sum(len(entry.ours) for entry in entries), "value")
        seen = f"{values} at {show_all(owners[:SHOWN])}{more}, written since {since}, could not be withdrawn"
        do = f"{host.command('sweep')}\nor, to stop trying: {host.command('sweep', '--forget')}"
        yield Finding(Verdict.WARN, f"[{printable(title)}]", "leftovers", seen, do)
