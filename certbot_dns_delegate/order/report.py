"""What people read about a watch: the line while it lasts, the table when it fails."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import NotServed
from certbot_dns_delegate.lookup.message import Question, dig
from certbot_dns_delegate.order.memory import State
from certbot_dns_delegate.order.watch import WatchReport
from certbot_dns_delegate.order.watcher import Watcher
from certbot_dns_delegate.text import printable, show

SHOWN = 3
"""Owners and values named in a sentence; the rest are counted."""


def progress_line(waited_s: float, blocking: Sequence[Watcher]) -> str:
    """One line: who is still missing, and for how long."""
    names = list(dict.fromkeys(str(watcher.server) for watcher in blocking))
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"Waiting ({waited_s:.0f} s) for {', '.join(names[:SHOWN])}{rest} to serve the challenge"


def table(watchers: Iterable[Watcher], serials: dict[object, int]) -> str:
    """Server, what it said, values seen, SOA serial: one line each."""
    rows = [("server", "zone", "state", "answer", "values seen", "serial")]
    for watcher in watchers:
        sightings = list(watcher.sightings.values())
        missing = set(watcher.missing())
        shown = next((s for s in sightings if s.owner in missing), sightings[-1] if sightings else None)
        seen = sorted(shown.rrset.values) if shown else []
        texts = ", ".join(f'"{printable(text, 50)}"' for text in seen[:SHOWN]) or "none"
        more = f" (and {len(seen) - SHOWN} more)" if len(seen) > SHOWN else ""
        serial = serials.get(watcher.server, shown.serial if shown else None)
        rows.append(
            (
                str(watcher.server),
                show(watcher.zone),
                str(watcher.state),
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
    return "\n".join(lines)


def not_served(report: WatchReport, serials: dict[object, int]) -> NotServed:
    """The failure of a watch that ran out of time, with what every server showed last."""
    blocking = report.missing
    owners = list(dict.fromkeys(show(owner) for watcher in blocking for owner in watcher.missing()))
    what = ", ".join(owners[:SHOWN]) + (f" and {len(owners) - SHOWN} more" if len(owners) > SHOWN else "")
    if not blocking:
        problem = "no authoritative server answers"
        first = report.servers[0]
        hint = (
            f"from here port 53 may be blocked: {_ask_soa(first)}; if it is, set"
            " watch = resolvers in the delegate's section"
        )
    else:
        problem = f"after {report.waited_s:.0f} s not every authoritative server serves {what or 'the values'}"
        hint = _hint(blocking[0])
    return NotServed(f"{problem}\n{table(report.servers, serials)}", hint)


def nobody_to_ask(zone: Name) -> NotServed:
    """The failure of a zone none of whose servers has an address: nothing could be proven."""
    hint = f"{dig(Question(zone, RdataType.NS), '+trace')}; or name the servers to ask: watch_servers ="
    return NotServed(f"no name server of {show(zone)} has an address, so nobody can be asked for the values", hint)


def _ask_soa(watcher: Watcher, option: str = "+norec") -> str:
    """The command that asks a server for its zone's SOA."""
    return dig(Question(watcher.zone, RdataType.SOA), option, server=watcher.server)


def _hint(watcher: Watcher) -> str:
    if watcher.state is State.UNSIGNED:
        return f"the parent has a DS, so signatures are needed: {_ask_soa(watcher, '+dnssec')}"
    return (
        f"compare the serials: {_ask_soa(watcher)}; a secondary that lags needs NOTIFY from"
        " its primary (BIND: notify-delay 0, also-notify), or a longer timeout"
    )


# The texts of Boulder (va/dns.go, bdns/problem.go, va/caa.go); matched loosely, since they are no contract. The first
# that matches counts.
TABLE = {
    "ratelimited": "too many failures: wait until the time it names; five failed validations an hour are the limit",
    "secondary validation": "the CA saw it from one place but not from all: servers that differ, or an anycast site "
    "that lags; set a longer settle, and see that every authoritative server is reachable from abroad",
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


def hint_for_failures(
    failures: Sequence[tuple[str, Any]],
    report: WatchReport | None,
    left_out: Collection[str],
    command: Callable[[str, str], str],
) -> str:
    """The text for Certbot's "Hint:" after a failed validation.

    :param failures: each identifier and the ACME error (``typ``, ``detail``) of its challenge.
    :param left_out: the identifiers that were never written, because a subset of the names is enough.
    :param command: the command line of a verb about an identifier.
    """
    lines = []
    for identifier, error in failures:
        if identifier in left_out:
            lines.append(f"{printable(identifier)}: it was left out, for the reason given above")
            continue
        # Without the name itself: one that has "dnssec" in it says nothing about DNSSEC.
        told = f"{getattr(error, 'typ', '')} {getattr(error, 'detail', '')}".lower().replace(identifier.lower(), "")
        check = f"run: {command('check', identifier)}"
        advice = next((advice for key, advice in TABLE.items() if key in told), check)
        lines.append(f"{printable(identifier)}: {advice}")
    is_ours = any(identifier not in left_out for identifier, _ in failures) or not failures
    seen = [_seen(report)] if is_ours else []
    return "\n".join([*seen, *dict.fromkeys(lines)])


def _seen(report: WatchReport | None) -> str:
    if report is None or not report.complete:
        return (
            "The authoritative servers were not watched (propagation-seconds 0, or watch = none): nothing was proven."
        )
    count = len(report.servers) - len(report.out)
    out = f" ({', '.join(str(w.server) for w in report.out)} gave no answer)" if report.out else ""
    asked = "The authoritative server" if count == 1 else f"All {count} authoritative servers"
    return f"{asked} asked from here served the values{out}, so the CA sees something else than this host."
