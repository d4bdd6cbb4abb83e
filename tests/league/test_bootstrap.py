"""Bootstrap intervals cover means of few blocks, and claim nothing for one."""

from __future__ import annotations

import numpy as np
import pytest

from league.bootstrap import block_weights, interval


def _coverage(rng: np.random.Generator, blocks: int, cases: int) -> float:
    hits = 0
    for value_B in rng.normal(size=(cases, blocks)):
        weight_SB = block_weights(rng, 400, blocks)
        found = interval(weight_SB @ value_B / weight_SB.sum(axis=1), blocks)
        assert found is not None
        hits += found[0] <= 0 <= found[1]
    return hits / cases


@pytest.mark.parametrize(("blocks", "least"), [(5, 0.87), (8, 0.915), (20, 0.93)])
def test_intervals_cover_with_few_blocks(blocks: int, least: float) -> None:
    """95 % intervals of the mean of normal blocks hold it in about 90 % of cases at five blocks, 95 at 20."""
    assert least <= _coverage(np.random.default_rng(blocks), blocks, 1500) <= 0.975


def test_few_blocks_widen_the_interval() -> None:
    """Of the same draws, ten blocks take wider quantiles, a thousand nearly those of 2.5 and 97.5 %."""
    draw_S = np.random.default_rng(0).normal(size=200_000)
    few, many = interval(draw_S, 10), interval(draw_S, 1000)
    assert few is not None
    assert many is not None
    # Student's t for 9 degrees of freedom is 2.262; times sqrt(11 / 9).
    assert few[1] == pytest.approx(2.262 * (11 / 9) ** 0.5, abs=0.04)
    assert many[1] == pytest.approx(1.96, abs=0.02)
    assert interval(draw_S, 1) is None


def test_weights_have_mean_one_and_never_vanish() -> None:
    """No resample leaves a block out."""
    weight_SB = block_weights(np.random.default_rng(0), 2000, 50)
    assert weight_SB.mean() == pytest.approx(1, abs=0.02)
    assert weight_SB.min() > 0
