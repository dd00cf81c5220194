"""``history``: what was done, newest first, a page at a time."""

import argparse
from datetime import UTC, datetime
from typing import Any

from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.state.history import Event, Selection
from certbot_dns_delegate.text import printable


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Whether the history could be read; what it tells may be anything."""
    wanted = Selection(tuple(arguments.names), arguments.since, arguments.until, arguments.outcome, arguments.before)
    rows = host.history.page(wanted, arguments.limit)
    for number, event in rows:
        output.record(_record(number, event), _line(event, output))
        for text in _details(event):
            output.text(f"    {text}")
    if not rows:
        output.text("nothing is on record" + (" that fits" if wanted != Selection() else ""))
    elif len(rows) == arguments.limit:
        output.text(f"older rows: the same with --before {rows[-1][0]}")
    return True


def _line(event: Event, output: Output) -> str:
    when = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    verdict = output.verdict("ok" if event.outcome == "ok" else "fail")
    subject = " -> ".join(printable(word) for word in (event.identifier, event.owner) if word)
    subject = subject or printable(str(event.detail.get("zone", "")))
    subject += f"  [{printable(event.delegate)}]" if event.delegate else ""
    outcome = "" if event.outcome == "ok" else f"  {printable(event.outcome)}"
    return f"{when}  {verdict}  {event.phase:8}  {event.milliseconds:7.0f} ms  {subject}{outcome}"


def _details(event: Event) -> list[str]:
    """What a person wants to read below the line, escaped."""
    detail = event.detail
    lines = []
    if "chain" in detail:
        lines.append(f"chain {printable(str(detail['chain']))}")
    for server, state in _pairs(detail.get("servers")):
        lines.append(f"{printable(server)} {printable(state)}")
    if "ca" in detail:
        lines.append(f"the CA said: {printable(str(detail['ca']))}")
    return [*lines, *(printable(line) for line in str(detail.get("error", "")).splitlines())]


def _pairs(value: Any) -> list[tuple[str, str]]:
    return [(str(key), str(each)) for key, each in value.items()] if isinstance(value, dict) else []


def _record(number: int, event: Event) -> dict[str, Any]:
    return {
        "row": number,
        "at": event.at,
        "run": event.run,
        "phase": event.phase,
        "outcome": event.outcome,
        "name": event.identifier,
        "owner": event.owner,
        "delegate": event.delegate,
        "milliseconds": event.milliseconds,
        "detail": event.detail,
    }
