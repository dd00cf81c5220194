"""Ask recursive resolvers at other places for the values, once every server that can be seen from here serves them.

Of a service with anycast this host sees the nearest site alone; other sites may lag.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import DelegateError, LookupFailed, NotServed, PlanError, as_problem
from certbot_dns_delegate.lookup.answer import negative_ttl, soa_in, txt_in
from certbot_dns_delegate.lookup.message import Outcome, Question, Silence
from certbot_dns_delegate.lookup.recursive import ROOT, Resolver
from certbot_dns_delegate.model import Publication, Zone
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.state.notes import Diary
from certbot_dns_delegate.text import show
from certbot_dns_delegate.threads import pause, settle
from certbot_dns_delegate.timing import WHOLE_SECONDS, WITNESS_PATIENCE

LOOK_S = 3 * WITNESS_PATIENCE.total_seconds()
"""Seconds for all questions to one witness, with finding its address and making a connection."""
NEVER = float("inf")
SHOWN = 3
"""Owners of one witness that are named; the rest are counted."""
NOTED = 20
"""Owners that the history has of one witness."""

Outcomes = Mapping[Name, Outcome | DelegateError]


@dataclass(frozen=True)
class Need:
    """What a witness should have at one owner."""

    values: frozenset[str]
    longer: str
    """What sets a longer wait."""
    required: str
    """What sets that it is waited for."""
    limit_s: float
    """Seconds for which it is waited for; 0: it is asked once, and the order goes on."""


@dataclass(frozen=True)
class Lack:
    """What a witness said of an owner, without all of its values."""

    said: str
    at: float
    """When, on the clock of ``time.monotonic``."""
    left_s: int | None = None
    """Seconds for which it keeps that answer; None: it gave none that can be used."""

    @property
    def again(self) -> float:
        """When another answer can be expected."""
        if self.left_s is None:
            return self.at + WITNESS_PATIENCE.total_seconds()
        return self.at + self.left_s + WHOLE_SECONDS.total_seconds()


class Witness:
    """One recursive resolver, and what it lacks of an order's values."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.wanted: dict[Name, Need] = {}
        self.lacks: dict[Name, Lack] = {}
        self.late: set[Name] = set()
        """Owners about which it keeps what it said for longer than it is waited for."""
        self.begin = time.monotonic()
        self._next: dict[Name, float] = {}

    def want(self, owner: Name, wanted: Need) -> None:
        """Ask for these values too."""
        self.wanted[owner] = wanted
        self._next[owner] = self.begin

    def due(self, now: float) -> list[Name]:
        """The owners to ask for now."""
        return [owner for owner, at in self._next.items() if at <= now]

    @property
    def wake(self) -> float:
        """When there is an owner to ask for."""
        return min(self._next.values(), default=NEVER)

    @property
    def waited_for(self) -> list[Name]:
        """The owners that are to be asked for again."""
        return list(self._next)

    def give_up(self, owners: Iterable[Name]) -> None:
        """Ask for these no more."""
        for owner in owners:
            self._next.pop(owner, None)

    def take(self, owners: Iterable[Name], outcomes: Outcomes) -> None:
        """Note what was said of these owners; one without an outcome got no answer in time."""
        now = time.monotonic()
        for owner in owners:
            wanted, lack = self.wanted[owner], _lack(owner, self.wanted[owner].values, outcomes.get(owner), now)
            self.lacks.pop(owner, None)
            del self._next[owner]
            if lack is not None:
                self.lacks[owner] = lack
                if not wanted.limit_s:
                    continue
                if lack.again > self.begin + wanted.limit_s + WHOLE_SECONDS.total_seconds():
                    self.late.add(owner)
                else:
                    self._next[owner] = lack.again


def _lack(owner: Name, values: frozenset[str], outcome: Outcome | DelegateError | None, now: float) -> Lack | None:
    """What an outcome shows to be missing; None: nothing."""
    if outcome is None or isinstance(outcome, DelegateError):
        return Lack(outcome.problem if outcome else "timeout", now)
    if isinstance(outcome, Silence) or outcome.complaint:
        return Lack(outcome.reason if isinstance(outcome, Silence) else outcome.complaint, now)
    rrset = txt_in(outcome.message, owner)
    if values <= rrset.values:
        return None
    if rrset.values:
        return Lack(f"{outcome.rcode} with other values", now, rrset.ttl)
    # RFC 2308 section 5: the SOA's own TTL, which counts down in a cache, or MINIMUM; without a SOA nothing is kept.
    soa = soa_in(outcome.message, owner)
    said = "NOERROR without TXT records" if outcome.rcode == "NOERROR" else outcome.rcode
    return Lack(said, now, negative_ttl(soa) if soa is not None else 0)


def check_zone(delegate: Delegate, zone: Zone, settings: Settings) -> None:
    """:raises PlanError: when a witness that is waited for may keep a negative answer for longer than it is."""
    if not delegate.witnesses or not delegate.witnesses_required or settings.is_blind:
        return
    limit_s = settings.longest_wait(delegate).total_seconds()
    if zone.negative_ttl > limit_s:
        raise PlanError(
            f"a witness may keep for {zone.negative_ttl} s that {show(zone.apex)} has no value (the smaller of the"
            f" SOA's TTL and MINIMUM), and [{delegate.title}] waits for {limit_s:.0f} s at most",
            f"let MINIMUM in the SOA of {show(zone.apex)} be {limit_s:.0f} or less; or set"
            f"  {settings.wait_setting(delegate, f'{zone.negative_ttl}s')};"
            f" or set  {delegate.setting('witnesses_required', 'no')}",
        )


def witnesses_for(publications: Sequence[Publication], settings: Settings) -> list[Witness]:
    """Each resolver once, with all that it should have."""
    made: dict[Resolver, Witness] = {}
    for publication in publications:
        delegate = settings.chosen(publication.delegate)
        limit = settings.longest_wait(delegate) if delegate.witnesses_required else timedelta(0)
        longer, required = settings.wait_setting(delegate, "..."), delegate.setting("witnesses_required", "yes")
        for resolver in delegate.witnesses:
            witness = made.setdefault(resolver, Witness(resolver))
            for owner, values in publication.values.items():
                witness.want(owner, Need(values, longer, required, limit.total_seconds()))
    return list(made.values())


def look(resolver: Resolver, owners: Sequence[Name]) -> Outcomes:
    """Ask one witness for the TXT of each owner; what it raises is the outcome of those that are left."""
    until = time.monotonic() + 2 * WITNESS_PATIENCE.total_seconds()
    found: dict[Name, Outcome | DelegateError] = {}
    questions = [Question(owner, RdataType.TXT, recursion_desired=True) for owner in owners]
    try:
        for outcome in resolver.put(questions, WITNESS_PATIENCE.total_seconds()):
            found[outcome.ask.question.name] = outcome
            if time.monotonic() > until:
                break
    except Exception as error:  # noqa: BLE001  a witness never harms an order by what it sends
        problem = as_problem(error, f"{resolver} could not be asked")
        return {owner: found.get(owner, problem) for owner in owners}
    return found


def ask(witnesses: Sequence[Witness], pool: Executor, say: Callable[[str], None], *, allow_subset: bool) -> None:
    """Ask all at once, and again those that are waited for, until they have the values or it is too late.

    :param say: is given a sentence for what is waited for.
    :param allow_subset: go on for the other owners where it is too late for some.
    """
    now, told = time.monotonic(), ""
    while True:
        asked = [(witness, owners) for witness in witnesses if (owners := witness.due(now))]
        futures = [pool.submit(look, witness.resolver, owners) for witness, owners in asked]
        settle(futures, LOOK_S)
        for (witness, owners), future in zip(asked, futures, strict=True):
            witness.take(owners, future.result() if future.done() else {})
        late = {owner for witness in witnesses for owner in witness.late}
        for witness in witnesses:
            witness.give_up(late)
        now = time.monotonic()
        first = min(witnesses, key=lambda witness: witness.wake, default=None)
        if first is None or first.wake == NEVER or (late and not allow_subset):
            return
        if first.wake > now:
            seen = _seen(first, first.waited_for)[0]
            if seen != told:
                say(f"waiting {math.ceil(first.wake - now)} s more: {seen}")
            told = seen
            pause(first.wake - now)
            now = first.wake


def confirm(
    publications: Sequence[Publication],
    settings: Settings,
    pool: Executor,
    warn: Callable[[str], None],
    say: Callable[[str], None],
    diary: Diary,
    *,
    allow_subset: bool = False,
) -> dict[Name, DelegateError]:
    """Tell what the witnesses of these publications do not see, and wait where that is set.

    :returns: the owners whose values a witness that is waited for does not have in time, and why.
    :raises NotServed: when there are such, and a subset is not enough or nothing is left.
    """
    begin = time.monotonic()
    witnesses = witnesses_for(publications, settings)
    ask(witnesses, pool, say, allow_subset=allow_subset)
    missing: list[tuple[str, str]] = []
    lost: set[Name] = set()
    for witness in witnesses:
        _note(witness, diary, begin)
        needed = [owner for owner in witness.lacks if witness.wanted[owner].limit_s]
        missing += _sentences(witness, needed)
        lost.update(needed)
        for sentence, hint in _sentences(witness, [owner for owner in witness.lacks if owner not in needed]):
            warn(f"{sentence}; hint: {hint}")
    if not missing:
        return {}
    seen = "\n".join(f"  {sentence}" for sentence, _ in missing)
    hints = "\nhint: ".join(dict.fromkeys(hint for _, hint in missing))
    after_s = time.monotonic() - begin
    error = NotServed(f"after {after_s:.0f} s not every witness has the values\n{seen}", hints)
    if not allow_subset or lost >= {owner for publication in publications for owner in publication.values}:
        raise error
    return dict.fromkeys(lost, error)


def _note(witness: Witness, diary: Diary, begin: float) -> None:
    lacks = {show(owner): lack.said for owner, lack in itertools.islice(witness.lacks.items(), NOTED)}
    is_answered = any(lack.left_s is not None for lack in witness.lacks.values())
    outcome = "ok" if not lacks else NotServed.__name__ if is_answered else LookupFailed.__name__
    diary.note("witness", outcome, begin, detail={"witness": str(witness.resolver), "lacks": lacks})


def _sentences(witness: Witness, owners: Sequence[Name]) -> list[tuple[str, str]]:
    """What is seen and what helps: of owners that were answered, and of those that were not."""
    answered = [owner for owner in owners if witness.lacks[owner].left_s is not None]
    silent = [owner for owner in owners if witness.lacks[owner].left_s is None]
    return [_seen(witness, group) for group in (answered, silent) if group]


def _seen(witness: Witness, owners: Sequence[Name]) -> tuple[str, str]:
    """A sentence about owners that have the same trouble, and a hint."""
    lack, wanted = witness.lacks[owners[0]], witness.wanted[owners[0]]
    names = ", ".join(show(owner) for owner in owners[:SHOWN])
    more = f" and {len(owners) - SHOWN} more" if len(owners) > SHOWN else ""
    if lack.left_s is None:
        return f"the witness {witness.resolver} gave no answer: {lack.said}", witness.resolver.command(ROOT)
    longest_s = max(witness.lacks[owner].left_s or 0 for owner in owners)
    kept = f"keeps that for {longest_s} s" if longest_s else "does not keep that"
    sentence = f"the witness {witness.resolver} said {lack.said} to {names} TXT{more}, and {kept}"
    if wanted.limit_s:
        return sentence, f"order again when that time has passed, or set a longer time:  {wanted.longer}"
    return sentence, f"set  {wanted.required}  to wait for it"
