"""Take away what was written, from the journals alone: this run's values, and those of runs that died."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from dns.name import Name, from_text

from certbot_dns_delegate.errors import DelegateError, Denied, OutcomeUnknown, Unreachable
from certbot_dns_delegate.model import Server, Values
from certbot_dns_delegate.order.absence import BETWEEN_S, doubts
from certbot_dns_delegate.providers.interface import Provider
from certbot_dns_delegate.state.entry import Entry, Noted, State
from certbot_dns_delegate.state.journal import Journal
from certbot_dns_delegate.text import printable
from certbot_dns_delegate.threads import settle

SINGLY_S = 30.0
"""Seconds after which no further owner of a refused request is tried alone: at a dead server each would cost seconds;
the others stay on record for a later run."""

ProviderFor = Callable[[str, Path, str], Provider]
"""The provider that ``(authenticator, credentials path, delegate's title)`` wrote with."""


class Destination(NamedTuple):
    """What goes into one request."""

    authenticator: str
    credentials: str
    delegate: str
    zone: str
    server: str
    """The update server that was sent the values, where the delegate has several."""


@dataclass
class Batch:
    """What one request shall take away."""

    values: dict[Name, set[str]] = field(default_factory=lambda: defaultdict(set))
    records: list[tuple[Journal, int, Noted]] = field(default_factory=list)

    @property
    def wanted(self) -> Values:
        return {owner: frozenset(texts) for owner, texts in self.values.items()}


@dataclass(frozen=True)
class Fate:
    """What became of an entry."""

    journal: Journal
    number: int
    entry: Entry
    until: float | None = None
    """It waits: before this moment, in seconds since the epoch, a look would prove nothing."""
    error: DelegateError | None = None
    """It stays on record, for this reason."""
    is_told: bool = False
    """An earlier run has said so."""
    stays: bool = False
    """The service cannot delete: its values are served until newer ones push them out."""


@dataclass(frozen=True)
class Outcome:
    """What a thread has found out about a batch."""

    failed: Mapping[Name, DelegateError] = field(default_factory=dict)
    """Why an owner could not be withdrawn."""
    proves: bool = True
    """The service's yes is its own word: signed, or by HTTPS."""
    absent: frozenset[Name] = frozenset()
    """The owners whose values no server had in a look."""
    doubts: Mapping[Name, DelegateError] = field(default_factory=dict)
    """Why others that were looked for may still have theirs."""
    is_sure: bool = False
    """There were two such looks, far enough apart."""
    stays: bool = False
    """The service cannot delete, so there is nothing to look for."""


def batches(
    journals: Sequence[Journal], is_wanted: Callable[[Noted], bool] = lambda _: True
) -> dict[Destination, Batch]:
    """The open entries of ``journals``, one batch for each request."""
    grouped: dict[Destination, Batch] = defaultdict(Batch)
    for journal in journals:
        for number, record in journal.open_records.items():
            if not is_wanted(record):
                continue
            entry = record.entry
            key = Destination(entry.authenticator, entry.credentials, entry.delegate, entry.zone, entry.server)
            grouped[key].records.append((journal, number, record))
            if entry.ours:
                grouped[key].values[from_text(entry.owner)] |= entry.ours
    return dict(grouped)


class Withdrawal:
    """Batches under way, in parallel, whatever becomes of the others."""

    def __init__(
        self,
        work: Mapping[Destination, Batch],
        provider_for: ProviderFor,
        pool: Executor,
        now: float,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Send them off.

        :param now: seconds since the epoch: what is in doubt stays on record until it cannot appear any more.
        :param wait: waits so many seconds between two looks; None: the second is left to a later run.
        """
        self._work = work
        self._now = now
        self._futures: dict[Destination, Future[Outcome]] = {
            key: pool.submit(_end, provider_for, key, batch, now, wait) for key, batch in work.items()
        }

    def wait(self, most_s: float | None = None) -> None:
        """Wait for the requests, at most so many seconds."""
        settle(self._futures.values(), most_s)

    def end(self, *, is_dead: bool = False) -> list[Fate]:
        """Mark each entry with what became of it; a request that was not answered by now counts as failed.

        :param is_dead: the entries are those of other runs, whose failures are counted.
        """
        ended: list[Fate] = []
        marks: dict[tuple[Journal, str, object], list[int]] = defaultdict(list)  # each is one sync to disk
        for key, batch in self._work.items():
            future = self._futures[key]
            outcome = future.result() if future.done() and not future.cancelled() else _unanswered(key, batch)
            for journal, number, record in batch.records:
                until, error, facts = self._judged(record, outcome, is_dead=is_dead)
                stays = outcome.stays and until is None and error is None
                ended.append(Fate(journal, number, record.entry, until, error, record.told, stays))
                for name, value in facts:
                    marks[journal, name, value].append(number)
        for (journal, name, value), numbers in marks.items():
            journal.note(numbers, **{name: value})
        return ended

    def _judged(
        self, record: Noted, outcome: Outcome, *, is_dead: bool
    ) -> tuple[float | None, DelegateError | None, list[tuple[str, object]]]:
        """Until when an entry waits, or why it stays, and the facts to write down about it."""
        entry, now, owner = record.entry, self._now, from_text(record.entry.owner)
        is_withdrawn, is_absent = owner not in outcome.failed, owner in outcome.absent
        is_gone = is_absent and (outcome.is_sure or (record.absent > 0 and now - record.absent >= BETWEEN_S))
        is_proven = is_withdrawn and outcome.proves and not entry.may_arrive(now)
        is_over = is_withdrawn and (outcome.stays or not record.is_in_doubt)
        if not entry.ours or is_gone or is_proven or is_over:
            return None, None, [("state", State.WITHDRAWN)]
        facts: list[tuple[str, object]] = []
        if is_absent:
            facts.append(("absent", now))
        elif owner in outcome.doubts and record.absent:
            facts.append(("absent", 0.0))
        if is_withdrawn and record.state is not State.DOUBTFUL:
            facts.append(("state", State.DOUBTFUL))
        error = outcome.failed.get(owner) or outcome.doubts.get(owner)
        if error is not None and is_dead:
            facts.append(("tried", now))
        if is_absent:
            return now + BETWEEN_S, None, facts
        if record.is_in_doubt and (error is None or entry.waits(now)):
            return entry.written + entry.late_s if is_withdrawn and outcome.proves else entry.settled, None, facts
        return None, error, facts


def _unanswered(key: Destination, batch: Batch) -> Outcome:
    error = OutcomeUnknown(f"[{printable(key.delegate)}] has not answered yet")
    return Outcome(dict.fromkeys(batch.values, error))


def _end(
    provider_for: ProviderFor, key: Destination, batch: Batch, now: float, wait: Callable[[float], object] | None
) -> Outcome:
    """Withdraw a batch in a thread; then look for what stays in doubt, where it is time."""
    try:
        provider = provider_for(key.authenticator, Path(key.credentials), key.delegate)
    except BaseException as error:  # noqa: BLE001  in a thread of the pool: whatever it is, the others must go on
        return Outcome(dict.fromkeys(batch.values, _failure(error)))
    failed = _withdraw(provider, key, batch.wanted)
    proves = provider.limits.proves
    if not provider.limits.deletes_one_value:
        return Outcome(failed, proves, stays=True)
    values: dict[Name, frozenset[str]] = defaultdict(frozenset)
    servers: dict[Name, list[Server] | None] = {}
    for _, _, record in batch.records:
        entry, owner = record.entry, from_text(record.entry.owner)
        if not entry.waits(now) and (owner in failed or (record.is_in_doubt and not proves)):
            values[owner] |= entry.ours
            servers[owner] = _together(servers.get(owner, []), _servers(entry.servers))
    if not values:
        return Outcome(failed, proves)
    try:
        found = doubts(provider, from_text(key.zone), values, key.server, servers)
        absent = {owner: texts for owner, texts in values.items() if owner not in found}
        is_sure = bool(absent) and wait is not None
        if absent and wait is not None:
            wait(BETWEEN_S)
            found |= doubts(provider, from_text(key.zone), absent, key.server, servers)
    except BaseException as error:  # noqa: BLE001  as above
        return Outcome(failed, proves, doubts=dict.fromkeys(values, _failure(error)))
    return Outcome(failed, proves, frozenset(values) - found.keys(), found, is_sure)


def _servers(texts: Iterable[str] | None) -> list[Server] | None:
    """The servers as a journal names them; None where it does not, or in words that are none of ours."""
    servers = []
    for text in texts or ():
        address, _, port = text.rpartition("@")
        try:
            ip_address(address.partition("%")[0])
            servers.append(Server(address, int(port)))
        except ValueError:
            return None
    return None if texts is None else servers


def _together(some: list[Server] | None, more: list[Server] | None) -> list[Server] | None:
    return None if some is None or more is None else list(dict.fromkeys([*some, *more]))


def _withdraw(provider: Provider, key: Destination, values: Values) -> dict[Name, DelegateError]:
    """Withdraw in one request; when that is refused, owner by owner. The owners that stay, and why."""
    zone = from_text(key.zone)

    def attempt(part: Values) -> DelegateError | None:
        try:
            if key.server:
                provider.withdraw_at(key.server, zone, part)
            else:
                provider.withdraw(zone, part)
        except BaseException as error:  # noqa: BLE001  in a thread of the pool: whatever it is, the others must go on
            return _failure(error)
        return None

    if not values or (failed := attempt(values)) is None:
        return {}
    if len(values) == 1 or _says_all(failed):
        return dict.fromkeys(values, failed)
    left: dict[Name, DelegateError] = {}
    give_up_at = time.monotonic() + SINGLY_S
    for owner, texts in values.items():
        error = attempt({owner: texts}) if time.monotonic() < give_up_at else failed
        if error is not None:
            left[owner] = error
    return left


def _failure(error: BaseException) -> DelegateError:
    return (
        error if isinstance(error, DelegateError) else DelegateError(f"{type(error).__name__}: {printable(str(error))}")
    )


def _says_all(error: DelegateError) -> bool:
    """Whether a request for one owner alone would fare no better: nobody answered, or nobody could be asked."""
    return isinstance(error, Unreachable) or (isinstance(error, OutcomeUnknown) and not isinstance(error, Denied))
