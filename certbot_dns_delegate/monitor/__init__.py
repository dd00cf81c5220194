"""``monitor``: checks the delegations of many names as a stream: names in, rows out, in constant memory."""

import argparse
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from sqlite3 import Connection

from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output, count
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.errors import LookupFailed, StateError
from certbot_dns_delegate.monitor import standing as delegation
from certbot_dns_delegate.monitor.judge import Judge
from certbot_dns_delegate.monitor.page import Overview, as_page
from certbot_dns_delegate.monitor.row import GONE, NEVER, STALE, line, summary
from certbot_dns_delegate.monitor.standing import BROKEN, OK, WILDCARD, Standing
from certbot_dns_delegate.monitor.worker import UNUSABLE, Batch
from certbot_dns_delegate.monitor.workers import crew
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.state.files import replace_file
from certbot_dns_delegate.state.fleet import UNDELEGATED, Fleet, Known, Networks
from certbot_dns_delegate.text import command_line, printable

TOGETHER = 100
"""Names in one batch."""

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
    settings = host.settings
    _check(arguments, settings)
    serving = {each.title: tuple(arguments.serving or each.serving) for each in settings.delegates}
    with host.fleet.open() as database, crew(settings, host.resolvers, serving) as look:
        started = host.fleet.begin(database, resume=arguments.resume)
        looking = Pass(arguments, host, output, database, serving)
        try:
            for standings in look(looking.batches(started)):
                looking.show(standings)
        except LookupFailed as error:
            done = count(looking.tally.total(), "name")
            raise LookupFailed(
                f"{error.problem}; {done} done", "fix this, then run the same command with --resume"
            ) from None
        finally:
            output.progress("")
        host.fleet.finish(database)
    looking.end()
    return looking.is_well


def _check(arguments: argparse.Namespace, settings: Settings) -> None:
    """:raises UsageError: when the pass cannot be made, or its results not be written."""
    unknown = [delegate.title for delegate in settings.delegates if delegate.suffix is None]
    if unknown:
        raise UsageError(f"[{unknown[0]}] does not say which zone it is for; hint: zone = acme.example.net")
    if arguments.prometheus is not None and not arguments.prometheus.absolute().parent.is_dir():
        raise UsageError(f"--prometheus {printable(str(arguments.prometheus))}: there is no such directory")


class Pass:
    """One pass over the names."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        host: Host,
        output: Output,
        database: Connection,
        serving: Mapping[str, Networks],
    ) -> None:
        self.tally: Counter[str] = Counter()
        self.is_well = True
        self._begin = time.monotonic()
        self._arguments = arguments
        self._host = host
        self._output = output
        self._database = database
        self._stale_s = None if arguments.stale is None else arguments.stale.total_seconds()
        self._judge = Judge(serving, self._stale_s)
        self._overview = None if arguments.html is None else Overview()
        self._is_table = output.is_terminal and not output.is_json

    def batches(self, started: float) -> Iterator[Batch]:
        """The names to check; those that a resumed run has checked already are only counted.

        :param started: when the pass began, seconds since the epoch.
        """
        lines = names.lines(self._arguments.names, self._arguments.file, self._output)
        while batch := list(itertools.islice(lines, TOGETHER)):
            if self._arguments.resume:
                known = Fleet.known(self._database, [_key(text) for _, text in batch])
                states = [(each, known.get(_key(each[1]), Known())) for each in batch]
                self.tally.update(at.state for _, at in states if at.looked >= started)
                batch = [each for each, at in states if at.looked < started]
            if batch:
                yield batch

    def show(self, standings: Sequence[Standing]) -> None:
        """Print the rows of some names, then remember them."""
        records, learnt = self._judged(standings)
        self._output.progress("")
        for record in records:
            self._count(record)
            if self._is_shown(record):
                self._output.write(line(record, self._output) if self._is_table else json.dumps(record) + "\n")
        self._output.flush()
        # Only what was shown is remembered as such: when the reader goes away, nothing is lost to the next run.
        Fleet.record(self._database, learnt)
        self._output.progress(_progress(self.tally, time.monotonic() - self._begin))

    def _judged(self, standings: Sequence[Standing]) -> tuple[list[dict[str, object]], dict[str, Known]]:
        """The rows, and what is known from now on."""
        now = time.time()
        known = Fleet.known(self._database, [standing.name for standing in standings])
        issued = self._issued(standings)
        records = []
        learnt: dict[str, Known] = {}
        for standing in standings:
            name = standing.name
            before = learnt.get(name) or known.get(name) or UNKNOWN
            record, learnt[name] = self._judge.judge(standing, before, issued.get(name.removeprefix("*.")), now)
            records.append(record)
        return records, learnt

    def _issued(self, standings: Sequence[Standing]) -> Mapping[str, float]:
        """When a certificate was last ordered here for names, seconds since the epoch; only looked up for --stale."""
        if self._stale_s is None:
            return {}
        usable = [standing.name.removeprefix("*.") for standing in standings if standing.state != UNUSABLE]
        return self._host.history.last_planned(usable)

    def _count(self, record: Mapping[str, object]) -> None:
        self.tally[str(record["state"])] += 1
        if self._overview is not None:
            self._overview.add(record)
        if self._is_counted(record):
            self.is_well &= record["state"] == OK

    def _is_counted(self, record: Mapping[str, object]) -> bool:
        return not self._arguments.since_last or record["was"] != record["state"]

    def _is_shown(self, record: Mapping[str, object]) -> bool:
        return self._is_counted(record) and (self._arguments.only is None or record["state"] != OK)

    def end(self) -> None:
        """The summary, and the files that were asked for."""
        if self._is_table:
            self._output.text(summary(self.tally, STATES))
        if self._arguments.prometheus is not None:
            _write_metrics(self._arguments.prometheus, self.tally, time.monotonic() - self._begin)
        if self._overview is not None:
            _write_page(self._arguments.html, self._overview)


UNKNOWN = Known()


def _key(text: str) -> str:
    """The name as it is recorded; one that was written in another way is checked again."""
    return text.strip().rstrip(".").lower()


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
