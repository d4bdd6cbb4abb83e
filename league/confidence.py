"""Confidence bounds for means of numbers in [0, 1]: valid at every look, or at one look only.

Whoever looks at a gate after each batch of blocks and stops at the first success needs a bound that holds at
all looks together. Here it comes from betting (Waudby-Smith and Ramdas 2023): against the claim
"the mean is at most m" a gambler starts with 1 and bets on each value; if the claim is true, their capital
exceeds 1/alpha at any time with probability alpha at most (Ville 1939). The bets are a fixed mixture, as in a
universal portfolio: capital(m) = mean over bets b of prod_t (1 + b (x_t / m - 1)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, ndtri

from marl.errors import ConfigError

_BETS = np.concatenate([np.geomspace(0.01, 0.5, 12), 1 - np.geomspace(0.4, 0.02, 12)])
"""Shares of the capital that are bet: small ones for noisy values near m, large ones for steady wins."""


def log_capital(values_RT: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """The log of the capital against "the mean is at most `mean`" after each value of R sequences: (R, T).

    Decreasing in `mean`, so that the means not yet refuted form a half line.
    """
    gain_RT = values_RT / mean - 1
    log_RT = np.full(values_RT.shape, -np.inf)
    for bet in _BETS:
        np.logaddexp(log_RT, np.cumsum(np.log1p(bet * gain_RT), axis=-1), out=log_RT)
    return log_RT - math.log(len(_BETS))


def lower_bound(values: ArrayLike, alpha: float) -> float:
    """A lower bound of the mean that holds at every look with probability 1 - `alpha`.

    It never falls as values come. `values` in [0, 1], in the order in which they came; 0 where nothing can be
    said yet.
    """
    value_T = _checked(values)
    need = -math.log(_level(alpha))
    if not value_T.size or _peak(value_T, 1e-9) < need:
        return 0.0
    low, high = 1e-9, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if _peak(value_T, middle) >= need else (low, middle)
    return low


def upper_bound(values: ArrayLike, alpha: float) -> float:
    """The mirror image of `lower_bound`."""
    return 1 - lower_bound(1 - _checked(values), alpha)


def refutes(values: ArrayLike, mean: float, alpha: float) -> bool:
    """Whether values refute "the mean is at most `mean`": same as `lower_bound(values, alpha) >= mean`."""
    value_T = _checked(values)
    if not value_T.size:
        return False
    if mean <= 0:
        return True
    return mean < 1 and _peak(value_T, mean) >= -math.log(_level(alpha))


def spend(alpha: float, candidate: int) -> float:
    """What the i-th candidate (from 1) may use of `alpha`: alpha * 6 / (pi^2 i^2), which sums to alpha."""
    return _level(alpha) * 6 / (math.pi * candidate) ** 2


def wilson(successes: float, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval (1927) of a rate, for one look; a draw is half a success; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    z = float(ndtri(0.5 + confidence / 2))
    rate = successes / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(rate * (1 - rate) / trials + (z / (2 * trials)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)


def _peak(value_T: NDArray[np.float64], mean: float) -> float:
    """The highest capital so far: what was once refuted stays refuted."""
    gain_T = value_T / mean - 1
    log_BT = np.cumsum(np.log1p(_BETS[:, None] * gain_T), axis=1)
    return float(logsumexp(log_BT, axis=0).max() - math.log(len(_BETS)))


def _checked(values: ArrayLike | Sequence[float]) -> NDArray[np.float64]:
    value_T = np.asarray(values, np.float64)
    if value_T.ndim != 1 or not np.all((value_T >= 0) & (value_T <= 1)):
        raise ConfigError("confidence bound", got=f"values {value_T}", expected="a list of numbers in [0, 1]")
    return value_T


def _level(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise ConfigError("confidence bound", got=f"alpha {alpha}", expected="a number between 0 and 1")
    return alpha
