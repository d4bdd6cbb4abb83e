"""Intervals cover the truth as often as they say; `tests/bench/intervals.py` is the long run of the same."""

from __future__ import annotations

import math

import pytest

from tests.bench.intervals import coverage, gate_error


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("blocks", [20, 50])
def test_intervals_cover_the_truth(blocks: int) -> None:
    """95 % intervals of 200 simulated tournaments cover in 93 to 97 %, give or take what 200 can tell."""
    claim = coverage(blocks, 200, 300)
    # the five ratings of a tournament hang together: it counts as two or three independent ones
    slack = 2 * math.sqrt(0.95 * 0.05 / (2.5 * claim.trials))
    assert claim.low - slack <= claim.share <= claim.high + slack


def test_a_gate_is_not_passed_by_looking_often() -> None:
    """A true 65 % agent that is looked at 50 times passes a gate of 70 % in at most 2.5 %."""
    claim = gate_error(60)
    assert claim.share <= 0.025 + 2 * math.sqrt(0.025 * 0.975 / claim.trials)
