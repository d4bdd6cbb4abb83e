"""Bounds hold at every look, and few enough blocks are needed to pass a gate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from league.confidence import log_capital, lower_bound, refutes, spend, upper_bound, wilson
from marl.errors import ConfigError

ALPHA = 0.025


def _first_pass(values_RT: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """The number of values after which each sequence passes the gate; inf where it does not."""
    passed_RT = log_capital(values_RT, threshold) >= -math.log(ALPHA)
    return np.where(passed_RT.any(axis=1), passed_RT.argmax(axis=1) + 1.0, np.inf)


def test_looking_fifty_times_does_not_help_a_weak_agent() -> None:
    """A true 65 % agent looked at 50 times passes a gate of 70 % in no more than 2.5 % of cases."""
    rng = np.random.default_rng(1)
    values_RT = (rng.random((4000, 50 * 8)) < 0.65).astype(float)
    passed_RT = log_capital(values_RT, 0.70) >= -math.log(ALPHA)
    assert passed_RT[:, 7::8].any(axis=1).mean() <= ALPHA


def test_a_point_estimate_would_let_it_pass() -> None:
    """The same agent and looks, judged by the running mean: the test above can fail."""
    rng = np.random.default_rng(1)
    values_RT = (rng.random((4000, 50 * 8)) < 0.65).astype(float)
    mean_RT = np.cumsum(values_RT, axis=1) / np.arange(1, 401)
    assert (mean_RT[:, 7::8] > 0.70).any(axis=1).mean() > 0.5


@pytest.mark.parametrize("mean", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("matches", [1, 4])
def test_the_bound_covers_at_every_look(mean: float, matches: int) -> None:
    """At the edge of the claim, blocks of any size pass at any of 500 looks in alpha of cases at most."""
    rng = np.random.default_rng(2)
    values_RT = (rng.random((2000, 500, matches)) < mean).mean(axis=2)
    assert np.isfinite(_first_pass(values_RT, mean)).mean() <= ALPHA


@pytest.mark.parametrize(("matches", "median", "most"), [(1, 110, 230), (2, 50, 110), (4, 30, 50)])
def test_power_of_a_gate(matches: int, median: int, most: int) -> None:
    """A true 75 % agent passes a gate of 60 % in so many blocks of 1, 2, 4 matches: median, and 9 of 10."""
    rng = np.random.default_rng(3)
    needed_R = _first_pass((rng.random((1000, 400, matches)) < 0.75).mean(axis=2), 0.60)
    assert np.median(needed_R) <= median
    assert np.quantile(needed_R, 0.9) <= most


def test_the_bound_is_where_the_capital_says() -> None:
    """`lower_bound` and `refutes` are one rule; the bound never falls, and the upper one mirrors it."""
    rng = np.random.default_rng(4)
    values = (rng.random(200) < 0.8).astype(float)
    bounds = [lower_bound(values[:n], ALPHA) for n in range(0, 201, 10)]
    assert bounds == sorted(bounds)
    assert bounds[0] == 0.0
    assert 0.6 < bounds[-1] < values.mean()
    assert refutes(values, bounds[-1] - 1e-4, ALPHA)
    assert not refutes(values, bounds[-1] + 1e-4, ALPHA)
    assert upper_bound(values, ALPHA) == 1 - lower_bound(1 - values, ALPHA)
    assert values.mean() < upper_bound(values, ALPHA) < 1
    assert 0.99 < lower_bound(np.ones(2000), ALPHA) < 1
    assert lower_bound(np.zeros(50), ALPHA) == 0.0


def test_edges_of_a_gate() -> None:
    """Nothing was refuted without values; a mean of 1 or more never is; values outside [0, 1] are errors."""
    assert not refutes([], 0.5, ALPHA)
    assert not refutes([1.0] * 500, 1.0, ALPHA)
    assert refutes([0.5], 0.0, ALPHA)
    for values in ([1.2], [-0.1], [math.nan]):
        with pytest.raises(ConfigError, match=r"\[0, 1\]"):
            lower_bound(values, ALPHA)
    with pytest.raises(ConfigError, match="alpha"):
        lower_bound([0.5], 0.0)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (70, 100, 0.6042, 0.7811),
        (140, 200, 0.6332, 0.7593),
        (700, 1000, 0.6709, 0.7276),
        (0, 10, 0.0, 0.2775),
    ],
)
def test_wilson_intervals(successes: int, trials: int, low: float, high: float) -> None:
    """Wilson's interval has its known values."""
    assert wilson(successes, trials) == pytest.approx((low, high), abs=6e-5)
    assert wilson(0, 0) == (0.0, 1.0)


def test_candidates_share_alpha() -> None:
    """However many candidates are tried, together they spend alpha at most."""
    parts = [spend(0.05, i) for i in range(1, 10_000)]
    assert sum(parts) == pytest.approx(0.05, rel=1e-3)
    assert sum(parts) < 0.05
    assert parts[0] == pytest.approx(0.05 * 6 / math.pi**2)
