"""``history``: what was done, newest first, a page at a time."""

import argparse
import difflib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from certbot_dns_delegate import errors
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.statistics import as_page, as_text, summary_of
from certbot_dns_delegate.command.types import UsageError, check_output
from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.state.files import replace_file
from certbot_dns_delegate.state.history import FAILED, Event, Selection
from certbot_dns_delegate.text import command_line, printable

AT_ONCE = 10_000
"""Rows that are read together for a summary."""
MOST_ROWS = 2_000_000
"""Rows of a summary: a year of some 1,300 renewals a day."""


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Print the rows; whether the history could be read, whatever is in it."""
    check_output("--html", arguments.html)
    wanted = Selection(tuple(arguments.names), arguments.since, arguments.until, arguments.outcome, arguments.before)
    if arguments.stats or arguments.html is not None:
        return _summarise(arguments, wanted, host, output)
    rows = host.history.page(wanted, arguments.limit)
    above: tuple[str, list[str]] = ("", [])
    for number, event in rows:
        output.record(_record(number, event), _line(event, output))
        details = _details(event)
        # An order of a hundred names that fails as a whole says the same of each.
        is_same = len(details) > 1 and above == (event.run, details)
        for text in ["as above"] if is_same else details:
            output.text(f"    {text}")
        above = (event.run, details)
    if not rows:
        _check_outcome(arguments.outcome)
        output.text("nothing is on record" + (" that fits" if wanted != Selection() else ""))
    elif len(rows) == arguments.limit:
        output.text(f"older rows: the same with --before {rows[-1][0]}")
    return True


def _check_outcome(word: str | None) -> None:
    """:raises UsageError: where nothing was found because there is no such outcome."""
    from acme.messages import ERROR_CODES  # the outcomes of a CA's validation

    ours = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    known = {"ok", "left", FAILED} | ours | set(ERROR_CODES)
    if word is None or word in known:
        return
    close = difflib.get_close_matches(word, known, n=1)
    did_you_mean = f"; did you mean {close[0]}?" if close else f"; {FAILED} finds everything but ok"
    raise UsageError(f"--outcome {printable(word, 60)}: there is no such outcome{did_you_mean}")


def _summarise(arguments: argparse.Namespace, wanted: Selection, host: Host, output: Output) -> bool:
    summary = summary_of(_events(wanted, host))
    if arguments.html is not None:
        try:
            replace_file(arguments.html, as_page(summary), 0o644)
        except OSError as error:
            shown = printable(str(arguments.html))
            raise StateError(f"--html {shown}: {error.strerror}", command_line("ls", "-ld", shown)) from None
    if arguments.stats:
        for line in as_text(summary):
            output.text(line)
    return True


def _events(wanted: Selection, host: Host) -> Iterator[Event]:
    """The newest rows that are wanted, a page at a time."""
    for _ in range(MOST_ROWS // AT_ONCE):
        rows = host.history.page(wanted, AT_ONCE)
        yield from (event for _, event in rows)
        if len(rows) < AT_ONCE:
            return
        wanted = replace(wanted, before=rows[-1][0])


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
    if "stays" in detail:
        lines.append("the service cannot delete: served until newer values push them out, or you remove them")
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
