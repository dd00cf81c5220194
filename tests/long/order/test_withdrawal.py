"""Withdrawing from journals alone: everything is attempted, nobody else's values are taken, what is left is told."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, Denied, OutcomeUnknown, Refused, SettingsError, Unreachable
from certbot_dns_delegate.model import Limits, Values
from certbot_dns_delegate.order.absence import BETWEEN_S
from certbot_dns_delegate.order.cleanup import Cleanup, _given_up
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.order.leftover import Leftover, leftovers
from certbot_dns_delegate.order.withdrawal import Fate, ProviderFor, Withdrawal, batches
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.state.entry import AGAIN_AFTER_S, BACK_OFF_S, DAY_S, Entry, Noted, State
from certbot_dns_delegate.state.history import History, Selection
from certbot_dns_delegate.state.journal import Journal
from certbot_dns_delegate.state.notes import Diary
from certbot_dns_delegate.state.pending import Pending
from certbot_dns_delegate.threads import Pool
from tests.servers import Behaviour, Lame, Refusing, Silent, first_tries
from tests.servers import Server as Double

NOW = 1_000_000.0


class Service:
    """Counts requests; ``deny`` may raise for what it is asked to withdraw."""

    def __init__(
        self, deny: Callable[[Values], None] = lambda _: None, *, proves: bool = True, deletes: bool = True
    ) -> None:
        self.deny = deny
        self.limits = Limits(proves=proves, deletes_one_value=deletes)
        self.requests: list[dict[str, set[str]]] = []
        self.lock = threading.Lock()

    def withdraw(self, zone: Name, values: Values) -> None:
        with self.lock:
            self.requests.append({owner.to_text(): set(texts) for owner, texts in values.items()})
        self.deny(values)

    def serving(self, *_: object) -> None:
        raise NotImplementedError

    @property
    def taken(self) -> set[tuple[str, str]]:
        """Every owner and value it was ever asked to take away."""
        return {(owner, text) for request in self.requests for owner, texts in request.items() for text in texts}


def entry(
    owner: str, *values: str, before: Sequence[str] = (), delegate: str = "a.test", written: float = 0.0
) -> Entry:
    """Values of one owner in the zone of a delegate."""
    zone = f"{delegate}."
    return Entry("dns-delegate", "/x", delegate, zone, f"{owner}.{zone}", values, tuple(before), written)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal of this run."""
    journal = Pending(tmp_path / "state/pending").start()
    yield journal
    journal.close()


def withdraw(journal: Journal, provider_for: ProviderFor | Service) -> list[Leftover]:
    """Withdraw all of a journal at :data:`NOW`."""
    service = provider_for
    with ThreadPoolExecutor(4) as pool:
        find: Any = service if not isinstance(service, Service) else lambda *_: service
        withdrawal = Withdrawal(batches([journal]), find, pool, NOW)
        withdrawal.wait()
        return leftovers(withdrawal.end())


def published(journal: Journal, *entries: Entry) -> None:
    """Entries whose request was answered."""
    journal.mark(journal.intend(entries), State.PUBLISHED)


def test_one_request_for_all_values_of_a_zone(journal: Journal) -> None:
    """Values that were there before stay; what several journals hold for one zone goes together."""
    published(journal, entry("x", "1", "2", before=["2"]), entry("y", "3"), entry("x", "4"))
    service = Service()
    assert withdraw(journal, service) == []
    assert service.requests == [{"x.a.test.": {"1", "4"}, "y.a.test.": {"3"}}]
    assert not journal.open_entries


def test_a_struck_entry_is_not_withdrawn(journal: Journal) -> None:
    """What was certainly not written may belong to somebody else."""
    journal.mark(journal.intend([entry("x", "1")]), State.STRUCK)
    service = Service()
    assert withdraw(journal, service) == []
    assert service.requests == []


def test_a_service_that_cannot_delete_is_not_asked_again(journal: Journal) -> None:
    """Its values are served until newer ones push them out, so their entries are closed at once."""
    journal.intend([entry("x", "1", written=NOW)])
    service = Service(proves=False, deletes=False)
    assert withdraw(journal, service) == []
    assert journal.state(0) is State.WITHDRAWN


def test_a_refused_bulk_request_is_tried_again_owner_by_owner(journal: Journal) -> None:
    """One owner that the policy no longer allows does not keep the others."""

    def deny(values: Values) -> None:
        if any(owner.to_text().startswith("bad.") for owner in values):
            raise Refused("policy", "ask")

    published(journal, entry("bad", "1"), entry("y", "2"), entry("z", "3"))
    service = Service(deny)
    (left,) = withdraw(journal, service)
    assert (left.owners, str(left.error)) == ("bad.a.test.", "policy\nhint: ask")
    assert sorted(len(request) for request in service.requests) == [1, 1, 1, 3]
    assert [e.owner for e in journal.open_entries.values()] == ["bad.a.test."]
    assert journal.state(0) is State.PUBLISHED


def test_a_denial_that_proves_nothing_is_tried_again_owner_by_owner(journal: Journal) -> None:
    """Knot says BADKEY, unsigned, of one name that its ACL does not allow, and to the whole request with it."""

    def deny(values: Values) -> None:
        if any(owner.to_text().startswith("bad.") for owner in values):
            raise Denied("BADKEY")

    published(journal, entry("bad", "1"), entry("y", "2"))
    assert [left.owners for left in withdraw(journal, Service(deny))] == ["bad.a.test."]


@pytest.mark.parametrize("error", [OutcomeUnknown("no answer"), Unreachable("no connection")])
def test_an_unanswered_bulk_request_is_left_to_a_later_run(journal: Journal, error: DelegateError) -> None:
    """A hundred more questions to a server that does not answer, or cannot be reached, would cost minutes."""

    def deny(values: Values) -> None:
        raise error

    published(journal, entry("x", "1"), entry("y", "2"))
    service = Service(deny)
    assert [left.owners for left in withdraw(journal, service)] == ["x.a.test., y.a.test."]
    assert len(service.requests) == 1
    assert len(journal.open_entries) == 2


class Odd(BaseException):
    """What no code should raise."""


@pytest.mark.parametrize("error", [Refused("no"), RuntimeError("\x1b[31mbroken"), KeyError(), SystemExit(3), Odd()])
@pytest.mark.parametrize("at", ["set up", "withdraw"])
def test_a_provider_may_raise_anything_and_the_others_go_on(journal: Journal, at: str, error: BaseException) -> None:
    """Whatever one delegate's provider raises, when it is made or when it works, the other's values go."""

    def fail(_: object) -> None:
        raise error

    good = Service()

    def provider_for(authenticator: str, credentials: Path, title: str) -> Service:
        if title == "good.test":
            return good
        if at == "set up":
            fail(None)
        return Service(fail)

    published(journal, entry("x", "1", delegate="bad.test"), entry("y", "2", delegate="good.test"))
    (left,) = withdraw(journal, provider_for)
    assert left.owners == "x.bad.test."
    assert isinstance(left.error, DelegateError)
    assert "\x1b" not in str(left.error)
    assert good.taken == {("y.good.test.", "2")}
    assert [e.delegate for e in journal.open_entries.values()] == ["bad.test"]


def test_credentials_that_are_gone_leave_their_values_on_record(journal: Journal) -> None:
    """The hint of the error says how to get rid of them."""

    def provider_for(*_: object) -> Service:
        raise SettingsError("/x no longer has a delegate [a.test]", "put the section back")

    published(journal, entry("x", "1"), entry("y", "2"))
    (left,) = withdraw(journal, provider_for)
    assert left.owners == "x.a.test., y.a.test."
    assert str(left.error).endswith("\nhint: put the section back")
    assert len(journal.open_entries) == 2


def test_what_was_there_before_is_not_asked_for(journal: Journal) -> None:
    """No request without content."""
    published(journal, entry("y", "foreign", before=["foreign"]))
    service = Service()
    assert withdraw(journal, service) == []
    assert service.requests == []
    assert not journal.open_entries


@pytest.mark.parametrize(
    ("age_s", "state"),
    [
        (0, State.DOUBTFUL),
        (AGAIN_AFTER_S - 1, State.DOUBTFUL),
        (AGAIN_AFTER_S, State.WITHDRAWN),
        (-AGAIN_AFTER_S - 1, State.WITHDRAWN),  # the clock was set back: not for ever
    ],
)
def test_a_write_of_unknown_outcome_is_withdrawn_again_until_it_cannot_happen(
    journal: Journal, age_s: float, state: State
) -> None:
    """As long as the request could still be carried out, its entry stays on record."""
    journal.intend([entry("x", "1", written=NOW - age_s)])
    service = Service()
    assert withdraw(journal, service) == []
    assert journal.state(0) is state
    assert withdraw(journal, service) == []
    assert len(service.requests) == (2 if state is State.DOUBTFUL else 1)


# A value in doubt is struck off when nobody serves it any more


ZONE = "a.test."
SETTLED_S = 2000.0


def doubtful(servers: Sequence[Double] | None, age_s: float = SETTLED_S, **fields: Any) -> Entry:
    """A value of which nobody knows whether it was written, in a zone whose secondaries refresh every 2000 s."""
    known = None if servers is None else tuple(f"{each.address}@{each.port}" for each in servers)
    return replace(entry("x", "1", written=NOW - age_s), refresh_s=SETTLED_S, late_s=300, servers=known, **fields)


def denying(_values: Values) -> None:
    """What a server says that does not know the key, or that somebody else says for it."""
    raise Denied("REFUSED, unsigned")


@contextmanager
def serving(*values: str, behaviour: Behaviour | None = None) -> Iterator[Double]:
    """An authoritative server of the zone."""
    text = "\n".join(f'x TXT "{value}"' for value in values)
    with Double({ZONE: text}, behaviour=behaviour) as server:
        yield server


def looked_at(journal: Journal, service: Service, waits: list[float] | None = None) -> tuple[State, Fate]:
    """Withdraw the one entry of a journal, as ``sweep`` does where ``waits`` takes the seconds it waits."""
    with ThreadPoolExecutor(4) as pool:
        wait = waits.append if waits is not None else None
        withdrawal = Withdrawal(batches([journal]), lambda *_: service, pool, NOW, wait)  # type: ignore[arg-type, return-value]  # a part of a provider
        withdrawal.wait()
        (ended,) = withdrawal.end(is_dead=True)
    return journal.state(0), ended


def test_a_denied_withdrawal_is_looked_for_at_every_server_twice(journal: Journal) -> None:
    """When it can no longer appear, and no server has it in two looks ten seconds apart, it is over."""
    with serving() as one, serving("other") as two:
        journal.intend([doubtful([one, two])])
        waits: list[float] = []
        state, ended = looked_at(journal, Service(denying), waits)
        assert (state, ended.error, ended.until, waits) == (State.WITHDRAWN, None, None, [BETWEEN_S])
        assert [len(first_tries(each.asked("x.a.test.", "TXT"))) for each in (one, two)] == [2, 2]


def test_the_second_look_may_be_a_later_runs(journal: Journal) -> None:
    """No order waits ten seconds for it."""
    with serving() as server:
        journal.intend([doubtful([server])])
        state, ended = looked_at(journal, Service(denying))
        assert (state, ended.error, ended.until) == (State.INTENDED, None, NOW + BETWEEN_S)
        assert journal.records[0].absent == NOW
        journal.note([0], absent=NOW - BETWEEN_S)  # as if that much time had passed
        assert looked_at(journal, Service(denying))[0] is State.WITHDRAWN


@pytest.mark.parametrize("age_s", [0.0, 1999.0])
def test_it_waits_until_every_secondary_has_looked(journal: Journal, age_s: float) -> None:
    """Before the zone's refresh is over a look proves nothing; that is no failure."""
    with serving() as server:
        journal.intend([doubtful([server], age_s)])
        state, ended = looked_at(journal, Service(denying), [])
        assert (state, ended.error, ended.until) == (State.INTENDED, None, NOW - age_s + SETTLED_S)
        assert not server.questions


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Silent(), "said timeout"),
        (Refusing(), "gave no answer with authority to x.a.test. TXT: REFUSED"),
        (Lame(), "no answer with authority"),
    ],
)
def test_a_server_that_does_not_answer_keeps_the_entry(journal: Journal, behaviour: Behaviour, words: str) -> None:
    """It may be the one that has the value."""
    with serving() as one, serving(behaviour=behaviour) as two:
        journal.intend([doubtful([one, two])])
        state, ended = looked_at(journal, Service(proves=False), [])
        assert state is State.DOUBTFUL
        assert ended.error is not None
        assert words in str(ended.error)


def test_a_server_that_has_it_keeps_the_entry(journal: Journal) -> None:
    """In either look."""
    with serving() as one, serving("1") as two:
        journal.intend([doubtful([one, two])])
        state, ended = looked_at(journal, Service(denying), [])
        assert state is State.INTENDED
        assert str(ended.error) == "REFUSED, unsigned"
    with serving() as late:
        again = replace(doubtful([late]), owner="y.a.test.")
        journal.mark([0], State.STRUCK)
        journal.intend([again])
        found = Withdrawal(
            batches([journal]),
            lambda *_: Service(denying),  # type: ignore[arg-type, return-value]  # a part of a provider
            ThreadPoolExecutor(1),
            NOW,
            lambda _: late.zone(ZONE).add("y", 1, "TXT", "1"),
        )
        found.wait()
        (ended,) = found.end()
        assert ended.error is not None
        assert journal.state(1) is State.INTENDED


def test_a_second_look_that_finds_it_takes_the_first_one_back(journal: Journal) -> None:
    """Only looks in a row count."""
    with serving("1") as server:
        journal.intend([doubtful([server])])
        journal.note([0], absent=NOW - 100)
        assert looked_at(journal, Service(denying))[0] is State.INTENDED
        assert journal.records[0].absent == 0


def test_without_known_servers_nothing_is_struck_off(journal: Journal) -> None:
    """An older journal, or a section that looks through resolvers, names none."""
    journal.intend([doubtful(None)])
    state, ended = looked_at(journal, Service(denying), [])
    assert state is State.INTENDED
    assert ended.error is not None


def test_an_unsigned_yes_is_no_proof(journal: Journal) -> None:
    """Where updates are not signed, only the servers tell that a value in doubt is not there."""
    with serving() as server:
        journal.intend([doubtful([server])])
        assert looked_at(journal, Service(proves=False), [])[0] is State.WITHDRAWN
        journal.intend([replace(doubtful([server]), written=NOW - 100)])
        assert looked_at_last(journal, Service(proves=False)) is State.DOUBTFUL


def looked_at_last(journal: Journal, service: Service) -> State:
    """The state of the newest entry after a withdrawal."""
    with ThreadPoolExecutor(4) as pool:
        withdrawal = Withdrawal(batches([journal]), lambda *_: service, pool, NOW)  # type: ignore[arg-type, return-value]  # a part of a provider
        withdrawal.wait()
        withdrawal.end()
    return journal.state(max(journal.records))


# The end of a run, and what dead runs have left


class House:
    """A state directory, with a service for each delegate."""

    def __init__(self, directory: Path) -> None:
        self.pending = Pending(directory / "state/pending")
        self.services: dict[str, Any] = {}
        self.warnings: list[str] = []
        self.history = History(directory / "history.sqlite3")

    def written(self, *entries: Entry, is_dead: bool = False) -> Journal:
        """A run that has written these."""
        journal = self.pending.start()
        published(journal, *entries)
        if is_dead:
            journal.release()
        return journal

    def find(self, authenticator: str, credentials: Path, title: str) -> Any:
        """The service of a delegate."""
        found = self.services[title]
        if isinstance(found, Exception):
            raise found
        return found

    def clean_up(self, *own: Journal) -> list[Leftover]:
        """The end of a run."""
        diary = Diary(self.history)
        with Pool(8, "own") as pool, Pool(8, "beside") as beside:
            left = Cleanup(self.pending, self.find, diary, self.warnings.append).run(own, pool, beside)
        diary.close()
        return left

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Outcome and owner of every row of the history, the oldest first."""
        return [(event.outcome, event.owner) for _, event in reversed(self.history.page(Selection(), 100))]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """An empty one; its delegates' credentials are no other test's."""
    return House(tmp_path)


def of(house: House, owner: str, *values: str, delegate: str = "a.test", age_s: float = 0.0) -> Entry:
    """An entry whose credentials only this test has."""
    made = entry(owner, *values, delegate=delegate, written=time.time() - age_s)
    return replace(made, credentials=str(house.pending.directory))


def test_what_a_dead_run_left_goes_beside(house: House) -> None:
    """In requests of its own, so that a leftover that is refused refuses nothing else."""
    own, dead = house.written(of(house, "x", "1")), house.written(of(house, "y", "2"), is_dead=True)
    house.services["a.test"] = service = Service()
    assert house.clean_up(own) == []
    assert sorted(map(len, service.requests)) == [1, 1]
    assert service.taken == {("x.a.test.", "1"), ("y.a.test.", "2")}
    assert not dead.path.exists()
    assert house.rows == [("ok", "x.a.test."), ("ok", "y.a.test.")]


class Hung(Service):
    """Does not answer for long; ``ended`` lets go of who waits."""

    is_waited_for = True

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()

    def withdraw(self, zone: Name, values: Values) -> None:
        super().withdraw(zone, values)
        self.is_waited_for = self.ended.wait(20)
        raise OutcomeUnknown("no answer")


def test_a_dead_runs_silent_server_is_tried_once_and_given_up(house: House) -> None:
    """By this process; a later one waits longer each time. Nothing is told before a day, and no row is written."""
    dead = house.written(of(house, "y", "2", delegate="hung.test"), is_dead=True)
    house.services |= {"a.test": Service(), "hung.test": (hung := Hung())}
    try:
        for number in range(3):
            assert house.clean_up(house.written(of(house, f"x{number}", "1"))) == []
            assert hung.is_waited_for, "the end of a run waited until it had ended"
    finally:
        hung.ended.set()
    assert len(hung.requests) == 1
    assert house.rows == [("ok", f"x{number}.a.test.") for number in range(3)]
    (record,) = (record for record in house.pending.dead())
    assert (record.tries, record.told) == (1, False)
    assert not record.is_due(time.time() + BACK_OFF_S - 60)
    assert record.is_due(time.time() + BACK_OFF_S + 60)
    assert dead.path.exists()


@pytest.mark.parametrize(
    ("error", "age_s"),
    [(SettingsError("/x no longer has a delegate [gone.test]"), 0.0), (Denied("REFUSED"), DAY_S + 60)],
)
def test_what_will_not_go_by_itself_is_told_once(house: House, error: DelegateError, age_s: float) -> None:
    """A section that is gone at once, anything else after a day; in later processes too."""
    house.written(of(house, "y", "2", delegate="gone.test", age_s=age_s), is_dead=True)
    house.services["gone.test"] = error
    (left,) = house.clean_up()
    assert (left.owners, left.error, left.is_old) == ("y.gone.test.", error, age_s > 0)
    for _ in range(3):
        _given_up.clear()  # as in another process
        (journal,) = house.pending.adopt_dead()
        journal.note([0], tried=time.time() - 2 * DAY_S)  # and long after
        journal.release()
        assert house.clean_up() == []
    assert house.rows == [("left", "y.gone.test.")]


def test_the_back_off_grows_to_a_day() -> None:
    """10 min, 20 min ... and a clock that was set back does not stop it."""
    record = Noted(entry("x", "1"), tried=NOW)
    waits = []
    for tries in range(1, 12):
        record = replace(record, tries=tries)
        waits.append(next(s for s in range(0, 2 * DAY_S, 600) if record.is_due(NOW + s)))
        assert record.is_due(NOW - 10 * DAY_S)
    assert waits == [min(600 * 2**n, DAY_S) for n in range(8)] + [DAY_S] * 3
    assert replace(record, tries=0).is_due(NOW)


def test_what_two_living_runs_wrote_is_left_to_one(house: House) -> None:
    """Whoever ends first leaves it to the other; both wrote it, so both need it."""
    first = house.written(of(house, "x", "shared", "mine"), of(house, "y", "shared"))
    second = house.written(of(house, "x", "shared", "theirs"))
    house.services["a.test"] = service = Service()
    assert house.clean_up(first) == []
    assert service.taken == {("x.a.test.", "mine"), ("y.a.test.", "shared")}
    assert not first.path.exists()
    assert house.clean_up(second) == []
    assert ("x.a.test.", "shared") in service.taken
    assert ("x.a.test.", "theirs") in service.taken


def test_two_runs_that_end_at_once_do_not_leave_a_value_to_each_other(house: House) -> None:
    """What each has decided is on disk before the other looks."""
    house.services["a.test"] = service = Service()
    for turn in range(20):
        runs = [house.written(of(house, "x", f"value {turn}")) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(house.clean_up, runs)) == [[], []]
        assert ("x.a.test.", f"value {turn}") in service.taken
        assert not list(house.pending.directory.glob("*.json"))


def test_an_ended_run_asks_nothing_of_a_value_left_to_another(house: House) -> None:
    """No request without content."""
    first, second = (house.written(of(house, "x", "shared")) for _ in range(2))
    house.services["a.test"] = service = Service()
    assert house.clean_up(first) == []
    assert service.requests == []
    second.release()


@pytest.mark.parametrize(
    ("work", "command"),
    [
        ("/var/lib/letsencrypt", "certbot-dns-delegate sweep"),
        ("/srv/my certs/work", "certbot-dns-delegate sweep --work-dir '/srv/my certs/work'"),
    ],
)
def test_the_command_that_is_told(work: str, command: str) -> None:
    """It finds what a run with Certbot's directories elsewhere has left, too."""
    assert Engine(Settings(Path("/none.ini"), "dns-delegate", ()), Path(work, "dns-delegate")).sweep == command
