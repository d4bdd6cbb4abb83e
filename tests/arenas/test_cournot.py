"""Cournot's market: its accounts by hand, and learners that find its equilibrium."""

from __future__ import annotations

import numpy as np
import pytest

from arenas.cournot import Cournot
from tests.learning.practice import Practice


def test_profits_of_a_round_by_hand() -> None:
    """Three firms at the equilibrium sell at 32.5 and earn 506.25 each; prices never fall below 0."""
    arena = Cournot(rounds=2)
    assert arena.equilibrium == (22.5, 32.5)
    arena.reset(seed=0)
    even = dict.fromkeys(arena.seats, np.array([-0.5], np.float32))
    _, reward, *_ = arena.step(even)
    assert arena.quantity_N.tolist() == [22.5] * 3
    assert arena.price == 32.5
    assert list(reward.values()) == pytest.approx([506.25 / 2025] * 3)
    arena.step(dict.fromkeys(arena.seats, np.array([1.0], np.float32)))
    assert arena.price == 0.0
    assert list(arena.scores().values()) == pytest.approx([(506.25 - 900) / 2] * 3)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [0, 1])
def test_learners_converge_to_the_equilibrium(seed: int) -> None:
    """Three PPO learners with parameters of their own settle within 5 % of q = 22.5 and of price 32.5."""
    settings = {"separate": True, "gamma": 0.0, "lam": 0.0, "entropy": 0.0, "epochs": 4, "minibatch": 256}
    settings |= {"lr": 1.5e-3, "lr_end": 0.05, "anneal_decisions": 300 * 64 * 8 * 3}
    practice = Practice("cournot", seed, settings, options={"rounds": 4}, copies=64, rollout=8)
    practice.run(200)
    means = []
    for _ in range(100):
        practice.run(1)
        actions = np.concatenate([fragment.action_TRK[..., 0].ravel() for fragment in practice.fragments])
        means.append(float(np.mean(0.5 * (np.clip(actions, -1, 1) + 1.0) * 90.0)))
    quantity = float(np.mean(means))
    assert quantity == pytest.approx(22.5, rel=0.05)
    assert 100.0 - 3 * quantity == pytest.approx(32.5, rel=0.05)
