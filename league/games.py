"""Game theory over what was played: what a single rating can't say of a population.

Solvers stand in `equilibria`, `alpha_rank`, `social_choice` and `extensive`; here are the figures by which a
population and its members are judged, and the way from the payoff store to a game.

Axes: P players, S strategies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from league.alpha_rank import alpha_rank, alpha_rank_joint, normalised
from league.equilibria import (
    as_game,
    as_matrix,
    deviation_ratings,
    equilibrium,
    nash_averaging,
    nash_averaging_tasks,
    two_player,
    zero_sum,
)
from league.payoff import Payoff
from league.social_choice import copeland, margins, maximal_lottery, schulze
from marl.errors import ConfigError

__all__ = [
    "Population",
    "alpha_rank",
    "alpha_rank_joint",
    "copeland",
    "deviation_ratings",
    "equilibrium",
    "expected_payoffs",
    "exploitability",
    "judge_population",
    "margins",
    "maximal_lottery",
    "meta_game",
    "nash_averaging",
    "nash_averaging_tasks",
    "nash_conv",
    "normalised",
    "schulze",
    "two_player",
    "zero_sum",
]


def meta_game(payoff: Payoff, measure: str = "win") -> NDArray[np.float64]:
    """The symmetric zero-sum game of choosing a player: (P, P), antisymmetric, 0 where a pair never met.

    "win": 2 x win rate - 1; "difference": the mean difference of scores.
    """
    if measure == "difference":
        return np.asarray((payoff.difference_PP - payoff.difference_PP.T) / 2)
    table_PP = 2 * payoff.win_rate_PP - 1
    np.fill_diagonal(table_PP, 0.0)
    return np.asarray((table_PP - table_PP.T) / 2)


def expected_payoffs(payoffs: ArrayLike, mixes: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """What each player gets where all play their mixed strategies: shape (players,)."""
    return np.array(
        [float(_values(as_game(payoffs), mixes, p) @ np.asarray(mixes[p])) for p in range(len(mixes))]
    )


def nash_conv(payoffs: ArrayLike, mixes: Sequence[ArrayLike]) -> float:
    """How much all players together could gain, each by a best response of its own; 0 in an equilibrium."""
    game = as_game(payoffs)
    if len(mixes) != len(game):
        raise ConfigError("NashConv", got=f"{len(mixes)} strategies", expected=f"{len(game)}, one a player")
    gain = 0.0
    for player, mix in enumerate(mixes):
        value = _values(game, mixes, player)
        gain += float(value.max() - value @ np.asarray(mix, np.float64))
    return gain


def exploitability(payoffs: ArrayLike, mixes: Sequence[ArrayLike]) -> float:
    """NashConv per player."""
    return nash_conv(payoffs, mixes) / len(mixes)


def _values(game: NDArray[np.float64], mixes: Sequence[ArrayLike], player: int) -> NDArray[np.float64]:
    """What each action of a player is worth against the others' mixes."""
    value = game[player]
    for other in range(len(mixes) - 1, -1, -1):
        if other != player:
            value = np.tensordot(value, np.asarray(mixes[other], np.float64), axes=(other, 0))
    return np.asarray(value)


@dataclass(frozen=True)
class Population:
    """The figures of each player of a symmetric game (Lanctot et al. 2023), and of the game itself.

    `population_return`: mean payoff against all players, itself included; `exploitability`: the most that
    some player gets of it; `aggregate`: the first less the second. `cyclic`: the share of the squared payoffs
    that no rating explains: 0 where players are ordered by strength, 1 for rock-paper-scissors.
    """

    population_return_P: NDArray[np.float64]
    exploitability_P: NDArray[np.float64]
    aggregate_P: NDArray[np.float64]
    strength_P: NDArray[np.float64]
    cyclic: float


def judge_population(matrix: ArrayLike) -> Population:
    """Judge the players of a symmetric zero-sum game.

    The transitive part is Balduzzi et al.'s (2019) gradient.
    """
    game_PP = as_matrix(matrix)
    if game_PP.shape[0] != game_PP.shape[1] or not np.allclose(game_PP, -game_PP.T, atol=1e-6):
        raise ConfigError("population", got="a matrix that is not antisymmetric", expected="a `meta_game`")
    strength_P = game_PP.mean(axis=1)
    rest_PP = game_PP - (strength_P[:, None] - strength_P[None, :])
    whole = float((game_PP**2).sum())
    worst_P = game_PP.max(axis=0)
    return Population(
        population_return_P=strength_P,
        exploitability_P=worst_P,
        aggregate_P=strength_P - worst_P,
        strength_P=strength_P,
        cyclic=float((rest_PP**2).sum()) / whole if whole else 0.0,
    )
