"""Take away what was written, from the journals alone: this run's values, and those of runs that died."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path

from dns.name import Name, from_text

from certbot_dns_delegate.errors import DelegateError, Denied, OutcomeUnknown, Unreachable
from certbot_dns_delegate.model import Values
from certbot_dns_delegate.providers.interface import Provider
from certbot_dns_delegate.state.journal import AGAIN_AFTER_S, Entry, Journal, State
from certbot_dns_delegate.text import printable, show_all

SINGLY_S = 30.0
"""Seconds after which no further owner of a refused request is tried alone: at a dead server each would cost seconds;
the others stay on record for a later run."""

Key = tuple[str, str, str, str]
"""Authenticator, credentials path, delegate's title, zone."""

ProviderFor = Callable[[str, Path, str], Provider]
"""The provider that ``(authenticator, credentials path, delegate's title)`` wrote with."""


@dataclass
class Batch:
    """What one request shall take away."""

    values: dict[Name, set[str]] = field(default_factory=lambda: defaultdict(set))
    entries: list[tuple[Journal, int, Entry]] = field(default_factory=list)


@dataclass(frozen=True)
class Leftover:
    """What could not be taken away."""

    zone: str
    owners: str
    values: frozenset[str]
    error: DelegateError


def batches(journals: Sequence[Journal], alive: Sequence[Entry]) -> dict[Key, Batch]:
    """The open entries of ``journals``, one batch for each request.

    A value that another living run has written too is left to that run, which withdraws it as its last user.
    """
    kept: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in alive:
        kept[entry.zone, entry.owner] |= entry.ours
    grouped: dict[Key, Batch] = defaultdict(Batch)
    for journal in journals:
        for number, entry in journal.open_entries.items():
            batch = grouped[entry.authenticator, entry.credentials, entry.delegate, entry.zone]
            batch.entries.append((journal, number, entry))
            ours = entry.ours - kept[entry.zone, entry.owner]
            if ours:
                batch.values[from_text(entry.owner)] |= ours
    return dict(grouped)


def withdraw_all(work: Mapping[Key, Batch], provider_for: ProviderFor, pool: Executor, now: float) -> list[Leftover]:
    """Withdraw every batch, in parallel, whatever becomes of the others; mark each entry with what became of it.

    :param now: seconds since the epoch; a write of unknown outcome stays on record until it cannot happen any more.
    :returns: what is left.
    """
    running: dict[Key, Future[dict[Name, DelegateError]]] = {
        key: pool.submit(
            _withdraw, provider_for, key, {owner: frozenset(texts) for owner, texts in batch.values.items()}
        )
        for key, batch in work.items()
    }
    leftovers: list[Leftover] = []
    for key, future in running.items():
        failed = future.result()
        for owner, error in failed.items():
            leftovers.append(Leftover(key[3], show_all([owner]), frozenset(work[key].values[owner]), error))
        marks: dict[tuple[Journal, State], list[int]] = defaultdict(list)  # each is one sync to disk
        for journal, number, entry in work[key].entries:
            if failed and from_text(entry.owner) in failed:
                continue
            is_doubtful = journal.state(number) in {State.INTENDED, State.DOUBTFUL}
            # By its amount: a clock that was set back must not keep an entry for ever.
            again = is_doubtful and abs(now - entry.written) < AGAIN_AFTER_S
            marks[journal, State.DOUBTFUL if again else State.WITHDRAWN].append(number)
        for (journal, state), numbers in marks.items():
            journal.mark(numbers, state)
    return leftovers


def _withdraw(provider_for: ProviderFor, key: Key, values: Values) -> dict[Name, DelegateError]:
    """Withdraw in one request; when that is refused, owner by owner. The owners that stay, and why."""
    authenticator, credentials, title, zone_text = key
    if not values:
        return {}

    def attempt(part: Values) -> DelegateError | None:
        try:
            provider_for(authenticator, Path(credentials), title).withdraw(from_text(zone_text), part)
        except DelegateError as error:
            return error
        except BaseException as error:  # noqa: BLE001  in a thread of the pool: whatever it is, the others must go on
            return DelegateError(f"{type(error).__name__}: {printable(str(error))}")
        return None

    failed = attempt(values)
    if failed is None:
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


def _says_all(error: DelegateError) -> bool:
    """Whether a request for one owner alone would fare no better: nobody answered, or nobody could be asked."""
    return isinstance(error, Unreachable) or (isinstance(error, OutcomeUnknown) and not isinstance(error, Denied))
