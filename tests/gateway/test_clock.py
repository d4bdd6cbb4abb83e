"""The session's clock, on made-up time."""

from __future__ import annotations

from marl.gateway.clock import SessionClock


def test_a_silent_agent_is_late_with_every_open_move() -> None:
    """Nothing answered for the allowance: all moves expire together, those with more time later."""
    clock = SessionClock()
    assert clock.due_s() is None
    assert [clock.opened(1, 10.0, 0.5), clock.opened(2, 10.0, 0.5), clock.opened(3, 10.0, 4.0)] == [
        10.5,
        10.5,
        14.0,
    ]
    assert clock.due_s() == 10.5
    assert clock.expired(10.49) == []
    assert clock.expired(10.5) == [1, 2]
    assert clock.expired(14.0) == [1, 2, 3]


def test_every_move_has_its_own_time_for_an_agent_that_answers_one_by_one() -> None:
    """An answer restarts the time of the moves that wait behind it, and only up to the allowance."""
    clock = SessionClock()
    for handle in (1, 2):
        clock.opened(handle, 10.0, 0.5)
    clock.closed(1)
    clock.answered_s = 10.4
    assert clock.due_s() == 10.9
    assert clock.expired(10.8) == []
    assert clock.expired(10.9) == [2]


def test_lag_of_the_gateway_is_credited() -> None:
    """Time that the gateway lost moves every deadline by as much."""
    clock = SessionClock()
    clock.opened(1, 10.0, 0.5)
    clock.credit(0.25)
    assert clock.due_s() == 10.75
    clock.closed(1)
    assert len(clock) == 0
