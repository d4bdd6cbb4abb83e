"""Observations where they enter: which rows of a frame lie outside their space."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gymnasium import spaces

from marl.observations import Lens
from marl.spaces import to_json

ROWS = (
    [0.5, -0.5],
    [math.nan, 0.0],
    [0.0, math.nan],
    [math.inf, 0.0],
    [0.0, -math.inf],
    [2.0, 0.0],
    [0.0, -2.0],
)


@pytest.mark.parametrize(
    ("low", "high"),
    [(-1.0, 1.0), (-math.inf, math.inf), (0.0, math.inf), ([-1.0, -3.0], [3.0, 1.0])],
    ids=str,
)
def test_bounds_that_are_shared_judge_as_each_number_does(
    low: float | list[float], high: float | list[float]
) -> None:
    """Shared bounds are judged by the least and the greatest; NaN hides from neither, infinities count."""
    space = spaces.Box(np.full(2, low, np.float32), np.full(2, high, np.float32), dtype=np.float32)
    lens = Lens(to_json(space))
    for rows in [*([row] for row in ROWS), list(ROWS)]:
        array_BN2 = np.array(rows, np.float32)[:, None]
        expected_BN = ~((array_BN2 >= space.low) & (array_BN2 <= space.high)).all(-1)
        outside_BN = lens.outside_BN([array_BN2])
        assert (outside_BN is None) == (not expected_BN.any())
        if outside_BN is not None:
            assert (outside_BN == expected_BN).all()
