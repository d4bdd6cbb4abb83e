"""Keyed draws: a row's numbers follow from its key, whatever it is batched with."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces
from scipy import stats

from marl.policy import RandomLegal, Rows
from marl.rng import mix, reseed, seed_of, uniforms
from marl.spaces import to_json
from marl.spec import Role


def rows(count: int, seed: int = 3) -> Rows:
    """Rows of one match with decisions 0, 1, 2 ..."""
    whole = np.arange(count, dtype=np.int32)
    return Rows(np.zeros(count, np.int64), np.full(count, seed, np.uint64), np.zeros(count, np.int32), whole)


def draw(
    space: spaces.Space[object], asked: Rows, mask_RA: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
) -> object:
    """What the random player does."""
    role = Role("it", ("it_0",), to_json(spaces.Discrete(1)), to_json(space), masked=mask_RA.shape[1] > 0)
    memory_RM = np.zeros((len(asked), 0), np.float32)
    action_RK = RandomLegal().act(role, (), mask_RA, memory_RM, asked, greedy=False).action_RK
    assert role.codec.illegal(action_RK, mask_RA if role.masked else None) is None
    return action_RK


def test_a_draw_does_not_depend_on_its_batch() -> None:
    """Any subset and order of rows gives the same numbers for the same keys."""
    key_R = mix(np.arange(40), 7, np.arange(40) % 3)
    order = np.random.default_rng(0).permutation(40)[:23]
    np.testing.assert_array_equal(uniforms(key_R, 5)[order], uniforms(key_R[order], 5))
    np.testing.assert_array_equal(uniforms(key_R, 5)[:, :3], uniforms(key_R, 3))


def test_uniforms_are_uniform_and_open() -> None:
    """In (0, 1), without 0 and 1, evenly spread within and across keys (Kolmogorov-Smirnov)."""
    draws = uniforms(mix(np.arange(5000), 1), 8)
    assert 0 < draws.min() < draws.max() < 1
    assert stats.kstest(draws[:, 0], "uniform").pvalue > 1e-3
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 0.05


def test_keys_tell_their_parts_apart() -> None:
    """The same numbers in another order, or negative ones, are another key; big ones are no trouble."""
    assert mix(1, 2, 3) != mix(3, 2, 1)
    assert mix(0) != mix(0, 0)
    assert seed_of(-1, 5) != seed_of(1, 5)
    assert 0 <= seed_of(2**80, -(2**70)) < 2**63


def test_a_reseeded_generator_follows_from_the_seed_alone() -> None:
    """Whatever was drawn before, 32-bit halves included; neighbouring seeds have nothing in common."""
    generator, other = np.random.default_rng(0), np.random.default_rng(99)
    other.integers(5, size=7, dtype=np.int32)
    first = []
    for seed in range(300):
        reseed(generator, seed)
        reseed(other, seed)
        a, b = generator.random(3), other.random(3)
        np.testing.assert_array_equal(a, b)
        assert generator.integers(2**31, dtype=np.int32) == other.integers(2**31, dtype=np.int32)
        first.append(a[0])
    assert stats.kstest(first, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(4, start=2),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(3),
        spaces.Box(-2, 5, (2,), np.float32),
        spaces.Box(-3, 3, (2,), np.int8),
        spaces.Tuple([spaces.Box(0, np.inf, (1,), np.float32), spaces.Discrete(3)]),
        spaces.Box(
            np.array([-np.inf, -np.inf], np.float32), np.array([np.inf, 0], np.float32), dtype=np.float32
        ),
    ],
    ids=str,
)
def test_the_random_player_is_legal_and_batch_free(space: spaces.Space[object]) -> None:
    """In any space its draws are legal, spread out, and those of a row alone."""
    none = np.zeros((400, 0), np.uint8)
    together = np.asarray(draw(space, rows(400), none))
    assert all(len(np.unique(column)) > 1 for column in together.T)
    alone = np.asarray(draw(space, rows(400).take(np.array([17, 5])), none[:2]))
    np.testing.assert_array_equal(together[[17, 5]], alone)


def test_the_random_player_is_uniform_among_the_legal() -> None:
    """Masked choices never, the others equally often (chi-square), also beside a box."""
    mask_RA = np.tile(np.array([1, 0, 1, 1, 0, 1], np.uint8), (6000, 1))
    space = spaces.Tuple([spaces.Discrete(4), spaces.Box(0, 1, (1,), np.float32), spaces.Discrete(2)])
    action_RK = np.asarray(draw(space, rows(6000), mask_RA))
    counts = np.bincount(action_RK[:, 0].astype(int), minlength=4)
    assert counts[1] == 0
    assert stats.chisquare(counts[[0, 2, 3]]).pvalue > 1e-3
    assert (action_RK[:, 2] == 1).all()
