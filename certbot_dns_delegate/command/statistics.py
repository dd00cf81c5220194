"""The history as a summary: how long each phase takes, for whom, and what failed."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from certbot_dns_delegate.command.page import Curve, page, plot, table
from certbot_dns_delegate.state.history import Event
from certbot_dns_delegate.text import printable

PHASES = ("plan", "publish", "watch", "withdraw")
MOST_SERVERS = 50
"""Servers and delegates that are listed; the rest are counted."""


@dataclass
class Sample:
    """Milliseconds of many events, small enough for a million of them."""

    values: "array[float]" = field(default_factory=lambda: array("f"))

    def add(self, milliseconds: float) -> None:
        self.values.append(milliseconds)

    def at(self, share: float) -> float:
        """The value below which this share of them lies; 0 for none (the nearest rank)."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass
class Summary:
    """What many events come to."""

    events: int = 0
    first: float = 0.0
    last: float = 0.0
    by_phase: dict[str, Sample] = field(default_factory=lambda: defaultdict(Sample))
    by_delegate: dict[tuple[str, str], Sample] = field(default_factory=lambda: defaultdict(Sample))
    """By delegate and phase."""
    by_day: dict[tuple[str, str], Sample] = field(default_factory=lambda: defaultdict(Sample))
    """By phase and day."""
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By phase and outcome."""
    servers: Counter[str] = field(default_factory=Counter)
    """How often each server kept an order waiting, or was out."""

    def add(self, event: Event) -> None:
        """Count one event in; of those that failed only the failure."""
        self.events += 1
        self.first = min(self.first or event.at, event.at)
        self.last = max(self.last, event.at)
        if event.outcome != "ok":
            self.failures[event.phase, event.outcome] += 1
        elif event.phase in PHASES:
            self.by_phase[event.phase].add(event.milliseconds)
            self.by_day[event.phase, f"{datetime.fromtimestamp(event.at, UTC):%Y-%m-%d}"].add(event.milliseconds)
            if event.delegate:
                self.by_delegate[event.delegate, event.phase].add(event.milliseconds)
        servers = event.detail.get("servers")
        if event.phase == "watch" and isinstance(servers, dict):
            self.servers.update(str(server) for server, state in servers.items() if str(state) != "ready")


def summary_of(events: Iterable[Event]) -> Summary:
    """All of them in one pass."""
    summary = Summary()
    for event in events:
        summary.add(event)
    return summary


def as_text(summary: Summary) -> Iterator[str]:
    """Lines for a terminal."""
    yield f"{summary.events:,} events{_span(summary)}"
    yield f"{'phase':10} {'count':>9} {'median':>10} {'95 %':>10}"
    for phase, sample in _phases(summary):
        yield f"{phase:10} {len(sample.values):>9,} {sample.at(0.5):>7,.0f} ms {sample.at(0.95):>7,.0f} ms"
    for (delegate, phase), sample in _delegates(summary):
        many, median, high = _figures(sample)
        yield f"[{printable(delegate, 60)}] {phase}: {many}, median {median}, 95 % {high}"
    for (phase, outcome), number in summary.failures.most_common():
        yield f"failed: {printable(phase, 40)}  {printable(outcome, 60)}  {number:,}"


def as_page(summary: Summary) -> str:
    """A page with plots."""
    return page("certbot-dns-delegate: history", _parts(summary))


def _parts(summary: Summary) -> Iterator[str]:
    yield f"<p>{summary.events:,} events{_span(summary)}.</p>"
    rows = [(phase, *_figures(sample)) for phase, sample in _phases(summary)]
    yield "<h2>How long each phase takes</h2>"
    yield table(("phase", "count", "median", "95 %"), rows, frozenset({1, 2, 3}))
    for phase, _ in _phases(summary):
        days = sorted(day for each, day in summary.by_day if each == phase)
        samples = [summary.by_day[phase, day] for day in days]
        lines = [
            Curve("median", "median", [s.at(0.5) for s in samples]),
            Curve("high", "95th percentile", [s.at(0.95) for s in samples]),
        ]
        yield f"<h2>{phase}: median and 95th percentile of each day</h2>"
        yield plot(f"{phase}: median and 95th percentile in milliseconds, by day", days, lines, "ms")
    yield "<h2>By delegate</h2>"
    yield table(
        ("delegate", "phase", "count", "median", "95 %"),
        [(*key, *_figures(sample)) for key, sample in _delegates(summary)],
        frozenset({2, 3, 4}),
    )
    yield "<h2>Servers that kept an order waiting or did not answer</h2>"
    yield table(("server", "orders"), summary.servers.most_common(MOST_SERVERS), frozenset({1}))
    yield "<h2>What failed</h2>"
    failures = [(phase, outcome, f"{n:,}") for (phase, outcome), n in summary.failures.most_common()]
    yield table(("phase", "outcome", "count"), failures, frozenset({2}))


def _phases(summary: Summary) -> Sequence[tuple[str, Sample]]:
    return [(phase, summary.by_phase[phase]) for phase in PHASES if summary.by_phase[phase].values]


def _delegates(summary: Summary) -> Sequence[tuple[tuple[str, str], Sample]]:
    order = sorted(summary.by_delegate.items(), key=lambda item: (item[0][0], PHASES.index(item[0][1])))
    return order[:MOST_SERVERS]


def _figures(sample: Sample) -> tuple[str, str, str]:
    return f"{len(sample.values):,}", f"{sample.at(0.5):,.0f} ms", f"{sample.at(0.95):,.0f} ms"


def _span(summary: Summary) -> str:
    if not summary.events:
        return ""
    first, last = (datetime.fromtimestamp(at, UTC) for at in (summary.first, summary.last))
    return f", {first:%Y-%m-%d} to {last:%Y-%m-%d}"
