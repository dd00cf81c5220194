"""Withdrawing from journals alone: everything is attempted, nobody else's values are taken, what is left is told."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, Denied, OutcomeUnknown, Refused, SettingsError, Unreachable
from certbot_dns_delegate.model import Values
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.order.withdrawal import Leftover, ProviderFor, batches, withdraw_all
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.state.journal import AGAIN_AFTER_S, Entry, Journal, State
from certbot_dns_delegate.state.pending import Pending

NOW = 1_000_000.0


class Service:
    """Holds values as a DNS server would and counts requests; ``deny`` may raise for what it is asked to withdraw."""

    def __init__(self, deny: Callable[[Values], None] = lambda _: None) -> None:
        self.deny = deny
        self.requests: list[dict[str, set[str]]] = []
        self.lock = threading.Lock()

    def withdraw(self, zone: Name, values: Values) -> None:
        with self.lock:
            self.requests.append({owner.to_text(): set(texts) for owner, texts in values.items()})
        self.deny(values)

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


def withdraw(journal: Journal, provider_for: ProviderFor | Service, alive: Sequence[Entry] = ()) -> list[Leftover]:
    """Withdraw all of a journal at :data:`NOW`."""
    service = provider_for
    with ThreadPoolExecutor(4) as pool:
        find: Any = service if not isinstance(service, Service) else lambda *_: service
        return withdraw_all(batches([journal], alive), find, pool, NOW)


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


def test_a_refused_bulk_request_is_tried_again_owner_by_owner(journal: Journal) -> None:
    """One owner that the policy no longer allows does not keep the others."""

    def deny(values: Values) -> None:
        if any(owner.to_text().startswith("bad.") for owner in values):
            raise Refused("policy", "ask")

    published(journal, entry("bad", "1"), entry("y", "2"), entry("z", "3"))
    service = Service(deny)
    (left,) = withdraw(journal, service)
    assert (left.zone, left.owners, left.values, str(left.error)) == (
        "a.test.",
        "bad.a.test.",
        {"1"},
        "policy\nhint: ask",
    )
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
    assert [left.owners for left in withdraw(journal, service)] == ["x.a.test.", "y.a.test."]
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
    assert [str(left.error).splitlines()[-1] for left in withdraw(journal, provider_for)] == [
        "hint: put the section back"
    ] * 2
    assert len(journal.open_entries) == 2


def test_a_value_that_a_living_run_needs_is_left_to_it(journal: Journal) -> None:
    """Both wrote it; whoever ends last takes it away. The rest goes now."""
    published(journal, entry("x", "shared", "mine"), entry("y", "shared"))
    service = Service()
    assert withdraw(journal, service, alive=[entry("x", "shared", "theirs")]) == []
    assert service.taken == {("x.a.test.", "mine"), ("y.a.test.", "shared")}
    assert not journal.open_entries


def test_nothing_is_asked_when_all_values_are_left_to_others(journal: Journal) -> None:
    """No request without content."""
    published(journal, entry("x", "shared"), entry("y", "foreign", before=["foreign"]))
    service = Service()
    assert withdraw(journal, service, alive=[entry("x", "shared")]) == []
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
