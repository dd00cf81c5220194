"""What people read about a watch: the line while it lasts, the table when it fails."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import NotServed
from certbot_dns_delegate.lookup.message import Question, dig
from certbot_dns_delegate.model import Zone
from certbot_dns_delegate.order.advice import advice, cases
from certbot_dns_delegate.order.memory import State
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.order.watch import WatchReport
from certbot_dns_delegate.order.watcher import Watcher
from certbot_dns_delegate.text import listed, printable, show, show_all

SHOWN = 3
"""Owners and values named in a sentence; the rest are counted."""


MOST_ROWS = 26
"""Servers in a table: as many addresses as the root has; a tenant's zone may have 128."""
MOST_WIDTH = 80
"""Characters of a server or a zone in it."""


def progress_line(limit_s: float, waited_s: float, blocking: Sequence[Watcher]) -> str:
    """One line: who is still missing, how long it has taken and how long it may take."""
    names = list(dict.fromkeys(str(watcher.server) for watcher in blocking))
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    who = f"{', '.join(names[:SHOWN])}{rest}"
    return f"Waiting ({waited_s:.0f} of at most {limit_s:.0f} s) for {who} to serve the challenge"


def table(watchers: Sequence[Watcher], serials: Mapping[object, int]) -> str:
    """Server, what it said, values seen, SOA serial: one line each, of many those that hold up the CA before others."""
    rows = [("server", "zone", "state", "answer", "values seen", "serial")]
    ordered = sorted(watchers, key=lambda watcher: not watcher.blocks) if len(watchers) > MOST_ROWS else watchers
    for watcher in ordered[:MOST_ROWS]:
        sightings = list(watcher.sightings.values())
        missing = set(watcher.missing())
        shown = next((s for s in sightings if s.owner in missing), sightings[-1] if sightings else None)
        seen = sorted(shown.rrset.values) if shown else []
        texts = ", ".join(f'"{printable(text, 50)}"' for text in seen[:SHOWN]) or "none"
        more = f" (and {len(seen) - SHOWN} more)" if len(seen) > SHOWN else ""
        serial = serials.get(watcher.server, shown.serial if shown else None)
        rows.append(
            (
                printable(str(watcher.server), MOST_WIDTH),
                printable(show(watcher.zone), MOST_WIDTH),
                _state(watcher),
                shown.rcode if shown else "-",
                texts + more,
                str(serial) if serial is not None else "-",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 2)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  " + "  ".join([*cells, row[-1].rjust(10), row[-2]]).rstrip())
    if len(watchers) > MOST_ROWS:
        lines.append(f"  and {len(watchers) - MOST_ROWS} more")
    return "\n".join(lines)


def _state(watcher: Watcher) -> str:
    """What the last look showed, and why it holds up the CA where that alone does not say it."""
    if watcher.state is State.SEEN:
        return f"{watcher.state}: {watcher.looks} of {watcher.needed} looks"
    return (
        f"{watcher.state}, and answered without them before"
        if watcher.blocks and watcher.state.is_away
        else watcher.state
    )


def not_served(
    report: WatchReport, serials: Mapping[object, int], providers: Mapping[Name, str] = MappingProxyType({})
) -> NotServed:
    """The failure of a watch that ran out of time, with what every server showed last.

    :param serials: the SOA serial that each server has now.
    :param providers: the kind of service that wrote into each zone.
    """
    blocking = report.missing
    if blocking:
        owners = list(dict.fromkeys(show(owner) for watcher in blocking for owner in watcher.missing()))
        what = ", ".join(owners[:SHOWN]) + (f" and {len(owners) - SHOWN} more" if len(owners) > SHOWN else "")
        problem = f"after {report.waited_s:.0f} s not every authoritative server serves {what or 'the values'}"
        hints = list(dict.fromkeys(map(advice, cases(report.servers, providers, serials))))[:SHOWN]
    elif report.servers[0].recursive:
        problem = "no resolver answers"
        hints = [f"name others that do: {_ask_soa(report.servers[0], '+time=2')}"]
    else:
        problem = "no authoritative server answers"
        ask = _ask_soa(report.servers[0])
        hints = [f"from here port 53 may be blocked: {ask}; if it is, set watch = resolvers in the delegate's section"]
    return NotServed(f"{problem}\n{table(report.servers, serials)}", "\nhint: ".join(hints))


def done_line(plan: Plan, report: WatchReport | None, took_s: float) -> str:
    """One line about an order that the CA may look at now: what was written, where, who serves it, how long it took.

    :param took_s: seconds since the order began.
    """
    owners = list(dict.fromkeys(owner for publication in plan.publications for owner in publication.values))
    count = sum(len(texts) for publication in plan.publications for texts in publication.values.values())
    what = f"{count} TXT value{'s' if count != 1 else ''}"
    where = f"{show_all(owners[:SHOWN])}{f' and {len(owners) - SHOWN} more names' if len(owners) > SHOWN else ''}"
    if report is None:
        proof = "the servers were not asked"
    else:
        good, kind = len(report.servers) - len(report.out), "resolver" if report.servers[0].recursive else "server"
        which = f"{good} of {len(report.servers)} {kind}s serve" if report.out else f"all {good} {kind}s serve"
        which = f"its only {kind} serves" if len(report.servers) == 1 else which
        proof = f"{which} {'them' if count != 1 else 'it'}"
    return f"wrote {what} at {where}; {proof}; {took_s:.1f} s in all"


def unasked(zone: Zone) -> str:
    """Where a drop-in waits instead of looking, and why."""
    return f"no published server of {show(zone.apex)} can be asked from here ({zone.why})"


def nobody_to_ask(zone: Name) -> NotServed:
    """The failure of a zone none of whose servers has an address: nothing could be proven."""
    hint = f"{dig(Question(zone, RdataType.NS), '+trace')}; or name the servers to ask: watch_servers ="
    return NotServed(f"no name server of {show(zone)} has an address, so the values cannot be checked", hint)


def _ask_soa(watcher: Watcher, option: str = "+norec") -> str:
    """The command that asks a server for its zone's SOA."""
    return dig(Question(watcher.zone, RdataType.SOA), option, server=watcher.server)


# The texts of Boulder (va/dns.go, bdns/problem.go, va/caa.go); matched loosely, since they are no contract. The first
# that matches counts.
TABLE = {
    "ratelimited": "too many failures: wait until the time it names; five failed validations an hour are the limit",
    "secondary validation": "the CA saw it from one place but not from all: servers that differ, or an anycast site "
    "that lags; set a longer settle, or witnesses at other places, and see that every authoritative server is reachable"
    " from abroad",
    "no txt record": "the CA's resolver found the name but no TXT: another view answers it (split horizon), or a server"
    " outside the zone's NS set did",
    "incorrect txt": "the CA saw older values: a secondary that lags, or a cache; wait for the TTL of the old record",
    "caa record": "a CAA record of the certified name (not of the CNAME's target) forbids this CA, or this account or"
    " method",
    "dnssec": "DNSSEC does not validate for the CA, which must insist on it: check DS and RRSIG along the chain",
    "nxdomain": "the name did not exist for the CA: a server that lags, or a negative answer in its cache; try again"
    " when the SOA minimum of the zone has passed",
    "servfail": "the CA's resolver failed: DNSSEC, a lame delegation, or too long a chain; see https://unboundtest.com",
    "timed out": "the CA could not reach the authoritative servers: a firewall, geo-blocking, or rate limiting; where"
    " this host is the server (standalone): firewall-cmd --add-service=dns, or ufw allow 53",
}


OLD = {"no txt record", "incorrect txt", "nxdomain"}
"""What a CA says that was shown an answer from before."""


def hint_for_failures(
    failures: Sequence[tuple[str, Any]],
    report: WatchReport | None,
    left_out: Collection[str],
    command: Callable[[str, str], str],
    withdrawn: Mapping[str, tuple[Name, float]] = MappingProxyType({}),
) -> str:
    """The text for Certbot's "Hint:" after a failed validation.

    :param failures: each identifier and the ACME error (``typ``, ``detail``) of its challenge.
    :param left_out: the identifiers that were never written, because a subset of the names is enough.
    :param command: the command line of a verb about an identifier.
    :param withdrawn: the identifiers at whose target we had withdrawn other values a moment before the CA could look:
        that target, and how many seconds before.
    """
    lines = []
    for identifier, error in failures:
        if identifier in left_out:
            lines.append(f"{printable(identifier)}: it was left out, for the reason given above")
            continue
        # Without the name itself: one that has "dnssec" in it says nothing about DNSSEC.
        said = f"{getattr(error, 'typ', '')} {getattr(error, 'detail', '')}".lower().replace(identifier.lower(), "")
        key = next((key for key in TABLE if key in said), "")
        lines.append(f"{printable(identifier)}: {TABLE.get(key) or 'run: ' + command('check', identifier)}")
        if identifier in withdrawn and (key in OLD or "value not found" in said):
            target, before_s = withdrawn[identifier]
            lines.append(
                f"{printable(identifier)}: {before_s:.0f} s before the CA could look, an earlier order's values were"
                f" withdrawn at {show(target)}; a cache of the CA may have held these: order again in a minute, or set"
                " settle = 60s in the delegate's section"
            )
    is_ours = any(identifier not in left_out for identifier, _ in failures) or not failures
    seen = [_seen(report)] if is_ours else []
    return "\n".join([*seen, *dict.fromkeys(lines)])


def hint_for_standing(identifiers: Iterable[str], without: Collection[str]) -> str:
    """The same after a failed validation by standing records, of which nothing was written.

    :param without: the identifiers that had no such record everywhere, as was said before.
    """
    seen = "every server that answered here had its standing record, so the CA saw something else, perhaps in its cache"
    return "\n".join(
        f"{printable(each)}: {'it has no standing record, as said above' if each in without else seen}"
        for each in identifiers
    )


def _seen(report: WatchReport | None) -> str:
    if report is None or not report.complete:
        return (
            "The authoritative servers were not watched (propagation-seconds 0, or watch = none): nothing was proven."
        )
    count = len(report.servers) - len(report.out)
    out = f" ({listed([str(w.server) for w in report.out])} gave no answer)" if report.out else ""
    kind = "resolver" if report.servers[0].recursive else "authoritative server"
    asked = f"The {kind}" if count == 1 else f"All {count} {kind}s"
    return f"{asked} asked from here served the values{out}, so the CA sees something else than this host."
