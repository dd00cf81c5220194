"""Which server is looked at when, and how long a zone is waited for: no server is asked here, and time is a number."""

from __future__ import annotations

import dns.name
import pytest

from certbot_dns_delegate.model import Server
from certbot_dns_delegate.order.memory import State
from certbot_dns_delegate.order.watch import Schedule
from certbot_dns_delegate.order.watcher import Watcher

A, B, C = (dns.name.from_text(f"{label}.test.") for label in "abc")
READY, LAGS, REFUSES, SILENT = State.READY, State.LAGGING, State.REFUSING, State.SILENT


def watcher(zone: dns.name.Name, number: int, passes: int = 1) -> Watcher:
    """Of one server; it is not asked, what it shows is said by the test."""
    owner = dns.name.Name([b"web", *zone.labels])
    return Watcher(zone, Server(f"192.0.2.{number}"), {owner: frozenset({"v"})}, lambda _: (), passes=passes)


def shows(schedule: Schedule, each: Watcher, state: State, now: float) -> None:
    """A look at a server that ends now, and showed this."""
    each.note(state, now, now)
    schedule.looked_at(each, now)


def test_all_are_looked_at_at_once() -> None:
    """And nothing is over before."""
    one, two = watcher(A, 1), watcher(B, 2)
    schedule = Schedule([one, two], 30, 0)
    assert list(schedule.due(0)) == [one, two]
    assert not schedule.is_over(0)
    assert not schedule.is_complete


def test_a_zone_is_settled_when_one_is_ready_and_none_blocks() -> None:
    """The other zone is not looked at any more."""
    one, two, other = watcher(A, 1), watcher(A, 2), watcher(B, 3)
    schedule = Schedule([one, two, other], 30, 0)
    list(schedule.due(0))
    shows(schedule, one, READY, 0.1)
    shows(schedule, two, SILENT, 2.1)
    shows(schedule, other, LAGS, 0.1)
    assert list(schedule.due(2.2)) == [other, two]
    two.note(SILENT, 2.2, 4.2)
    schedule.looked_at(two, 4.2)
    shows(schedule, other, LAGS, 4.2)
    assert list(schedule.due(9)) == [other]
    for now in range(10, 16):
        shows(schedule, other, READY, now)
    assert schedule.is_complete


def test_time_runs_out_for_each_zone_on_its_own() -> None:
    """The wait ends with the last; a zone whose time is over is not settled by what is seen later."""
    one, two = watcher(A, 1), watcher(B, 2)
    schedule = Schedule([one, two], {A: 1, B: 5}, 0)
    list(schedule.due(0))
    for each in (one, two):
        shows(schedule, each, LAGS, 0.5)
    assert not schedule.is_over(1)
    assert list(schedule.due(4)) == [two]
    assert schedule.is_over(5)
    assert not schedule.is_complete


def test_what_was_ready_long_ago_is_looked_at_once_more() -> None:
    """While another zone was waited for, a server may have lost the values; also after its own zone's time."""
    one, two = watcher(A, 1), watcher(B, 2)
    schedule = Schedule([one, two], {A: 5, B: 60}, 0)
    list(schedule.due(0))
    shows(schedule, one, READY, 0)
    shows(schedule, two, REFUSES, 19)
    shows(schedule, two, READY, 20)
    assert not schedule.is_over(20)
    assert list(schedule.due(20)) == [one]
    assert one.blocks
    shows(schedule, one, READY, 20.1)
    assert schedule.is_over(20.1)
    assert schedule.is_complete


def test_what_was_ready_just_now_is_not() -> None:
    """Every look costs its server."""
    one, two = watcher(A, 1), watcher(B, 2)
    schedule = Schedule([one, two], 60, 0)
    list(schedule.due(0))
    shows(schedule, one, READY, 11)
    shows(schedule, two, READY, 20)
    assert schedule.is_over(20)


def test_one_that_has_lost_the_values_meanwhile_blocks_again() -> None:
    """And has time to get them back."""
    one, two = watcher(A, 1), watcher(B, 2)
    schedule = Schedule([one, two], {A: 5, B: 60}, 0)
    list(schedule.due(0))
    shows(schedule, one, READY, 0)
    shows(schedule, two, READY, 20)
    assert not schedule.is_over(20)
    list(schedule.due(20))
    shows(schedule, one, LAGS, 20.1)
    assert not schedule.is_over(20.1)
    assert not schedule.is_complete
    assert list(schedule.due(20.3)) == [one]
    assert schedule.is_over(30)


def test_a_look_that_ends_late_opens_its_zone_again() -> None:
    """It was under way when the zone was settled; and whoever was not looked at meanwhile is looked at again."""
    good, bad, dead, other = watcher(A, 1), watcher(A, 2), watcher(A, 3), watcher(B, 4)
    schedule = Schedule([good, bad, dead, other], 60, 0)
    list(schedule.due(0))
    dead.note(SILENT, 0, 2)
    schedule.looked_at(dead, 2)
    bad.note(SILENT, 0, 2)
    schedule.looked_at(bad, 2)
    shows(schedule, good, READY, 2)
    shows(schedule, other, LAGS, 2)
    assert list(schedule.due(2.2)) == [other]
    shows(schedule, bad, LAGS, 2.3)
    assert not schedule.is_complete
    assert set(schedule.due(2.6)) == {bad, dead}


def test_what_was_ready_is_looked_at_once_more_where_another_zone_is_late() -> None:
    """If some of the zones are enough: a CA may look at these now."""
    one, two = watcher(A, 1), watcher(B, 2)
    schedule = Schedule([one, two], 60, 0, allow_subset=True)
    list(schedule.due(0))
    shows(schedule, one, READY, 0)
    shows(schedule, two, LAGS, 59)
    assert not schedule.is_over(60)
    assert list(schedule.due(60)) == [one]
    shows(schedule, one, LAGS, 60.1)
    assert not schedule.is_over(69)
    assert schedule.is_over(70)


def test_a_tenants_zone_holds_up_the_others_for_a_moment() -> None:
    """After the last of them was ready; what was ready long ago is looked at once more."""
    ours, other, tenants = watcher(A, 1), watcher(C, 2), watcher(B, 3)
    schedule = Schedule([ours, other, tenants], 180, 0, allow_subset=True, tenants=[B])
    list(schedule.due(0))
    shows(schedule, ours, READY, 1)
    shows(schedule, tenants, LAGS, 5)
    assert not schedule.is_over(100)
    shows(schedule, other, READY, 101)
    assert not schedule.is_over(130)
    assert schedule.wake <= 131
    assert not schedule.is_over(131)
    assert set(schedule.due(131)) == {ours, other}
    shows(schedule, tenants, LAGS, 131)  # a look that was under way gives it no more time
    for each in (ours, other):
        shows(schedule, each, READY, 131.1)
    assert schedule.is_over(131.1)
    assert tenants.blocks


@pytest.mark.parametrize("took", [False, True])
def test_a_tenants_zone_that_one_server_serves_is_waited_for(took: bool) -> None:
    """As any other: its other servers lag. What the server shows that took the values says nothing."""
    ours, one, two = watcher(A, 1), watcher(B, 2), watcher(B, 3)
    one.was_read_back = took
    schedule = Schedule([ours, one, two], 180, 0, allow_subset=True, tenants=[B])
    list(schedule.due(0))
    shows(schedule, ours, READY, 1)
    shows(schedule, two, LAGS, 1)
    shows(schedule, one, READY, 20)
    until = 31 if took else 180
    assert not schedule.is_over(until - 1)
    shows(schedule, two, LAGS, until - 1)
    assert not schedule.is_over(until)  # what was ready is looked at once more
    assert ours in set(schedule.due(until))


def test_tenants_zones_alone_have_their_own_time() -> None:
    """As long as none is served there is nobody whom they hold up."""
    schedule = Schedule([watcher(A, 1), watcher(B, 2)], 180, 0, allow_subset=True, tenants=[A, B])
    assert not schedule.is_over(179)
    assert schedule.is_over(180)


@pytest.mark.parametrize("count", [1, 30])
def test_it_wakes_for_the_next_look_or_the_end_of_time(count: int) -> None:
    """Whichever comes first."""
    watchers = [watcher(A, number) for number in range(count)]
    schedule = Schedule(watchers, 0.15, 0)
    assert schedule.wake == 0
    list(schedule.due(0))
    assert schedule.wake == 0.15
    for each in watchers:
        shows(schedule, each, LAGS, 0)
    assert schedule.wake == 0.1


def test_one_that_was_read_back_is_not_asked_at_once() -> None:
    """That was a look; the next one is to show a moment later."""
    one = watcher(A, 1, passes=2)
    one.note(READY, 0, 0)
    schedule = Schedule([one], 30, 0)
    assert list(schedule.due(0.1)) == []
    assert list(schedule.due(0.2)) == [one]
    shows(schedule, one, READY, 0.2)
    assert schedule.is_complete
