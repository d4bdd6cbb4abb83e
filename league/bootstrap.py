"""The block bootstrap: how much would a figure move, had other blocks been drawn?

Axes: S resamples, B blocks. Every block gets a random weight, exponentially distributed: the Bayesian
bootstrap (Rubin 1981). Unlike counts drawn with replacement, such weights never leave a pair or a player
without a block.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

LEVEL = 0.95
"""The level of all intervals that are published."""


def block_weights(rng: np.random.Generator, resamples: int, blocks: int) -> NDArray[np.float64]:
    """Weights of mean 1 for S resamples of B blocks: shape (S, B)."""
    return rng.standard_exponential((resamples, blocks))


def interval(draw_S: NDArray[np.float64], blocks: int) -> tuple[float, float] | None:
    """The percentile interval of a figure's resampled values, expanded for few blocks; None below two blocks.

    The expansion (after Hesterberg 2015) takes the quantiles at Phi(-t sqrt((n + 1) / (n - 1))), t
    being Student's quantile for n blocks: it undoes that n weighted blocks vary less than n new ones would.
    Of normal blocks it covers the mean in 90 % of cases for 5 blocks, 94 % for 8, 95 % for 20; it can't leave
    the range of what was seen.
    """
    if blocks < 2:
        return None
    reach = float(stdtrit(blocks - 1, 0.5 + LEVEL / 2)) * np.sqrt((blocks + 1) / (blocks - 1))
    tail = float(ndtr(-reach))
    low, high = np.quantile(draw_S, [tail, 1 - tail])
    return float(low), float(high)
