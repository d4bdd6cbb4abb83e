"""Other people's libraries find the same on random inputs.

Each test is left out by name without its library.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from league.block import BlockResult
from league.games import alpha_rank, alpha_rank_joint, nash_averaging, nash_conv, two_player, zero_sum
from league.rating import ELO, rate

SEEDS = range(4)


def _oracle(name: str) -> ModuleType:
    found: ModuleType = pytest.importorskip(name, reason=f"no {name}: pip install 'marl-league[oracles]'")
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_alpha_rank_is_openspiels(seed: int) -> None:
    """One population with both selections, two populations, finite and infinite alpha."""
    theirs = _oracle("open_spiel.python.egt.alpharank")
    rng = np.random.default_rng(seed)
    game, (row, column) = rng.normal(size=(4, 4)), rng.normal(size=(2, 3, 4))
    assert theirs.compute([game], m=30, alpha=0.5)[2] == pytest.approx(alpha_rank(game, 0.5, population=30))
    whole = theirs.compute([game], m=30, alpha=0.5, use_local_selection_model=False)[2]
    assert whole == pytest.approx(alpha_rank(game, 0.5, population=30, local=False))
    limit = theirs.compute([game], use_inf_alpha=True, inf_alpha_eps=0.01)[2]
    assert limit == pytest.approx(alpha_rank(game), abs=1e-9)
    joint = theirs.compute([row, column], m=30, alpha=0.5)[2]
    assert joint == pytest.approx(
        alpha_rank_joint(two_player(row, column), 0.5, population=30).ravel(), abs=1e-9
    )
    limit = theirs.compute([row, column], use_inf_alpha=True, inf_alpha_eps=0.01)[2]
    assert limit == pytest.approx(alpha_rank_joint(two_player(row, column)).ravel(), abs=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_nash_averaging_is_openspiels(seed: int) -> None:
    """The maximum-entropy mix of antisymmetric games, ties included."""
    theirs = _oracle("open_spiel.python.algorithms.nash_averaging")
    _oracle("cvxpy")
    pyspiel = _oracle("pyspiel")
    rng = np.random.default_rng(seed)
    half = rng.integers(-2, 3, (5, 5)) if seed % 2 else rng.normal(size=(5, 5))
    game = np.asarray(half - half.T, float)
    mixes, values = theirs.nash_averaging(pyspiel.create_matrix_game(game, -game))
    mix, rating = nash_averaging(game)
    entropy = [-float(np.sum(m * np.log(np.maximum(m, 1e-12)))) for m in (mix, np.ravel(mixes))]
    assert entropy[0] >= entropy[1] - 1e-4
    assert mix == pytest.approx(np.ravel(mixes), abs=0.01)
    assert rating == pytest.approx(np.ravel(values), abs=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_zero_sum_equilibria_are_nashpys(seed: int) -> None:
    """The value of a random game; our strategies leave nothing to gain."""
    nashpy = _oracle("nashpy")
    game = np.random.default_rng(seed).normal(size=(4, 3))
    row, column, value = zero_sum(game)
    theirs = nashpy.Game(game).linear_program()
    assert theirs[0] @ game @ theirs[1] == pytest.approx(value)
    assert row == pytest.approx(theirs[0], abs=1e-8)
    assert column == pytest.approx(theirs[1], abs=1e-8)
    assert nash_conv(two_player(game), [row, column]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_bradley_terry_is_choixs(seed: int, duel: Callable[..., BlockResult]) -> None:
    """The joint fit without seat effects (all blocks rotate) is choix's maximum likelihood."""
    choix = _oracle("choix")
    rng = np.random.default_rng(seed)
    strength = rng.normal(size=5)
    blocks: list[BlockResult] = []
    results: list[tuple[int, int]] = []
    for i in range(5):
        for j in range(i + 1, 5):
            for _ in range(12):
                won = [float(rng.random() < 1 / (1 + np.exp(strength[j] - strength[i]))) for _ in range(2)]
                blocks.append(duel(f"p{i}", f"p{j}", *won, position=len(blocks)))
                results += [(i, j) if one else (j, i) for one in won]
    theirs = choix.ilsr_pairwise(5, results, alpha=0.0)
    standings = rate(blocks, np.random.default_rng(0), resamples=0)
    ours = {row.player: row.rating / ELO for row in standings.rows}
    found = np.array([ours[f"p{i}"] for i in range(5)])
    # seat effects, which we fit besides, take a little of it
    assert found == pytest.approx(theirs - theirs.mean(), abs=0.05)
