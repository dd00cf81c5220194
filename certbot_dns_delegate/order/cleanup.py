"""The end of a run: its own values are withdrawn, and beside them, never in their way, what dead runs have left."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime

from dns.name import from_text

from certbot_dns_delegate.errors import DelegateError, SettingsError
from certbot_dns_delegate.order.leftover import Leftover, leftovers
from certbot_dns_delegate.order.withdrawal import Fate, ProviderFor, Withdrawal, batches
from certbot_dns_delegate.state.entry import DAY_S, Entry, Noted, State
from certbot_dns_delegate.state.journal import Journal
from certbot_dns_delegate.state.notes import Diary
from certbot_dns_delegate.state.pending import Pending

log = logging.getLogger(__name__)

GRACE_S = 1.0
"""Seconds that what dead runs left may take longer than a run's own values."""

_given_up: set[tuple[str, str, str]] = set()
"""Authenticator, credentials and delegate whose leftovers this process could not take away: a ``certbot renew`` of 200
lineages tries each server once."""


class Cleanup:
    """The withdrawals at the end of one run."""

    def __init__(self, pending: Pending, provider_for: ProviderFor, diary: Diary, warn: Callable[[str], None]) -> None:
        self._pending = pending
        self._provider_for = provider_for
        self._diary = diary
        self._warn = warn

    def run(self, own: Sequence[Journal], pool: Executor, beside: Executor) -> list[Leftover]:
        """Withdraw the values in ``own``, and those of dead runs as far as that takes no longer.

        :param beside: where the requests for dead runs wait.
        :returns: what is left, and is to be reported.
        """
        begin, now = time.monotonic(), time.time()
        dead = self._dead(now)
        try:
            self._leave_shared([*own, *dead])
            mine = Withdrawal(batches(own), self._provider_for, pool, now)
            theirs = Withdrawal(batches(dead, lambda record: _is_due(record, now)), self._provider_for, beside, now)
            mine.wait()
            theirs.wait(GRACE_S)
            ended, old = mine.end(), theirs.end(is_dead=True)
            _given_up.update(_whose(each.entry) for each in old if each.error is not None)
            reported = [each for each in old if _is_to_be_told(each)]
            for each in reported:
                each.journal.note([each.number], told=True)
        finally:
            for journal in (*own, *dead):
                journal.close()
        for each in ended:
            if each.until is not None:
                when = datetime.fromtimestamp(each.until, UTC).strftime("%H:%M")
                log.info("it is not certain that nothing stays at %s; a run after %s UTC looks", each.entry.owner, when)
        is_over = [each for each in old if each.error is None and each.until is None]
        self._note([*ended, *is_over, *reported], begin)
        return leftovers([*ended, *reported])

    def _dead(self, now: float) -> list[Journal]:
        """The journals of dead runs of which something is due."""
        try:
            return self._pending.adopt_dead(lambda record: _is_due(record, now))
        except DelegateError as error:
            self._warn(f"what earlier runs left could not be looked for: {error}")
            return []

    def _leave_shared(self, journals: Sequence[Journal]) -> None:
        try:
            if journals:
                self._pending.leave_shared(journals)
        except DelegateError as error:
            # Then they are withdrawn; the other run, if there is one, notices that its values are gone.
            self._warn(f"whether another run has written the same could not be looked for: {error}")

    def _note(self, ended: Iterable[Fate], begin: float) -> None:
        for each in ended:
            entry = each.entry
            detail: dict[str, object] = {"zone": entry.zone, "ttl": self._diary.ttl_of(from_text(entry.owner))}
            if each.error is not None:
                detail["error"] = str(each.error)
            if each.stays:
                detail["stays"] = True
            outcome = "left" if each.error is not None else "ok" if each.until is None else "waits"
            self._diary.note("withdraw", outcome, begin, owner=entry.owner, delegate=entry.delegate, detail=detail)


def _is_due(record: Noted, now: float) -> bool:
    is_early = record.state is State.DOUBTFUL and record.entry.may_arrive(now)
    return not is_early and record.is_due(now) and _whose(record.entry) not in _given_up


def _is_to_be_told(each: Fate) -> bool:
    """Whether a failure is more than a server that is away: its section is gone, or it has lasted for a day."""
    is_lasting = isinstance(each.error, SettingsError) or time.time() - each.entry.written >= DAY_S
    return each.error is not None and is_lasting and not each.is_told


def _whose(entry: Entry) -> tuple[str, str, str]:
    return entry.authenticator, entry.credentials, entry.delegate
