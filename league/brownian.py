"""What a stopped sequential test says about the strength itself: a median-unbiased estimate and an interval.

The log-likelihood ratio of a sequential test moves like a Brownian motion with drift between two absorbing
bounds. A test's outcomes are ordered from the fastest failure over the open ones to the fastest pass; the Elo
under which the observed outcome is the median one is the estimate (Siegmund 1985, ch. 3; Van den Bergh's
fishtest uses the same order).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtr

from league.sequential import Hypotheses, expected_score, log_likelihood_ratio
from marl.errors import ConfigError

_TERMS = 2000


@dataclass(frozen=True)
class Estimate:
    """Logistic Elo with its 95 % interval, and the likelihood of superiority.

    P(outcome no better | Elo 0).
    """

    elo: float
    low: float
    high: float
    superiority: float


def estimate(value_C: ArrayLike, count_C: ArrayLike, hypotheses: Hypotheses) -> Estimate:
    """Estimate the strength from the counts with which a test of logistic Elo stopped, or stands."""
    if hypotheses.model != "logistic":
        raise ConfigError("estimate", got=f"{hypotheses.model} Elo", expected="a test of logistic Elo")
    value, count = np.asarray(value_C, np.float64), np.asarray(count_C, np.float64)
    low, high = hypotheses.bounds
    s0, s1 = expected_score(hypotheses.elo0), expected_score(hypotheses.elo1)
    mean = float(value @ count / count.sum())
    spread = float((value - mean) ** 2 @ count / count.sum())
    if spread == 0:
        raise ConfigError(
            "estimate", got="blocks that all ended alike", expected="at least two kinds of ends"
        )
    llr = float(log_likelihood_ratio(value, count, hypotheses)[0])
    clock = float(count.sum())
    if not low < llr < high:
        # the moment at which the straight path crossed the bound
        bound = low if llr <= low else high
        clock, llr = clock * bound / llr, bound

    def no_better(elo: float) -> float:
        drift = (s1 - s0) * (expected_score(elo) - (s0 + s1) / 2) / spread
        return outcome_cdf(low, high, drift, (s1 - s0) ** 2 / spread, clock, llr)

    return Estimate(
        elo=_level(no_better, 0.5),
        low=_level(no_better, 0.975),
        high=_level(no_better, 0.025),
        superiority=no_better(0.0),
    )


def outcome_cdf(low: float, high: float, drift: float, variance: float, clock: float, level: float) -> float:
    """The chance that the motion ends no better than at `level` at time `clock`.

    It starts at 0 and is absorbed at `low` < 0 < `high`; absorbed at `low` sooner is worse, at `high` sooner
    better.
    """
    width, start = high - low, -low
    if variance * clock < 1e-2 * width**2:
        # neither bound is in reach of more than one reflection
        return _one_bound(low, high, drift, variance, clock, level)
    tilt = drift / variance
    n_K = np.arange(1, _TERMS + 1)
    wave_K = n_K * math.pi / width
    rate_K = (drift**2 / variance + variance * wave_K**2) / 2
    fade_K = np.sin(wave_K * start) * np.exp(-rate_K * clock)
    # absorbed at `low` before: all that ever will be, less what still will
    later = math.exp(-tilt * start) * variance / width * float((wave_K * fade_K / rate_K).sum())
    ever = _ever_low(low, high, tilt)
    alive = 2 / width * float((fade_K * _integral(tilt, wave_K, start, level - low)).sum())
    return min(max(ever - later + alive, 0.0), 1.0)


def _integral(tilt: float, wave_K: np.ndarray, start: float, end: float) -> np.ndarray:
    """The integral over x from 0 to `end` of exp(tilt (x - start)) sin(wave x)."""
    grown = math.exp(tilt * (end - start))
    sine_K, cosine_K = np.sin(wave_K * end), np.cos(wave_K * end)
    whole_K = grown * (tilt * sine_K - wave_K * cosine_K) + math.exp(-tilt * start) * wave_K
    return np.asarray(whole_K / (tilt**2 + wave_K**2))


def _ever_low(low: float, high: float, tilt: float) -> float:
    """The chance of being absorbed at `low` at all."""
    if abs(tilt) * (high - low) < 1e-9:
        return high / (high - low)
    if tilt > 0:
        # (e^{-2 t high} - 1) / (e^{-2 t high} - e^{-2 t low}), with the large e^{-2 t low} divided out
        return math.exp(2 * tilt * low) * math.expm1(-2 * tilt * high) / math.expm1(-2 * tilt * (high - low))
    return 1 - _ever_low(-high, -low, -tilt)


def _one_bound(low: float, high: float, drift: float, variance: float, clock: float, level: float) -> float:
    """The same with the farther bound left out (reflection principle)."""
    deviation = math.sqrt(variance * clock)
    if level - low > high - level:
        return 1 - _one_bound(-high, -low, -drift, variance, clock, -level)
    shift = drift * clock
    mirrored = math.exp(2 * drift * low / variance)
    within = float(ndtr((level - shift) / deviation))
    return within + mirrored * float(1 - ndtr((level - 2 * low - shift) / deviation))


def _level(no_better: Callable[[float], float], chance: float) -> float:
    """The Elo under which the outcome's chance is `chance`: it falls with Elo."""
    reach = 10.0
    while reach < 4000 and not no_better(reach) < chance < no_better(-reach):
        reach *= 2
    if no_better(-reach) <= chance:
        return -math.inf
    if no_better(reach) >= chance:
        return math.inf
    return float(brentq(lambda elo: no_better(elo) - chance, -reach, reach))
