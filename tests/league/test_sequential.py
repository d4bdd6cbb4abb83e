"""Sequential tests count as chess testing frameworks do, and keep their error rates and their length."""

from __future__ import annotations

import math

import numpy as np
import pytest

from league.brownian import estimate, outcome_cdf
from league.sequential import (
    NORMALISED_ELO,
    Hypotheses,
    Model,
    Overshoot,
    SequentialTest,
    expected_score,
    log_likelihood_ratio,
)
from marl.errors import ConfigError

PAIRS = [0, 0.25, 0.5, 0.75, 1]

# W, L, D; the ratios are fastchess' (app/tests/sprt_test.cpp), to five digits by fishtest's LLRcalc.py
TRINOMIAL = [
    ("normalised", (0, 2), (36433, 36027, 68692), 0.92329),
    ("normalised", (-1.75, 0.25), (10871, 10650, 20431), 2.29750),
    ("logistic", (0.5, 2.5), (21404, 21184, 40708), -1.57189),
    ("logistic", (0, 2), (57433, 57030, 106593), -2.59302),
]
# LL, LD, WL, DD, WD, WW; the same sources
PENTANOMIAL = [
    ("normalised", (0, 2), (365, 16618, 36029, 200, 16974, 390), 2.25037),
    ("normalised", (-1.75, 0.25), (127, 4883, 10311, 401, 5150, 104), 3.01015),
    ("logistic", (0.5, 2.5), (223, 9863, 20279, 1000, 10037, 246), -3.07413),
    ("logistic", (0, 2), (871, 26175, 55003, 980, 26678, 821), -4.97867),
    ("normalised", (0, 5), (0, 0, 0, 0, 0, 5550), 111.798),
]


@pytest.mark.parametrize(("model", "elo", "counts", "expected"), TRINOMIAL)
def test_trinomial_ratios(
    model: Model, elo: tuple[float, float], counts: tuple[int, int, int], expected: float
) -> None:
    """Vector V10, trinomial: fastchess and fishtest agree, and so do we."""
    won, lost, drawn = counts
    found = log_likelihood_ratio([0, 0.5, 1], [lost, drawn, won], Hypotheses(*elo, model=model))
    assert found[0] == pytest.approx(expected, abs=6e-6)


@pytest.mark.parametrize(("model", "elo", "counts", "expected"), PENTANOMIAL)
def test_pentanomial_ratios(
    model: Model, elo: tuple[float, float], counts: tuple[int, ...], expected: float
) -> None:
    """Vector V10, pentanomial: fastchess and fishtest agree, and so do we."""
    ll, ld, wl, dd, wd, ww = counts
    found = log_likelihood_ratio(PAIRS, [ll, ld, wl + dd, wd, ww], Hypotheses(*elo, model=model), matches=2)
    assert found[0] == pytest.approx(expected, abs=6e-4 if expected > 100 else 6e-6)


def test_fishtest_self_test() -> None:
    """Vector V10, fishtest's own self-test: ratio, median-unbiased Elo, its interval and LOS."""
    counts = [10789, 19328, 33806, 19402, 10543]
    assert log_likelihood_ratio(PAIRS, counts, Hypotheses(-3, 1))[0] == pytest.approx(2.13107, abs=6e-6)
    found = estimate(PAIRS, counts, Hypotheses(-3, 1))
    assert (found.elo, found.low, found.high) == pytest.approx((-0.9925, -3.488, 1.489), abs=6e-4)
    assert found.superiority == pytest.approx(0.1880, abs=6e-5)
    other = log_likelihood_ratio(PAIRS, [39, 2226, 31451, 2412, 40], Hypotheses(0.2, 0.9))
    assert other[0] == pytest.approx(2.16254, abs=6e-6)


def test_outcome_chances_agree_with_a_simulated_motion() -> None:
    """The order of outcomes: the closed form equals the share of simulated walks that end no better."""
    rng = np.random.default_rng(3)
    low, high, drift, clock, level = -2.0, 3.0, 0.1, 6.0, 0.5
    step_s, walks = 0.002, 4000
    at = np.zeros(walks)
    ended = np.zeros(walks, np.int8)
    for _ in range(round(clock / step_s)):
        at += np.where(ended == 0, drift * step_s + math.sqrt(step_s) * rng.standard_normal(walks), 0.0)
        ended = np.where((ended == 0) & (at <= low), -1, np.where((ended == 0) & (at >= high), 1, ended))
    share = np.mean((ended == -1) | ((ended == 0) & (at <= level)))
    assert outcome_cdf(low, high, drift, 1.0, clock, level) == pytest.approx(share, abs=0.03)
    short = outcome_cdf(low, high, drift, 1.0, 0.24, 0.1)
    assert short == pytest.approx(outcome_cdf(low, high, drift, 1.0, 0.26, 0.1), abs=0.02)


def test_a_decision_stands() -> None:
    """Values that come after the decision change nothing."""
    test = SequentialTest(Hypotheses(0, 50))
    assert test.take([1.0] * 200).status == "better"
    decided = test.look
    assert decided.blocks < 200
    assert test.take([0.0] * 500) == decided
    assert SequentialTest(Hypotheses(0, 50)).take([0.0] * 200).status == "not better"
    assert SequentialTest(Hypotheses(0, 50)).take([0.5, 0.75]).status == "open"


def test_hypotheses_that_say_nothing_are_refused() -> None:
    """elo0 below elo1, alpha + beta below 1, values between 0 and 1."""
    with pytest.raises(ConfigError, match="elo0 < elo1"):
        Hypotheses(5, 5)
    with pytest.raises(ConfigError, match="alpha"):
        Hypotheses(alpha=0.6, beta=0.5)
    with pytest.raises(ConfigError, match="block value"):
        SequentialTest(Hypotheses()).take([1.5])


def _simulate(
    hypotheses: Hypotheses, values: list[float], chances: list[float], paths: int, most: int, matches: int
) -> tuple[float, float]:
    """Share of paths that end with "better", and the mean number of blocks.

    Of independent simulated tests.
    """
    rng = np.random.default_rng(11)
    count_RC = np.zeros((paths, len(values)))
    low, high = hypotheses.bounds
    up, down = Overshoot(paths), Overshoot(paths)
    length_R, better_R = np.full(paths, float(most)), np.zeros(paths, bool)
    open_R = np.ones(paths, bool)
    for number in range(1, most + 1):
        drawn = rng.choice(len(values), size=paths, p=chances)
        count_RC[np.arange(paths), drawn] += 1
        llr_R = np.zeros(paths)
        llr_R[open_R] = log_likelihood_ratio(values, count_RC[open_R], hypotheses, matches)
        above_R = open_R & (llr_R >= high - up.take(llr_R))
        below_R = open_R & (llr_R <= low + down.take(-llr_R))
        better_R |= above_R
        length_R[above_R | below_R] = number
        open_R &= ~(above_R | below_R)
        if not open_R.any():
            break
    assert not open_R.any()
    return float(better_R.mean()), float(length_R.mean())


def _theory(hypotheses: Hypotheses, mean: float, deviation: float, truth_better: float) -> float:
    """The mean length of Wald's test: the mean end of the ratio over its drift."""
    low, high = hypotheses.bounds
    s0, s1 = expected_score(hypotheses.elo0), expected_score(hypotheses.elo1)
    drift = (s1 - s0) * (2 * mean - s0 - s1) / (2 * deviation**2)
    return (truth_better * high + (1 - truth_better) * low) / drift


def test_error_rates_and_length_of_single_games() -> None:
    """With alpha = beta = 5 %.

    At both hypotheses the wrong answer comes in at most 5 % (plus noise), and on time.
    """
    elo1 = 400 * math.log10(0.6 / 0.4)
    hypotheses = Hypotheses(0, elo1)
    wrong, length = _simulate(hypotheses, [0.0, 1.0], [0.5, 0.5], 1500, 4000, 1)
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1500)
    assert length == pytest.approx(_theory(hypotheses, 0.5, 0.5, 0.05), rel=0.15)
    right, length = _simulate(hypotheses, [0.0, 1.0], [0.4, 0.6], 1500, 4000, 1)
    assert right >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 1500)
    assert length == pytest.approx(_theory(hypotheses, 0.6, 0.49, 0.95), rel=0.15)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("model", ["logistic", "normalised"])
def test_error_rates_of_pairs(model: Model) -> None:
    """Pentanomial tests keep both error rates, in either Elo, and their length is within 15 % of theory."""
    chance_C = np.array([0.06, 0.24, 0.4, 0.24, 0.06])
    value_C = np.array(PAIRS)
    spread = math.sqrt(chance_C @ (value_C - 0.5) ** 2)
    shift = 30
    tilt_C = chance_C * (1 + (expected_score(shift) - 0.5) * (value_C - 0.5) / spread**2)
    better_C = tilt_C / tilt_C.sum()
    effect = (better_C @ value_C - 0.5) / math.sqrt(better_C @ (value_C - better_C @ value_C) ** 2)
    top = shift if model == "logistic" else effect / math.sqrt(2) * NORMALISED_ELO
    hypotheses = Hypotheses(0, float(top), model=model)
    paths = 1000
    wrong, length0 = _simulate(hypotheses, PAIRS, list(chance_C), paths, 3000, 2)
    right, length1 = _simulate(hypotheses, PAIRS, list(better_C), paths, 3000, 2)
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / paths)
    assert right >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / paths)
    wald = Hypotheses(0, shift)
    assert length0 == pytest.approx(_theory(wald, 0.5, spread, 0.05), rel=0.15)
    assert length1 == pytest.approx(_theory(wald, float(better_C @ value_C), spread, 0.95), rel=0.15)
