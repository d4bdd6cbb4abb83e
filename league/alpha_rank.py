"""Alpha-rank (Omidshafiei et al.

2019): how often evolution stays with each strategy, of any game, any players.

A population that plays one strategy is invaded by a mutant now and then; the chain over strategies (joint
strategies where there are several populations) that the mutants' fixation chances make has a stationary
distribution, which is the ranking. All sums are kept in logarithms and the chain is solved without a
subtraction (Grassmann, Taksar and Heyman 1985), so that no payoff and no intensity overflows.

Axes: S strategies or joint strategies, L members of a population.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from league.equilibria import as_game, as_matrix
from marl.errors import ConfigError

_TIE = 1e-14


def alpha_rank(
    matrix: ArrayLike,
    alpha: float = math.inf,
    *,
    population: int = 50,
    epsilon: float = 0.01,
    local: bool = True,
) -> NDArray[np.float64]:
    """The ranking of a symmetric game of two, one population: shape (S,), sums to 1.

    A finite `alpha` has the inverse unit of payoffs: scale them by `normalised` first. With an infinite one a
    better mutant takes over with chance 1 - `epsilon`. `local`: fitness is what the two get of each other;
    otherwise of the whole population.
    """
    game_SS = as_matrix(matrix)
    size = len(game_SS)
    if game_SS.shape != (size, size):
        raise ConfigError(
            "alpha-rank", got=f"a matrix of shape {game_SS.shape}", expected="a square one: a symmetric game"
        )
    log_SS = np.full((size, size), -np.inf)
    for s in range(size):
        for r in range(size):
            if r != s:
                log_SS[s, r] = (
                    _log_better(game_SS[r, s] - game_SS[s, r], epsilon)
                    if math.isinf(alpha)
                    else _log_fixation(alpha * _fitter(game_SS, r, s, population, local=local))
                )
    return _stationary(log_SS)


def alpha_rank_joint(
    payoffs: ArrayLike, alpha: float = math.inf, *, population: int = 50, epsilon: float = 0.01
) -> NDArray[np.float64]:
    """The ranking of joint strategies of a game of n players, a population each.

    In the shape of the actions.
    """
    game = as_game(payoffs)
    shape = game.shape[1:]
    states = list(np.ndindex(shape))
    place = {state: i for i, state in enumerate(states)}
    log_SS = np.full((len(states), len(states)), -np.inf)
    for state in states:
        for player, actions in enumerate(shape):
            for action in range(actions):
                if action == state[player]:
                    continue
                mutant = (*state[:player], action, *state[player + 1 :])
                gain = float(game[player][mutant] - game[player][state])
                log_SS[place[state], place[mutant]] = (
                    _log_better(gain, epsilon)
                    if math.isinf(alpha)
                    else _log_fixation(np.full(population - 1, alpha * gain))
                )
    return _stationary(log_SS).reshape(shape)


def normalised(payoffs: ArrayLike) -> NDArray[np.float64]:
    """Payoffs scaled to [0, 1], each player's by itself where there are several.

    So that one alpha fits all.
    """
    game = np.asarray(payoffs, np.float64)
    axes = tuple(range(1, game.ndim)) if game.ndim > 2 else (0, 1)
    low, span = game.min(axis=axes, keepdims=True), np.ptp(game, axis=axes, keepdims=True)
    return np.asarray(np.divide(game - low, span, out=np.zeros_like(game), where=span > 0))


def _fitter(
    game_SS: NDArray[np.float64], r: int, s: int, population: int, *, local: bool
) -> NDArray[np.float64]:
    """By how much r is fitter than s in a population with 1, 2, ... members of r, the rest s."""
    if local:
        return np.full(population - 1, game_SS[r, s] - game_SS[s, r])
    count_L = np.arange(1, population)
    own_L = (count_L - 1) * game_SS[r, r] + (population - count_L) * game_SS[r, s]
    other_L = count_L * game_SS[s, r] + (population - count_L - 1) * game_SS[s, s]
    return np.asarray((own_L - other_L) / (population - 1))


def _log_fixation(edge_L: NDArray[np.float64]) -> float:
    """The log chance that one mutant takes over, given its fitness edges times alpha: a birth-death chain."""
    return -float(logsumexp(np.r_[0.0, -np.cumsum(edge_L)]))


def _log_better(gain: float, epsilon: float) -> float:
    if abs(gain) <= _TIE:
        return math.log(0.5)
    return math.log(1 - epsilon if gain > 0 else epsilon)


def _stationary(log_SS: NDArray[np.float64]) -> NDArray[np.float64]:
    """The stationary distribution of the chain with these log rates (any common factor): by elimination."""
    rate_SS = log_SS.copy()
    size = len(rate_SS)
    for last in range(size - 1, 0, -1):
        rate_SS[:last, last] -= logsumexp(rate_SS[last, :last])
        through_SS = rate_SS[:last, last, None] + rate_SS[None, last, :last]
        np.logaddexp(rate_SS[:last, :last], through_SS, out=rate_SS[:last, :last])
    weight_S = np.zeros(size)
    for state in range(1, size):
        weight_S[state] = logsumexp(weight_S[:state] + rate_SS[:state, state])
    return np.asarray(np.exp(weight_S - logsumexp(weight_S)))
