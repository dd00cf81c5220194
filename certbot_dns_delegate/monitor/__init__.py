"""``monitor``: checks the delegations of many names as a stream: names in, rows out, in constant memory."""

import argparse
import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from sqlite3 import Connection

from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output, count
from certbot_dns_delegate.command.types import UsageError, check_output
from certbot_dns_delegate.errors import LookupFailed, StateError
from certbot_dns_delegate.monitor import permission
from certbot_dns_delegate.monitor import standing as delegation
from certbot_dns_delegate.monitor.judge import Judge
from certbot_dns_delegate.monitor.metrics import Counts
from certbot_dns_delegate.monitor.page import Overview, as_page
from certbot_dns_delegate.monitor.row import GONE, NEVER, STALE, as_json, line, summary
from certbot_dns_delegate.monitor.rows import Rows, rows_of
from certbot_dns_delegate.monitor.shard import Portion, settings_of
from certbot_dns_delegate.monitor.standing import BROKEN, OK, WILDCARD, Standing
from certbot_dns_delegate.monitor.worker import UNUSABLE, Batch
from certbot_dns_delegate.monitor.workers import InOrder, crew
from certbot_dns_delegate.order.owner import DNS01, PERSIST
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
    permission.MISSING,
    permission.ENDING,
    UNUSABLE,
)


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Print the rows; whether every one of them is ok, or whether they are all in their file."""
    if arguments.merge:
        from certbot_dns_delegate.monitor import merge

        return merge.run(arguments, output)
    settings = _settings(arguments, host)
    _check(arguments, settings)
    serving = {each.title: tuple(arguments.serving or each.serving) for each in settings.delegates}
    fleet = Fleet(arguments.shard.database(host.state))
    with (
        fleet.open() as database,
        rows_of(output, arguments.output, str(arguments.shard)) as rows,
        _looking(arguments.challenge, host, settings, serving) as look,
    ):
        looking = Pass(arguments, host, output, rows, database, serving)
        started = looking.begin()
        try:
            # A regular file gives its names at once.
            source = sys.stdin.fileno() if arguments.file == "-" and sys.stdin is not None else None
            for standings in look(looking.batches(started), source):
                looking.show(standings, started)
        except LookupFailed as error:
            done = count(looking.tally.total(), "name")
            raise LookupFailed(
                f"{error.problem}; {done} done", "fix this, then run the same command with --resume"
            ) from None
        finally:
            output.progress("")
        looking.finish()
    looking.end()
    return looking.is_well or arguments.output is not None


def _settings(arguments: argparse.Namespace, host: Host) -> Settings:
    if arguments.challenge == PERSIST:
        from certbot_dns_delegate.command.method import nothing_written  # with all of Certbot's files, as Kinds below

        return nothing_written(host.authenticator)
    return settings_of(arguments.zones) if arguments.zones else host.settings


def _looking(
    choice: str, host: Host, settings: Settings, serving: Mapping[str, Networks]
) -> AbstractContextManager[InOrder]:
    """What finds out the state of names, by how a CA checks them."""
    if choice == DNS01:
        return crew(settings, host.resolvers, serving)
    from certbot_dns_delegate.monitor.kinds import Kinds  # a fleet does not need them

    return nullcontext(Kinds(choice, host, settings, serving).in_order)


def _check(arguments: argparse.Namespace, settings: Settings) -> None:
    """:raises UsageError: when the pass cannot be made, or its results not be written."""
    unknown = [delegate.title for delegate in settings.delegates if delegate.suffix is None]
    if unknown:
        raise UsageError(f"[{unknown[0]}] does not say which zone it is for; hint: zone = acme.example.net")
    if arguments.zones and arguments.credentials:
        raise UsageError("--zones and --credentials say the same: give one of them")
    check_output("--prometheus", arguments.prometheus)
    check_output("--html", arguments.html)


class Pass:
    """One pass over the names."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        host: Host,
        output: Output,
        rows: Rows,
        database: Connection,
        serving: Mapping[str, Networks],
    ) -> None:
        self.tally: Counter[str] = Counter()
        self.is_well = True
        self._begin = time.monotonic()
        self._arguments = arguments
        self._host = host
        self._output = output
        self._rows = rows
        self._portion = Portion(arguments.shard, names.lines(arguments.names, arguments.file, output))
        self._database = database
        self._stale_s = None if arguments.stale is None else arguments.stale.total_seconds()
        self._judge = Judge(serving, self._stale_s)
        self._overview = None if arguments.html is None else Overview()
        self._is_table = output.is_terminal and not output.is_json and arguments.output is None

    def begin(self) -> float:
        """When the pass began: the unfinished one, where its rows can be gone on with, or a new one."""
        unfinished = Fleet.unfinished(self._database) if self._arguments.resume else None
        if unfinished is not None and self._rows.goes_on(unfinished):
            return unfinished.started
        started = Fleet.begin(self._database)
        self._rows.begin(started)
        return started

    def batches(self, started: float) -> Iterator[Batch]:
        """The names to check; those that a resumed run has checked already are only counted.

        :param started: when the pass began, seconds since the epoch.
        """
        lines = iter(self._portion)
        while batch := list(itertools.islice(lines, TOGETHER)):
            if self._arguments.resume:
                known = Fleet.known(self._database, [_key(text) for _, text in batch])
                states = [(each, known.get(_key(each[1]), Known())) for each in batch]
                self.tally.update(at.state for _, at in states if at.looked >= started)
                batch = [each for each, at in states if at.looked < started]
            if batch:
                yield batch

    def show(self, standings: Sequence[Standing], started: float) -> None:
        """Print the rows of some names, then remember them."""
        records, learnt = self._judged(standings, started)
        self._output.progress("")
        self._rows.write(*map(self._text, self._counted(records)))
        # Only what was shown is remembered as such: when the reader goes away, nothing is lost to the next run.
        Fleet.record(self._database, learnt, self._rows.settle())
        self._output.progress(_progress(self.tally, time.monotonic() - self._begin))

    def _judged(
        self, standings: Sequence[Standing], started: float
    ) -> tuple[list[dict[str, object]], dict[str, Known]]:
        """The rows, and what is known from now on; a name that the list has twice gets one row."""
        now = time.time()
        known = Fleet.known(self._database, [standing.name for standing in standings])
        issued = self._issued(standings)
        records = []
        learnt: dict[str, Known] = {}
        for standing in standings:
            name = standing.name
            before = learnt.get(name) or known.get(name) or UNKNOWN
            if before.looked >= started:
                continue
            record, learnt[name] = self._judge.judge(standing, before, issued.get(name.removeprefix("*.")), now)
            records.append(record)
        return records, learnt

    def _issued(self, standings: Sequence[Standing]) -> Mapping[str, float]:
        """When a certificate was last ordered here for names, seconds since the epoch; only looked up for --stale."""
        if self._stale_s is None:
            return {}
        usable = [standing.name.removeprefix("*.") for standing in standings if standing.state != UNUSABLE]
        return self._host.history.last_planned(usable)

    def _counted(self, records: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
        """Count rows; those that are to be shown."""
        self.tally.update([str(record["state"]) for record in records])
        if self._overview is not None:
            for record in records:
                self._overview.add(record)
        only_new = self._arguments.since_last
        counted = [each for each in records if not only_new or each["was"] != each["state"]]
        bad = [each for each in counted if each["state"] != OK]
        self.is_well &= not bad
        return counted if self._arguments.only is None else bad

    def _text(self, record: Mapping[str, object]) -> str:
        return line(record, self._output) if self._is_table else as_json(record)

    def finish(self) -> None:
        """All names were looked at."""
        self._rows.end(time.time(), self._portion.listed)
        Fleet.finish(self._database)

    def end(self) -> None:
        """The summary, and the files that were asked for."""
        if self._output.is_terminal:
            self._output.text(summary(self.tally, STATES))
        if self._arguments.prometheus is not None:
            counts = Counts({state: self.tally[state] for state in STATES}, time.time(), time.monotonic() - self._begin)
            shard = self._arguments.shard
            text = counts.as_text(str(shard) if shard.of > 1 else "")
            write_beside("--prometheus", self._arguments.prometheus, text)
        if self._overview is not None:
            write_beside("--html", self._arguments.html, as_page(self._overview))


UNKNOWN = Known()


def _key(text: str) -> str:
    """The name as it is recorded; one that was written in another way is checked again."""
    return text.strip().rstrip(".").lower()


# What is told beside


def _progress(tally: Counter[str], took_s: float) -> str:
    bad = tally.total() - tally[OK]
    return f"{tally.total():,} names, {tally.total() / took_s:,.0f} a second, {bad:,} not ok"


def write_beside(option: str, path: Path, text: str) -> None:
    """A file beside the rows, whole or not at all; others may read it.

    :raises StateError: when it cannot be written.
    """
    try:
        replace_file(path, text, 0o644)  # node_exporter and web servers run as users of their own
    except OSError as error:
        shown = printable(str(path))
        raise StateError(f"{option} {shown}: {error.strerror}", command_line("ls", "-ld", path.parent)) from None
