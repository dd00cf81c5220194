"""The state of a name, by what is seen of it now and what was known before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from certbot_dns_delegate.monitor import permission
from certbot_dns_delegate.monitor import standing as delegation
from certbot_dns_delegate.monitor.row import GONE, NEVER, STALE, row
from certbot_dns_delegate.monitor.standing import BROKEN, OK, WILDCARD, Standing, here
from certbot_dns_delegate.monitor.worker import UNUSABLE
from certbot_dns_delegate.state.fleet import UNDELEGATED, Known, Networks

DELEGATED = {OK, WILDCARD, permission.ENDING}
UNCERTAIN = {BROKEN, delegation.LOOP, delegation.LONG, UNUSABLE, permission.MISSING}
"""States that do not show where the name leads now."""


@dataclass(frozen=True)
class Judge:
    """Judges name by name."""

    serving: Mapping[str, Networks]
    """Our networks, by the title of the delegate."""
    stale_s: float | None
    """Seconds without a certificate after which a name is stale; None: never."""
    _is_here: Callable[[str, tuple[str, ...]], bool] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_is_here", here(self.serving))

    def judge(
        self, standing: Standing, before: Known, used: float | None, now: float
    ) -> tuple[dict[str, object], Known]:
        """The row to show, and what is known from now on.

        :param used: when a certificate for the name was last ordered here, seconds since the epoch.
        :param now: in the same unit.
        """
        is_delegated = standing.state in DELEGATED
        after = self._located(standing, before, now) if is_delegated else before
        state = self._state(standing, after)
        if state == OK and self._is_stale(after, used, now):
            state = STALE
        after = after.with_state(state, now, is_delegated=is_delegated)
        since = after.away if state in {GONE, NEVER} and after.away is not None else after.since
        judged = standing if state == standing.state else standing._replace(state=state)
        return row(judged, before, since, used), after

    def _located(self, standing: Standing, before: Known, now: float) -> Known:
        if standing.addresses is None or not self.serving.get(standing.delegate):
            return before
        return before.seen(now, is_here=self._is_here(standing.delegate, standing.addresses))

    def _state(self, standing: Standing, known: Known) -> str:
        if standing.state in DELEGATED:
            # Where our networks are known, a name can be away.
            if self.serving.get(standing.delegate) and known.away is not None:
                return GONE if known.arrived else NEVER
            return standing.state
        is_lost = known.delegated is not None and standing.state not in UNCERTAIN
        return UNDELEGATED if is_lost else standing.state

    def _is_stale(self, known: Known, used: float | None, now: float) -> bool:
        return self.stale_s is not None and now - max(used or 0.0, known.delegated or now) > self.stale_s
