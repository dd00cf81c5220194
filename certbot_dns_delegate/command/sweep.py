"""``sweep``: withdraw whatever killed runs left behind, from their journals alone."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Flag

from dns.name import from_text

from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output, count, error_record
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.errors import DelegateError, StateError
from certbot_dns_delegate.order.withdrawal import Fate, Withdrawal, batches
from certbot_dns_delegate.state.entry import Entry, Noted, State
from certbot_dns_delegate.state.history import Event, new_run
from certbot_dns_delegate.state.journal import Journal
from certbot_dns_delegate.state.pending import Pending
from certbot_dns_delegate.text import character_string, command_line, listed, printable, record
from certbot_dns_delegate.threads import Pool
from certbot_dns_delegate.timing import OUR_TTL

WORKERS = 8
"""Requests at once: one each for zones that seldom are more."""


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Whether nothing is left."""
    if arguments.forget and not (arguments.yes or arguments.dry_run) and not sys.stdin.isatty():
        raise UsageError("--forget asks before it ends a record, and there is no terminal; in scripts add --yes")
    pending = host.pending
    before = time.time() - arguments.older_than.total_seconds() if arguments.older_than is not None else None
    found = sorted((r.entry for r in pending.dead() if _is_older(r, before)), key=lambda entry: entry.written)
    unread = list(pending.left_alone)
    if unread:
        shown = listed([printable(str(path)) for path in unread])
        command = command_line("ls", "-l", pending.directory)
        output.error(StateError(f"{shown} cannot be read as a journal", command))
    if not found:
        if not arguments.dry_run:
            pending.adopt_dead(lambda _: False, unread)  # files of runs that had nothing left go
        output.text("nothing else was left behind" if unread else "nothing was left behind")
        return not unread
    if arguments.dry_run:
        if host.credentials is not None:
            host.writers.know(host.settings)
        would_end = [_foretell(entry, host, output) for entry in found]
        return all(would_end) and not unread
    left = _withdraw(pending, before, unread, host, output)
    if left and arguments.forget:
        left = _forget(left, pending, output, is_sure=arguments.yes)
    return not any(each.error is not None for each in left) and not unread


def _foretell(entry: Entry, host: Host, output: Output) -> bool:
    """Say what sweep would do with an entry; whether it would be over with it."""
    described = _describe(entry)
    try:
        provider = host.writers.written_with(entry.authenticator, Path(entry.credentials), entry.delegate)
    except DelegateError as error:
        shown = str(error).replace("\n", "\n  ")
        output.record(_record("would be left", entry) | error_record(error), f"would be left   {described}\n  {shown}")
        return False
    if provider.limits.deletes_one_value:
        output.record(_record("would withdraw", entry), f"would withdraw  {described}")
    else:
        output.record(_record("would stay", entry), f"would stay      {described}, which cannot delete")
    return True


def _is_older(record: Noted, before: float | None) -> bool:
    return before is None or record.entry.written <= before


def _withdraw(pending: Pending, before: float | None, unread: Iterable[Path], host: Host, output: Output) -> list[Fate]:
    """Withdraw what can be; what stays on record."""
    if host.credentials is not None:
        host.writers.know(host.settings)
    begin, name, now = time.monotonic(), new_run(), time.time()
    stays: list[Fate] = []
    events: list[Event] = []
    for journals in _adopted(pending, before, unread):
        pending.leave_shared(journals)
        work = batches(journals, lambda record: _is_older(record, before))
        with Pool(WORKERS, "dns-delegate") as pool:
            withdrawal = Withdrawal(work, host.writers.written_with, pool, now, Flag().wait)
            withdrawal.wait()
            ended = withdrawal.end()
        for each in ended:
            _show(each, output)
            events.append(_event(each, name, begin))
            stays += [each] if each.error is not None or each.until is not None else []
    host.history.record(events)
    return stays


def _adopted(pending: Pending, before: float | None, unread: Iterable[Path]) -> Iterator[list[Journal]]:
    """All journals of dead runs, as many at a time as may be open; each is closed after its turn."""
    passed = set(unread)
    while journals := pending.adopt_dead(lambda record: _is_older(record, before), passed):
        passed |= {journal.path for journal in journals}
        try:
            yield journals
        finally:
            for journal in journals:
                journal.close()


def _show(each: Fate, output: Output) -> None:
    described = _describe(each.entry)
    if each.error is not None:
        shown = str(each.error).replace("\n", "\n  ")
        output.record(_record("left", each.entry) | error_record(each.error), f"left       {described}\n  {shown}")
    elif each.until is not None:
        when = datetime.fromtimestamp(each.until, UTC).strftime("%H:%M")
        text = f"waits      {described}: to be looked at after {when} UTC"
        output.record(_record("waits", each.entry) | {"until": each.until}, text)
    elif each.stays:
        text = (
            f"stays      {described}, which cannot delete: served until newer values push them out, or you remove them"
        )
        output.record(_record("stays", each.entry), text)
    else:
        output.record(_record("withdrawn", each.entry), f"withdrawn  {described}")


def _event(each: Fate, name: str, begin: float) -> Event:
    entry = each.entry
    took = round((time.monotonic() - begin) * 1000, 1)
    outcome = "left" if each.error is not None else "ok" if each.until is None else "waits"
    detail: dict[str, object] = {"zone": entry.zone}
    detail |= {"error": str(each.error)} if each.error is not None else {"stays": True} if each.stays else {}
    return Event(name, "withdraw", outcome, "", entry.owner, entry.delegate, milliseconds=took, detail=detail)


def _forget(left: Iterable[Fate], pending: Pending, output: Output, *, is_sure: bool) -> list[Fate]:
    """Name the records that stay and, if that is wanted, end their entries; what stays on record all the same."""
    left = list(left)
    for each in left:
        for value in sorted(each.entry.ours):
            line = record(from_text(each.entry.owner), "TXT", character_string(value), OUR_TTL)
            output.say(f"stays in DNS until you remove it: {line}")
    if not is_sure and not _is_wanted(len(left), output):
        return left
    forgotten = {(each.journal.path, each.number) for each in left}
    for journals in _adopted(pending, None, pending.left_alone):
        for journal in journals:
            for number, entry in journal.open_entries.items():
                if (journal.path, number) in forgotten:
                    journal.mark([number], State.FORGOTTEN)
                    output.record(_record("forgotten", entry), f"forgotten  {_describe(entry)}")
    return []


def _is_wanted(number: int, output: Output) -> bool:
    output.say(f"forget {count(number, 'record')}? [y/N]")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


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
