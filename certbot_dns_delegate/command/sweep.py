"""``sweep``: withdraw whatever killed runs left behind, from their journals alone."""

import argparse
import time
from datetime import UTC, datetime

from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output, count, error_record
from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.order.withdrawal import batches, withdraw_all
from certbot_dns_delegate.state.history import Event, new_run
from certbot_dns_delegate.state.journal import Entry, Journal
from certbot_dns_delegate.state.pending import Pending
from certbot_dns_delegate.text import command_line, listed, printable
from certbot_dns_delegate.threads import Pool

WORKERS = 8
"""Requests at once: one each for zones that seldom are more."""


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Whether nothing is left."""
    pending = host.pending
    journals = _dead(pending)
    unread = [printable(str(path)) for path in pending.left_alone]
    if unread:
        output.warn(
            f"what stands in {listed(unread)} is not known; hint: {command_line('ls', '-l', pending.directory)}"
        )
    if arguments.older_than is not None:
        before = time.time() - arguments.older_than.total_seconds()
        young = [j for j in journals if max(e.written for e in j.open_entries.values()) > before]
        for journal in young:
            journal.close()
        journals = [journal for journal in journals if journal not in young]
    entries = [entry for journal in journals for entry in journal.open_entries.values()]
    if not entries:
        output.text("nothing else was left behind" if unread else "nothing was left behind")
        return not unread
    if arguments.dry_run:
        for entry in entries:
            output.record(_record("would withdraw", entry), f"would withdraw  {_describe(entry)}")
        for journal in journals:
            journal.close()
        return not unread
    return _withdraw(journals, entries, host, output) and not unread


def _dead(pending: Pending) -> list[Journal]:
    try:
        return pending.adopt_dead() if pending.directory.is_dir() else []
    except OSError as error:
        where = printable(str(pending.directory))
        raise StateError(f"{where}: {error.strerror}", command_line("ls", "-la", pending.directory)) from None


def _withdraw(journals: list[Journal], entries: list[Entry], host: Host, output: Output) -> bool:
    begin, name = time.monotonic(), new_run()
    if host.credentials is not None:
        host.writers.know(host.settings)
    try:
        work = batches(journals, list(host.pending.alive(journals)))
        with Pool(WORKERS, "dns-delegate") as pool:
            leftovers = withdraw_all(work, host.writers.written_with, pool, time.time())
    finally:
        for journal in journals:
            journal.close()
    left = {(leftover.zone, leftover.owners): leftover.error for leftover in leftovers}
    took = round((time.monotonic() - begin) * 1000, 1)
    events = []
    for entry in entries:
        error = left.get((entry.zone, entry.owner))
        detail = {"zone": entry.zone} | ({"error": str(error)} if error else {})
        outcome = "left" if error else "ok"
        events.append(
            Event(name, "withdraw", outcome, "", entry.owner, entry.delegate, milliseconds=took, detail=detail)
        )
        if error is None:
            output.record(_record("withdrawn", entry), f"withdrawn  {_describe(entry)}")
        else:
            shown = str(error).replace("\n", "\n  ")
            output.record(_record("left", entry) | error_record(error), f"left       {_describe(entry)}\n  {shown}")
    host.history.record(events)
    return not leftovers


def _describe(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.written, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    values = count(len(entry.ours), "value")
    return f"{printable(entry.owner)}  {values} written {when} for [{printable(entry.delegate)}]"


def _record(what: str, entry: Entry) -> dict[str, object]:
    return {
        "what": what,
        "owner": entry.owner,
        "zone": entry.zone,
        "delegate": entry.delegate,
        "authenticator": entry.authenticator,
        "credentials": entry.credentials,
        "values": sorted(entry.ours),
        "written": entry.written,
    }
