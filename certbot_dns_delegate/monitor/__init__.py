"""``monitor``: checks the delegations of many names as a stream: names in, rows out, in constant memory."""

import argparse
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection

from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output, count
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.errors import LookupFailed, StateError
from certbot_dns_delegate.monitor import standing as delegation
from certbot_dns_delegate.monitor.page import Overview, as_page
from certbot_dns_delegate.monitor.row import GONE, NEVER, STALE, line, row, summary
from certbot_dns_delegate.monitor.standing import BROKEN, OK, WILDCARD, Standing
from certbot_dns_delegate.monitor.workers import UNUSABLE, Batch, crew
from certbot_dns_delegate.state.files import replace_file
from certbot_dns_delegate.state.fleet import UNDELEGATED, Fleet, Known, Networks
from certbot_dns_delegate.text import command_line, printable

TOGETHER = 500
"""Names in one batch: so many that the slowest of them costs little."""

DELEGATED = {OK, WILDCARD}
UNCERTAIN = {BROKEN, delegation.LOOP, delegation.LONG, UNUSABLE}
"""States that do not show where the name leads now."""
STATES = (
    OK,
    delegation.MISSING,
    delegation.ELSEWHERE,
    delegation.DANGLING,
    delegation.LOOP,
    delegation.LONG,
    BROKEN,
    WILDCARD,
    UNDELEGATED,
    GONE,
    NEVER,
    STALE,
    UNUSABLE,
)


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Print the rows; whether every one of them is ok."""
    begin = time.monotonic()
    settings = host.settings
    unknown = [delegate.title for delegate in settings.delegates if delegate.suffix is None]
    if unknown:
        raise UsageError(f"[{unknown[0]}] does not say which zone it is for; hint: zone = acme.example.net")
    if arguments.prometheus is not None and not arguments.prometheus.absolute().parent.is_dir():
        raise UsageError(f"--prometheus {printable(str(arguments.prometheus))}: there is no such directory")
    is_table = output.is_terminal and not output.is_json
    serving = {each.title: tuple(arguments.serving or each.serving) for each in settings.delegates}
    tally: Counter[str] = Counter()
    overview = Overview()
    is_well = True
    fleet = host.fleet
    with fleet.open() as database, crew(settings, host.resolvers, serving) as look:
        started = fleet.begin(database, resume=arguments.resume)
        try:
            for standings in look(_batches(arguments, output, database, started, tally)):
                records, learnt = _judged(standings, arguments, host, database, serving)
                output.progress("")
                for record in records:
                    tally[str(record["state"])] += 1
                    overview.add(record)
                    if not arguments.since_last or record["was"] != record["state"]:
                        is_well &= record["state"] == OK
                        if arguments.only is None or record["state"] != OK:
                            output.write(line(record, output) if is_table else json.dumps(record) + "\n")
                output.flush()
                # Only what was shown is remembered as such: when the reader goes away, nothing is lost to the next run.
                fleet.record(database, learnt)
                output.progress(_progress(tally, time.monotonic() - begin))
        except LookupFailed as error:
            done = count(tally.total(), "name")
            raise LookupFailed(
                f"{error.problem}; {done} done", "fix this, then run the same command with --resume"
            ) from None
        finally:
            output.progress("")
        fleet.finish(database)
    if is_table:
        output.text(summary(tally, STATES))
    if arguments.prometheus is not None:
        _write_metrics(arguments.prometheus, tally, time.monotonic() - begin)
    if arguments.html is not None:
        _write_page(arguments.html, overview)
    return is_well


# The names


def _batches(
    arguments: argparse.Namespace, output: Output, database: Connection, started: float, tally: Counter[str]
) -> Iterator[Batch]:
    """The names to check; those that a resumed run has checked already are only counted."""
    lines = names.lines(arguments.names, arguments.file, output)
    while batch := list(itertools.islice(lines, TOGETHER)):
        if arguments.resume:
            known = Fleet.known(database, [_key(text) for _, text in batch])
            states = [(each, known.get(_key(each[1]), Known())) for each in batch]
            tally.update(at.state for _, at in states if at.looked >= started)
            batch = [each for each, at in states if at.looked < started]
        if batch:
            yield batch


def _key(text: str) -> str:
    """The name as it is recorded; one that was written in another way is checked again."""
    return text.strip().rstrip(".").lower()


def _judged(
    standings: Sequence[Standing],
    arguments: argparse.Namespace,
    host: Host,
    database: Connection,
    serving: Mapping[str, Networks],
) -> tuple[list[dict[str, object]], dict[str, Known]]:
    """The rows to show, from what was found now and what was known before; and what is known then."""
    now = time.time()
    known = Fleet.known(database, [standing.name for standing in standings])
    usable = [standing.name for standing in standings if standing.state != UNUSABLE]
    issued = host.history.last_planned([name.removeprefix("*.") for name in usable]) if arguments.stale else {}
    learnt: dict[str, Known] = {}
    records = []
    for standing in standings:
        before = learnt.get(standing.name) or known.get(standing.name) or Known()
        is_delegated = standing.state in DELEGATED
        used = issued.get(standing.name.removeprefix("*."))
        after = before
        if is_delegated and standing.addresses is not None and serving.get(standing.delegate):
            after = before.with_addresses(standing.addresses, serving[standing.delegate], now)
        unused_s = None if arguments.stale is None else now - max(used or 0.0, after.delegated or now)
        is_watched = bool(serving.get(standing.delegate))
        state = _state(standing, after, is_watched=is_watched)
        if state == OK and unused_s is not None and unused_s > arguments.stale.total_seconds():
            state = STALE
        after = after.with_state(state, now, is_delegated=is_delegated)
        learnt[standing.name] = after
        since = after.away if state in {GONE, NEVER} and after.away is not None else after.since
        records.append(row(replace(standing, state=state), before, since, used))
    return records, learnt


def _state(standing: Standing, known: Known, *, is_watched: bool) -> str:
    """:param is_watched: our networks are known, so that a name can be away."""
    if standing.state in DELEGATED:
        if is_watched and known.away is not None:
            return GONE if known.arrived else NEVER
        return standing.state
    is_lost = known.delegated is not None and standing.state not in UNCERTAIN
    return UNDELEGATED if is_lost else standing.state


# What is told beside


def _progress(tally: Counter[str], took_s: float) -> str:
    bad = tally.total() - tally[OK]
    return f"{tally.total():,} names, {tally.total() / took_s:,.0f} a second, {bad:,} not ok"


def _write_metrics(path: Path, tally: Counter[str], took_s: float) -> None:
    """For node_exporter's textfile collector, which must never see half a file."""
    rows = [
        "# HELP certbot_dns_delegate_names Names by the state of their delegation.",
        "# TYPE certbot_dns_delegate_names gauge",
        *(f'certbot_dns_delegate_names{{state="{state}"}} {tally[state]}' for state in STATES),
        "# HELP certbot_dns_delegate_monitor_finished_seconds When the last look at all names ended.",
        "# TYPE certbot_dns_delegate_monitor_finished_seconds gauge",
        f"certbot_dns_delegate_monitor_finished_seconds {time.time():.0f}",
        "# HELP certbot_dns_delegate_monitor_duration_seconds How long it took.",
        "# TYPE certbot_dns_delegate_monitor_duration_seconds gauge",
        f"certbot_dns_delegate_monitor_duration_seconds {took_s:.1f}",
    ]
    try:
        replace_file(path, "\n".join(rows) + "\n", 0o644)  # node_exporter runs as a user of its own
    except OSError as error:
        raise StateError(
            f"--prometheus {printable(str(path))}: {error.strerror}", command_line("ls", "-ld", path.parent)
        ) from None


def _write_page(path: Path, overview: Overview) -> None:
    try:
        replace_file(path, as_page(overview), 0o644)
    except OSError as error:
        shown = printable(str(path))
        raise StateError(f"--html {shown}: {error.strerror}", command_line("ls", "-ld", path.parent)) from None
