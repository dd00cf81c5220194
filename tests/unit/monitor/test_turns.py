"""Results come in the order of the names, but a slow name holds up no other for long."""

from certbot_dns_delegate.monitor.standing import OK, Standing
from certbot_dns_delegate.monitor.workers import HELD_S, Turns

A, B, C, D = (Standing(text, OK, "") for text in "abcd")


def test_results_wait_for_those_before_them() -> None:
    """As long as that may be a matter of moments."""
    turns = Turns()
    first, second = turns.begin(2, 0.0), turns.begin(2, 0.0)
    turns.take([(second, 1, D), (second, 0, C), (first, 1, B)])
    assert turns.due(HELD_S / 2) == []
    turns.take([(first, 0, A)])
    assert turns.due(HELD_S / 2) == [A, B, C, D]
    assert turns.held == 0


def test_a_slow_name_comes_behind_others() -> None:
    """Its own batch does not wait for it, nor do later ones; it is shown when it is there."""
    turns = Turns()
    first, second = turns.begin(2, 0.0), turns.begin(2, HELD_S)
    turns.take([(first, 1, B), (second, 0, C)])
    assert turns.next_at(0.0) == HELD_S
    assert turns.due(HELD_S) == [B]
    assert turns.held == 3
    turns.take([(second, 1, D)])
    assert turns.due(HELD_S) == [C, D]
    assert turns.next_at(HELD_S) == float("inf")
    turns.take([(first, 0, A)])
    assert turns.due(HELD_S) == [A]
    assert turns.held == 0
