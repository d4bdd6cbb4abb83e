"""Prioritised replay: probabilities and weights are those of the formulas, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from agents.prioritised import Prioritised, SumTree, Uniform

ERRORS = np.array([0.5, 2.0, 0.1, 1.0, 4.0, 0.25, 3.0, 0.75], np.float32)
SLOTS = np.arange(8)


def held(alpha: float) -> Prioritised:
    """Eight steps with known errors."""
    sampler = Prioritised(8, alpha)
    sampler.add(SLOTS, np.ones(8, np.bool_))
    sampler.judge(SLOTS, ERRORS)
    return sampler


@pytest.mark.parametrize("size", [1, 2, 5, 8, 100])
def test_a_mass_finds_its_leaf(size: int) -> None:
    """Each leaf is found for exactly the masses between the running sums around it; empty ones never."""
    rng = np.random.default_rng(size)
    number = rng.integers(0, 4, size).astype(np.float64)
    number[-1] = 1
    tree = SumTree(size)
    tree.set(np.arange(size), number)
    assert tree.total == number.sum()
    mass = np.arange(0, tree.total, 0.25)
    assert (tree.find(mass) == np.searchsorted(np.cumsum(number), mass, side="right")).all()


def test_sums_stay_exact() -> None:
    """After 1,000 changes every inner node is the sum of its leaves, bit for bit of a tree made anew."""
    rng = np.random.default_rng(0)
    tree, number = SumTree(37), np.zeros(37)
    for _ in range(1000):
        index = rng.integers(37, size=5)
        value = rng.random(5) * 10.0 ** rng.integers(-6, 6, 5)
        tree.set(index, value)
        number[index] = value
    fresh = SumTree(37)
    fresh.set(np.arange(37), number)
    assert (tree.sums == fresh.sums).all()


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_probabilities_and_weights_are_those_of_the_formula(alpha: float) -> None:
    """P(i) = p^a / sum; weight (N P)^-b over the batch's greatest; frequencies follow within 4 errors."""
    sampler, rng = held(alpha), np.random.default_rng(1)
    priority = (ERRORS.astype(np.float64) + 1e-6) ** alpha
    probability = priority / priority.sum()
    count = np.zeros(8)
    for _ in range(200):
        index, weight = sampler.draw(400, rng, 0.5)
        expected = (8 * probability[index]) ** -0.5
        assert weight == pytest.approx(expected / expected.max(), rel=1e-6)
        count += np.bincount(index, minlength=8)
    spread = np.sqrt(80_000 * probability * (1 - probability))
    assert (np.abs(count - 80_000 * probability) < 4 * spread + 1).all()


def test_full_weights_give_the_uniform_mean() -> None:
    """With beta 1 the weighted mean over the distribution is the uniform mean, whatever the priorities."""
    sampler = held(0.6)
    probability = sampler.tree.get(SLOTS) / sampler.tree.total
    gradient = np.random.default_rng(2).normal(size=8)
    weight = 1 / (8 * probability)
    assert (probability * weight * gradient).sum() == pytest.approx(gradient.mean(), rel=1e-12)
    index, drawn = sampler.draw(1000, np.random.default_rng(3), 1.0)
    assert drawn == pytest.approx(weight[index] / weight[index].max(), rel=1e-6)


def test_new_steps_come_first_and_others_never() -> None:
    """A step that is new has the greatest priority so far; one that teaches nothing is never drawn."""
    sampler = held(1.0)
    sampler.add(np.array([2, 5]), np.array([True, False]))
    assert sampler.tree.get(np.array([2, 4, 5])) == pytest.approx([4.0, 4.0, 0.0], rel=1e-5)
    assert len(sampler) == 7
    index, _ = sampler.draw(1000, np.random.default_rng(0), 1.0)
    assert set(index.tolist()) == {0, 1, 2, 3, 4, 6, 7}


@pytest.mark.parametrize("made", [Uniform, lambda capacity: Prioritised(capacity, 0.6)])
def test_a_sampler_goes_on_from_its_state(made: type[Uniform]) -> None:
    """Loaded into another one, the same random numbers draw the same steps and weights."""
    sampler, other = made(8), made(8)
    sampler.add(SLOTS, ERRORS > 0.3)
    sampler.judge(SLOTS[ERRORS > 0.3], ERRORS[ERRORS > 0.3])
    other.load({name: array.copy() for name, array in sampler.state().items()})
    drawn = [each.draw(50, np.random.default_rng(4), 0.5) for each in (sampler, other)]
    assert len(other) == len(sampler) == 6
    assert (drawn[0][0] == drawn[1][0]).all()
    assert (drawn[0][1] == drawn[1][1]).all()
