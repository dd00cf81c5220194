"""``monitor``: the delegations of a fleet, streaming: names in, JSON lines out, the same memory for any number."""

import argparse
import itertools
import json
import multiprocessing
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection

from certbot_dns_delegate.command import delegation, names
from certbot_dns_delegate.command.delegation import BROKEN, OK, WILDCARD, Standing
from certbot_dns_delegate.command.host import Host
from certbot_dns_delegate.command.letter import letter
from certbot_dns_delegate.command.names import Unusable, Wanted
from certbot_dns_delegate.command.render import Output, count
from certbot_dns_delegate.command.verb import UsageError
from certbot_dns_delegate.delegates import Settings
from certbot_dns_delegate.errors import LookupFailed, StateError
from certbot_dns_delegate.fleet import UNDELEGATED, Fleet, Known, Networks
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
from certbot_dns_delegate.text import printable, quoted

TOGETHER = 500
"""Names in one batch: enough that its slowest name costs little of the whole."""
WORKERS = min(os.cpu_count() or 1, 8)
"""Processes, of 40 MiB each: reading replies is what takes the time (0.7 ms each), and a resolver is busy too."""
AHEAD = 3
"""Batches that wait for each worker; with them the memory is bounded."""

GONE, NEVER, STALE, UNUSABLE = "gone", "never arrived", "stale", "no name"
DELEGATED = {OK, WILDCARD}
STATES = (
    OK, delegation.MISSING, delegation.ELSEWHERE, delegation.DANGLING, delegation.LOOP, BROKEN, WILDCARD,
    UNDELEGATED, GONE, NEVER, STALE, UNUSABLE,
)  # fmt: skip

Batch = Sequence[tuple[str, str]]
"""Where each name was read, and its text."""


class Worker:
    """What a worker process knows, from its start on."""

    settings: Settings
    recursive: Recursive
    serving: Mapping[str, Networks]


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Whether every delegation that was shown is well."""
    begin = time.monotonic()
    settings = host.settings
    unknown = [delegate.title for delegate in settings.delegates if delegate.suffix is None]
    if unknown:
        raise UsageError(f"[{unknown[0]}] does not say which zone it is for; hint: zone = acme.example.net")
    if arguments.prometheus is not None and not arguments.prometheus.absolute().parent.is_dir():
        raise UsageError(f"--prometheus {printable(str(arguments.prometheus))}: there is no such directory")
    serving = {each.title: tuple(arguments.serving or each.serving) for each in settings.delegates}
    tally: Counter[str] = Counter()
    is_well = True
    fleet = host.fleet
    with fleet.open() as database, _workers(settings, host.resolvers, serving) as pool:
        started = fleet.begin(database, resume=arguments.resume)
        told = begin
        try:
            for standings in _in_order(pool, _batches(arguments, output, database, started)):
                for record in _judged(standings, arguments, host, database, serving):
                    tally[str(record["state"])] += 1
                    if not arguments.since_last or record["was"] != record["state"]:
                        is_well &= record["state"] == OK
                        output.out.write(json.dumps(record) + "\n")
                output.out.flush()
                if time.monotonic() - told > 1:
                    told = time.monotonic()
                    output.progress(_progress(tally, told - begin))
        except LookupFailed as error:
            done = count(tally.total(), "name")
            raise LookupFailed(f"{error.problem}; {done} done", "mend it, then the same with --resume") from None
        finally:
            output.progress("")
            pool.shutdown(cancel_futures=True)
        fleet.finish(database)
    if arguments.prometheus is not None:
        _write_metrics(arguments.prometheus, tally, time.monotonic() - begin)
    return is_well


# The workers


def _workers(settings: Settings, resolvers: Sequence[Resolver], serving: Mapping[str, Networks]) -> ProcessPoolExecutor:
    # Forked, so that what this process has loaded is shared and the settings with their secrets are not sent anywhere.
    context = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(WORKERS, context, _begin_worker, (settings, tuple(resolvers), serving))


def _begin_worker(settings: Settings, resolvers: Sequence[Resolver], serving: Mapping[str, Networks]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    Worker.settings, Worker.recursive, Worker.serving = settings, Recursive(resolvers), serving


def _work(batch: Batch) -> list[Standing]:
    """:raises LookupFailed: when no resolver answers any more: then nothing is known of these names."""
    given = [names.usable(text, where) for where, text in batch]
    wanted = [each for each in given if isinstance(each, Wanted)]
    looked = iter(delegation.look(Worker.settings, Worker.recursive, wanted, Worker.serving))
    standings = [
        Standing(each.text, UNUSABLE, f"{each.where}: {each.problem}") if isinstance(each, Unusable) else next(looked)
        for each in given
    ]
    # One that dies in the middle of a batch must not pass for broken servers of a few names.
    if any(standing.state == BROKEN for standing in standings):
        _see_that_resolvers_live()
    return standings


def _see_that_resolvers_live() -> None:
    from dns.name import root
    from dns.rdatatype import NS

    try:
        Worker.recursive.ask(root, NS)
    except LookupFailed as error:
        raise LookupFailed(f"no resolver answers: {error.problem}") from None


def _in_order(pool: ProcessPoolExecutor, batches: Iterator[Batch]) -> Iterator[list[Standing]]:
    """The results in the order of the batches, never more than a few of them under way."""
    running: deque[Future[list[Standing]]] = deque()
    for batch in batches:
        running.append(pool.submit(_work, batch))
        if len(running) >= WORKERS * AHEAD:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


# The names


def _batches(arguments: argparse.Namespace, output: Output, database: Connection, started: float) -> Iterator[Batch]:
    lines = names.lines(arguments.names, arguments.file, output)
    while batch := list(itertools.islice(lines, TOGETHER)):
        if arguments.resume:
            known = Fleet.known(database, [_key(text) for _, text in batch])
            batch = [each for each in batch if known.get(_key(each[1]), Known()).looked < started]
        if batch:
            yield batch


def _key(text: str) -> str:
    """The name as it is recorded, where it was written plainly; another is looked at once more."""
    return text.strip().rstrip(".").lower()


def _judged(
    standings: Sequence[Standing],
    arguments: argparse.Namespace,
    host: Host,
    database: Connection,
    serving: Mapping[str, Networks],
) -> Iterator[dict[str, object]]:
    """What each standing means beside what was known, and a record of it; what is known then is written down."""
    now = time.time()
    usable = [standing.name for standing in standings if standing.state != UNUSABLE]
    known = Fleet.known(database, usable)
    issued = host.history.last_planned([name.removeprefix("*.") for name in usable]) if arguments.stale else {}
    learnt: dict[str, Known] = {}
    records = []
    for standing in standings:
        before = learnt.get(standing.name) or known.get(standing.name) or Known()
        if standing.state == UNUSABLE:
            records.append(_record(standing, before, now, None))
            continue
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
        records.append(_record(replace(standing, state=state), before, since, used))
    Fleet.record(database, learnt)
    yield from records


def _state(standing: Standing, known: Known, *, is_watched: bool) -> str:
    """:param is_watched: our networks are known, so that a name can be away."""
    if standing.state in DELEGATED:
        if is_watched and known.away is not None:
            return GONE if known.arrived else NEVER
        return standing.state
    is_lost = known.delegated is not None and standing.state not in {BROKEN, delegation.LOOP}
    return UNDELEGATED if is_lost else standing.state


def _record(standing: Standing, before: Known, since: float, issued: float | None) -> dict[str, object]:
    return {
        "name": standing.name,
        "state": standing.state,
        "since": since,
        "was": before.state,
        "delegate": standing.delegate,
        "addresses": standing.addresses,
        "seen": standing.seen,
        "do": standing.do,
        "issued": issued,
        "letter": letter(standing, since, issued) if standing.state in {GONE, NEVER, STALE} else "",
    }


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
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text("\n".join(rows) + "\n")
        part.replace(path)
    except OSError as error:
        raise StateError(
            f"--prometheus {printable(str(path))}: {error.strerror}", f"ls -ld {quoted(path.parent)}"
        ) from None
