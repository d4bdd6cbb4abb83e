"""Advantages and values equal those of a naive sum over each trajectory, whatever ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agents.returns import explained_variance, gae, standardised, successor_values
from tests.agents.material import fragments_of, learner_of, role_of, spec_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

GAMMA = 0.9


def naive(
    parts: Sequence[NDArray[Any]],
    lam: float,
) -> list[float]:
    """Equation by equation, forwards: the sum of discounted TD errors up to the cut."""
    reward, value, after, terminated, cut = (part.tolist() for part in parts)
    result = []
    for t in range(len(reward)):
        total, weight = 0.0, 1.0
        for k in range(t, len(reward)):
            bootstrap = 0.0 if terminated[k] else after[k]
            total += weight * (reward[k] + GAMMA * bootstrap - value[k])
            if cut[k]:
                break
            weight *= GAMMA * lam
        result.append(total)
    return result


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_gae_equals_naive_sums(lam: float, seed: int) -> None:
    """Terminations, truncations, fragment ends and early leavers in one table, against a naive sum by row."""
    rng = np.random.default_rng(seed)
    learner = learner_of(spec_of(role_of()))
    (fragment,) = fragments_of(learner, rng)
    cuts, shape = fragment.cuts, fragment.valid_TR.shape
    value = rng.normal(size=shape).astype(np.float32)
    cut_value = rng.normal(size=len(cuts.time_C)).astype(np.float32)
    after = successor_values(value, cuts.time_C, cuts.row_C, cut_value)
    cut = fragment.cut_TR()
    found = gae(fragment.reward_TR, value, after, fragment.terminated_TR, cut, GAMMA, lam)
    for row in range(shape[1]):
        count = int(fragment.valid_TR[:, row].sum())
        parts = (fragment.reward_TR, value, after, fragment.terminated_TR, cut)
        expected = naive([part[:count, row] for part in parts], lam)
        assert found[:count, row] == pytest.approx(expected, abs=1e-5)


def test_lambda_one_is_the_monte_carlo_return() -> None:
    """With lambda 1 advantage + value is the discounted return plus the bootstrapped tail."""
    reward = np.array([[1.0], [2.0], [3.0]], np.float32)
    value = np.array([[5.0], [-1.0], [2.0]], np.float32)
    never, cut = np.zeros((3, 1), np.bool_), np.array([[False], [False], [True]])
    after = successor_values(value, np.array([2]), np.array([0]), np.array([10.0], np.float32))
    target = gae(reward, value, after, never, cut, GAMMA, 1.0) + value
    tail = 3 + GAMMA * 10
    assert target[:, 0] == pytest.approx([1 + GAMMA * (2 + GAMMA * tail), 2 + GAMMA * tail, tail])
    ended = gae(reward, value, after, cut, cut, GAMMA, 1.0) + value
    assert ended[2, 0] == pytest.approx(3.0)


def test_nothing_flows_back_over_a_cut() -> None:
    """What another match brings, in the same row, changes nothing before the cut."""
    rng = np.random.default_rng(0)
    value = rng.normal(size=(4, 1)).astype(np.float32)
    cut = np.array([[False], [True], [False], [True]])
    after = rng.normal(size=(4, 1)).astype(np.float32)
    for terminated in (np.zeros_like(cut), cut):
        reward = rng.normal(size=(4, 1)).astype(np.float32)
        before = gae(reward, value, after, terminated, cut, GAMMA, 0.95)[:2]
        reward[2:] += 100
        assert np.array_equal(gae(reward, value, after, terminated, cut, GAMMA, 0.95)[:2], before)


def test_standardised_by_model_over_what_is_learned_from() -> None:
    """Mean 0 and spread 1 for each model over its own learnable entries; the others are left alone."""
    rng = np.random.default_rng(0)
    advantage = rng.normal(3, 5, (7, 6)).astype(np.float32)
    learnable = rng.random((7, 6)) < 0.7
    model = np.array([0, 0, 1, 1, 1, 0])
    found = standardised(advantage, learnable, model, np.zeros(2, np.float32))
    for m in (0, 1):
        own = found[learnable & (model == m)]
        assert own.mean() == pytest.approx(0, abs=1e-6)
        assert own.std() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(found[~learnable], advantage[~learnable])


def test_rounding_noise_is_not_blown_up() -> None:
    """Advantages that differ by rounding only stay near zero."""
    advantage = np.float32(1) + np.float32(1e-7) * np.arange(8, dtype=np.float32).reshape(2, 4)
    found = standardised(
        advantage, np.ones((2, 4), np.bool_), np.zeros(4, np.int64), np.array([1e-4], np.float32)
    )
    assert np.abs(found).max() < 0.02


def test_explained_variance() -> None:
    """1 for exact values, 0 for a constant, 0 where nothing varies."""
    target = np.arange(5, dtype=np.float32)
    assert explained_variance(target, target) == 1
    assert explained_variance(target, np.zeros(5, np.float32)) == 0
    assert explained_variance(np.ones(5, np.float32), target) == 0
