"""What the looks at one authoritative server have shown, and whether the order still waits for it; no I/O."""

from enum import StrEnum

from certbot_dns_delegate.timing import AWAY_LOOKS, DOUBTFUL_PASSES, MOST_PASSES, PATIENCE, RECENT


class State(StrEnum):
    """What the latest look at a server showed."""

    UNSEEN = "not asked yet"
    READY = "serves all values"
    SEEN = "serves all values, not yet often enough"
    LAGGING = "answers without them"
    UNSIGNED = "serves them without signature"
    EXPIRED = "serves them with a signature that is not valid now"
    NO_TCP = "truncates by UDP and does not answer by TCP"
    LAME = "is lame"
    REFUSING = "refuses"
    SILENT = "is silent"
    UNREACHABLE = "cannot be reached from here"

    @property
    def lacks(self) -> bool:
        """Whether a resolver that got this answer would fail the challenge."""
        return self in {State.LAGGING, State.UNSIGNED, State.EXPIRED, State.NO_TCP}

    @property
    def is_away(self) -> bool:
        """Whether there was no answer to go by; a resolver goes on to another server."""
        return self in {State.LAME, State.REFUSING, State.SILENT, State.UNREACHABLE}


class Memory:
    """The looks at one server, as far as they matter for what comes next."""

    def __init__(self, passes: int) -> None:
        """:param passes: complete looks in a row that are needed of a server never seen without the values."""
        self.passes = passes
        self.state = State.UNSEEN
        self.looks = 0
        """Complete looks in a row; one without a usable answer says nothing either way, and is not counted."""
        self.needed = passes
        """How many make it ready."""
        self.lacked_at: float | None = None
        """When it last answered without the values (``time.monotonic``)."""
        self.looked_at: float | None = None
        """When the last look ended."""
        self._was_complete = False
        self._away = 0
        self._away_since = 0.0

    def note(self, state: State, begin: float, end: float, times: int = 1) -> None:
        """Remember a look.

        :param state: what it showed; READY where it was complete.
        :param begin: when it began, and ``end`` when it ended (``time.monotonic``).
        :param times: how often the same was asked at once.
        """
        self.looked_at = end
        self.looks += times if state is State.READY else 0
        if state.is_away:
            self._away += 1
            self._away_since = begin if self._away == 1 else self._away_since
        else:
            self._away = 0
        if state.lacks:
            self._lack(state, end)
        self._was_complete |= state is State.READY
        self.state = State.SEEN if state is State.READY and self.looks < self.needed else state

    def _lack(self, state: State, end: float) -> None:
        self.looks = 0
        self.lacked_at = end
        self.needed = max(self.needed, DOUBTFUL_PASSES)
        if self._was_complete and state is State.LAGGING:
            # Now with the values and now without: several machines behind one address, and chance decides which of
            # them answers. The more often its answer changes, the longer the row that shows that all have them.
            self._was_complete = False
            self.needed = min(2 * self.needed, MOST_PASSES)

    def doubt(self) -> None:
        """Ask for one more look, whatever was seen before."""
        self.looks = min(self.looks, self.needed - 1)
        self.state = State.UNSEEN

    @property
    def blocks(self) -> bool:
        """Whether the CA has to wait for this server."""
        return self.state in {State.UNSEEN, State.SEEN} or self.state.lacks or (self.state.is_away and self._may_lack)

    @property
    def _may_lack(self) -> bool:
        """Whether a server that is away may come back at any moment without the values.

        One that answered without them counts on for :data:`AWAY_LOOKS` looks and :data:`RECENT`. Any other has its
        patience, as if it had been silent: also a server that is being restarted refuses at first.
        """
        if self.looked_at is None:
            return False
        if self.lacked_at is not None:
            return self._away < AWAY_LOOKS or self.looked_at - self.lacked_at < RECENT.total_seconds()
        is_out_of_reach = self.state is State.UNREACHABLE
        return not is_out_of_reach and self.looked_at - self._away_since < PATIENCE.total_seconds()
