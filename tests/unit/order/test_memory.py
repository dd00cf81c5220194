"""What counts of the looks at one server: from any history, what it means that it is ready or holds nothing up."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certbot_dns_delegate.order.memory import Memory, State

LACKING = [State.LAGGING, State.UNSIGNED, State.EXPIRED, State.NO_TCP]
AWAY = [State.LAME, State.REFUSING, State.SILENT, State.UNREACHABLE]
SHOWN = [State.READY, *LACKING, *AWAY]


def remembered(looks: list[tuple[State, float]], passes: int = 2) -> Memory:
    """The memory after looks that take no time, each so many seconds after the one before."""
    memory, now = Memory(passes), 1000.0
    for state, gap_s in looks:
        now += gap_s
        memory.note(state, now, now)
    return memory


def each(*states: State, gap_s: float = 0.3) -> list[tuple[State, float]]:
    """Looks at this distance."""
    return [(state, gap_s) for state in states]


READY, LAGS, REFUSES, SILENT = State.READY, State.LAGGING, State.REFUSING, State.SILENT


def test_it_blocks_until_it_was_asked() -> None:
    """Nothing is known."""
    assert Memory(2).blocks


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_a_server_without_history_needs_the_profiles_looks(passes: int) -> None:
    """As many complete looks in a row, no more."""
    for count in range(1, passes):
        memory = remembered(each(*[READY] * count), passes)
        assert (memory.state, memory.blocks) == (State.SEEN, True)
    memory = remembered(each(*[READY] * passes), passes)
    assert (memory.state, memory.blocks) == (READY, False)


@pytest.mark.parametrize("lacking", LACKING)
def test_one_seen_without_the_values_needs_six(lacking: State) -> None:
    """Chance shows one of two machines twice in a row easily, six times hardly."""
    assert remembered(each(lacking, *[READY] * 5)).blocks
    assert not remembered(each(lacking, *[READY] * 6)).blocks


def test_one_that_changes_its_mind_needs_twice_as_many_each_time() -> None:
    """With, without, with, without: 12, then 24, at most 48."""
    looks, flip = each(LAGS), each(READY, LAGS)
    needed = []
    for _ in range(5):
        needed.append(remembered(looks).needed)
        looks = looks + flip
    assert needed == [6, 12, 24, 48, 48]
    assert remembered(each(READY, LAGS)).needed == 12


def test_one_that_lags_on_needs_no_more_for_it() -> None:
    """Nor does one that cannot be asked by TCP, which the looks by UDP do not show."""
    assert remembered(each(*[LAGS] * 9)).needed == 6
    assert remembered(each(READY, State.NO_TCP, READY, State.NO_TCP)).needed == 6


@pytest.mark.parametrize("away", AWAY)
def test_one_that_lagged_counts_on_while_it_is_away(away: State) -> None:
    """For five looks and ten seconds, whichever is longer."""
    assert remembered([*each(LAGS), *each(*[away] * 4, gap_s=5)]).blocks
    assert remembered([*each(LAGS), *each(*[away] * 33)]).blocks
    assert not remembered([*each(LAGS), *each(*[away] * 34)]).blocks
    assert not remembered([*each(LAGS), *each(*[away] * 5, gap_s=5)]).blocks


def test_ways_of_being_away_count_together() -> None:
    """Refused, silent, lame: nobody got an answer from it."""
    assert not remembered([*each(LAGS), *each(REFUSES, SILENT, State.LAME, SILENT, REFUSES, gap_s=2)]).blocks


def test_a_refusal_between_complete_looks_says_nothing() -> None:
    """A server that limits its rate, or refuses now and then, has the values all the same."""
    assert not remembered(each(READY, REFUSES, READY)).blocks
    looks = each(LAGS, *[READY, READY, REFUSES] * 2)
    assert remembered([*looks, *each(READY)]).blocks
    assert not remembered([*looks, *each(READY, READY)]).blocks


def test_an_answer_begins_the_time_anew() -> None:
    """It was not away."""
    assert remembered([*each(LAGS), *each(*[REFUSES] * 33), *each(LAGS), *each(*[REFUSES] * 33)]).blocks


def test_one_that_never_answered_has_its_patience() -> None:
    """Two seconds, however quickly it refuses; nothing where this host has no way there."""
    assert remembered(each(*[REFUSES] * 7)).blocks
    assert not remembered(each(*[REFUSES] * 8)).blocks
    memory = Memory(2)
    memory.note(SILENT, 1000, 1002)
    assert not memory.blocks
    assert not remembered(each(State.UNREACHABLE)).blocks


def test_doubt_asks_for_one_more_look() -> None:
    """Of a server that was ready; one that was not yet keeps what it has shown."""
    memory = remembered(each(LAGS, *[READY] * 6))
    memory.doubt()
    assert (memory.state, memory.blocks) == (State.UNSEEN, True)
    memory.note(READY, 2000, 2000)
    assert memory.state is READY
    memory = remembered(each(READY), passes=3)
    memory.doubt()
    assert memory.looks == 1


@pytest.mark.parametrize(("share", "most"), [(0.3, 0.2), (0.5, 0.03), (0.67, 0.005)])
def test_two_machines_by_chance(share: float, most: float) -> None:
    """How often a hundred looks call a server ready of whose answers so many lack the values, after one such answer."""
    chance, runs, wrong = random.Random(1), 1000, 0
    for _ in range(runs):
        memory = remembered(each(LAGS))
        for _ in range(100):
            memory.note(LAGS if chance.random() < share else READY, 2000, 2000)
            if memory.state is READY:
                wrong += 1
                break
    assert wrong / runs <= most


looks_at_a_server = st.lists(st.tuples(st.sampled_from(SHOWN), st.floats(0, 6)), max_size=40)


@given(looks_at_a_server, st.integers(1, 4))
def test_ready_means_a_row_of_complete_looks(looks: list[tuple[State, float]], passes: int) -> None:
    """However the row came about; six at least where any look showed that something was missing."""
    memory = remembered(looks, passes)
    if memory.state is READY:
        least = 6 if any(state.lacks for state, _ in looks) else passes
        usable = [state for state, _ in looks if not state.is_away]
        assert usable[-least:] == [READY] * least
        assert looks[-1][0] is READY


@given(looks_at_a_server, st.integers(1, 4))
def test_one_that_is_passed_over_was_away_for_long(looks: list[tuple[State, float]], passes: int) -> None:
    """Whenever it was seen without the values, ten seconds and five looks have passed without any answer since."""
    memory = remembered(looks, passes)
    lacked = [number for number, (state, _) in enumerate(looks) if state.lacks]
    if looks and memory.state is not READY and not memory.blocks and lacked:
        since = looks[lacked[-1] + 1 :]
        assert all(state.is_away for state, _ in looks[-5:])
        assert sum(gap_s for _, gap_s in since) > 9.99
