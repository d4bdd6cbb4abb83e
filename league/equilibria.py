"""Equilibria of finite games.

Nash of zero-sum ones, maximum-entropy Nash averaging, correlated ones, deviations.

A game of n players is a payoff array G of shape (n, A_1, ..., A_n): G[p][a] is what player p gets where the
joint action is a. A zero-sum game of two is a matrix M, row against column.

Axes: S strategies of a symmetric game, J joint actions (flattened), I deviations (player, action).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog, minimize
from scipy.sparse import csr_array

from marl.errors import ConfigError

Kind = Literal["correlated", "coarse"]
Aim = Literal["welfare", "entropy"]
_CLOSE = 1e-9


def zero_sum(matrix: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """A Nash equilibrium of a zero-sum game and its value: (row strategy, column strategy, value), by LP."""
    game = as_matrix(matrix)
    return _maximin(game), _maximin(-game.T), float(_value(game))


def _value(game: NDArray[np.float64]) -> float:
    return float(-_solve_maximin(game).fun)


def _maximin(game: NDArray[np.float64]) -> NDArray[np.float64]:
    mix = np.maximum(_solve_maximin(game).x[:-1], 0.0)
    return np.asarray(mix / mix.sum())


def _solve_maximin(game: NDArray[np.float64]) -> _Solution:
    """Maximise v subject to x' M >= v: variables x, v."""
    rows, columns = game.shape
    return _lp(
        np.r_[np.zeros(rows), -1.0],
        A_ub=np.c_[-game.T, np.ones(columns)],
        b_ub=np.zeros(columns),
        A_eq=np.r_[np.ones(rows), 0.0][None],
        b_eq=[1.0],
        bounds=[(0, None)] * rows + [(None, None)],
    )


def nash_averaging(matrix: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maximum-entropy Nash averaging (Balduzzi et al. 2018): (mix over players, rating of each against it).

    `matrix` is antisymmetric: payoffs, or log-odds of winning, row against column.
    """
    game_SS = as_matrix(matrix)
    if game_SS.shape[0] != game_SS.shape[1] or not np.allclose(game_SS, -game_SS.T, atol=1e-6):
        raise ConfigError(
            "Nash averaging",
            got="a matrix that is not antisymmetric",
            expected="what i gets of j as minus what j gets of i",
            remedy="Use `nash_averaging_tasks` for players against tasks.",
        )
    mix_S = _widest(game_SS)
    return mix_S, game_SS @ mix_S


def nash_averaging_tasks(matrix: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nash averaging of players (rows) against tasks (columns): (mix over players, mix over tasks).

    Columns are scaled to [0, 1] first, so that no task counts more by its unit.
    """
    score_ST = as_matrix(matrix)
    span_T = np.ptp(score_ST, axis=0)
    scaled_ST = np.divide(
        score_ST - score_ST.min(axis=0), span_T, out=np.zeros_like(score_ST), where=span_T > 0
    )
    return _widest(scaled_ST), _widest(-scaled_ST.T)


def _widest(game: NDArray[np.float64]) -> NDArray[np.float64]:
    """The maximin strategy of the largest entropy.

    All maximin strategies form a polytope: its support is found by LP, the entropy is maximised on it by
    Newton's method for the dual (exponential family), through SLSQP.
    """
    rows, columns = game.shape
    scale = max(1.0, float(np.abs(game).max()))
    game = game / scale
    least = _value(game) - 1e-9
    # what no maximin strategy uses has entropy nothing to say about
    support = [i for i in range(rows) if _most(game, least, i) > 1e-7]
    small = game[support]
    if len(support) == 1:
        return np.asarray(np.eye(rows)[support[0]])
    start = np.mean([_most_mix(game, least, i)[support] for i in support], axis=0)
    found = minimize(
        lambda x: float(np.sum(x * np.log(np.maximum(x, 1e-300)))),
        start / start.sum(),
        jac=lambda x: np.log(np.maximum(x, 1e-300)) + 1,
        bounds=[(1e-12, 1.0)] * len(support),
        constraints=[
            {"type": "eq", "fun": lambda x: x.sum() - 1, "jac": lambda x: np.ones(len(x))},
            {"type": "ineq", "fun": lambda x: x @ small - least, "jac": lambda _: small.T},
        ],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    mix = np.zeros(rows)
    mix[support] = np.maximum(found.x, 0.0)
    if (mix @ game).min() < least - 1e-5 * columns:
        raise ArithmeticError(f"maximum entropy did not settle: {found.message}")
    return np.asarray(mix / mix.sum())


def _most_mix(game: NDArray[np.float64], least: float, i: int) -> NDArray[np.float64]:
    """The maximin strategy that plays `i` most."""
    rows, columns = game.shape
    return _lp(
        -np.eye(rows)[i],
        A_ub=-game.T,
        b_ub=np.full(columns, -least),
        A_eq=np.ones((1, rows)),
        b_eq=[1.0],
        bounds=[(0, None)] * rows,
    ).x


def _most(game: NDArray[np.float64], least: float, i: int) -> float:
    return float(_most_mix(game, least, i)[i])


# correlated equilibria


def equilibrium(
    payoffs: ArrayLike, kind: Kind = "correlated", aim: Aim = "welfare"
) -> tuple[NDArray[np.float64], float]:
    """A correlated or coarse correlated equilibrium: (joint distribution, shape of the actions; its welfare).

    `aim`: the largest sum of payoffs, or the largest entropy.
    """
    game = as_game(payoffs)
    gain_IJ, _ = deviation_gains(game, kind)
    welfare_J = game.reshape(len(game), -1).sum(axis=0)
    size = welfare_J.size
    feasible = {"A_ub": gain_IJ, "b_ub": np.zeros(gain_IJ.shape[0])}
    simplex = {"A_eq": np.ones((1, size)), "b_eq": [1.0], "bounds": [(0, None)] * size}
    joint_J = np.maximum(_lp(-welfare_J, **feasible, **simplex).x, 0.0)
    if aim == "entropy":
        joint_J = _entropy(gain_IJ.toarray(), joint_J)
    joint_J /= joint_J.sum()
    return joint_J.reshape(game.shape[1:]), float(welfare_J @ joint_J)


def deviation_gains(payoffs: ArrayLike, kind: Kind) -> tuple[csr_array, list[tuple[int, int]]]:
    """What each deviation gains in each joint action: (I, J), and the (player, action) of each row.

    Coarse: play a' whatever is recommended. Correlated: play a' where a is recommended (a row for each a,
    a').
    """
    game = as_game(payoffs)
    rows, names = [], []
    for player in range(len(game)):
        by_own = np.moveaxis(game[player], player, 0)
        for to in range(by_own.shape[0]):
            gain = np.moveaxis(by_own[to][None] - by_own, 0, player)
            if kind == "coarse":
                rows.append(gain.ravel())
                names.append((player, to))
                continue
            for told in range(by_own.shape[0]):
                if told == to:
                    continue
                only = np.zeros_like(gain)
                index = [slice(None)] * gain.ndim
                index[player] = told  # type: ignore[call-overload]  # numpy takes mixed tuples
                only[tuple(index)] = gain[tuple(index)]
                rows.append(only.ravel())
                names.append((player, to))
    return csr_array(np.array(rows)), names


def _entropy(gain_IJ: NDArray[np.float64], start_J: NDArray[np.float64]) -> NDArray[np.float64]:
    """The joint distribution of the largest entropy without gainful deviations: by its smooth convex dual.

    It is proportional to exp(-lambda' gains), lambda >= 0 minimising the log of its sum.
    """
    del start_J

    def dual(weight_I: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        energy_J = -weight_I @ gain_IJ
        top = energy_J.max()
        share_J = np.exp(energy_J - top)
        total = share_J.sum()
        return float(top + np.log(total)), -(gain_IJ @ (share_J / total))

    found = minimize(
        dual,
        np.zeros(len(gain_IJ)),
        jac=True,
        bounds=[(0, None)] * len(gain_IJ),
        method="L-BFGS-B",
        options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10},
    )
    energy_J = -found.x @ gain_IJ
    share_J = np.exp(energy_J - energy_J.max())
    return np.asarray(share_J / share_J.sum())


def deviation_ratings(payoffs: ArrayLike) -> list[NDArray[np.float64]]:
    """Deviation ratings (Marris et al. 2025): a number for each action of each player, the same for clones.

    Among coarse correlated equilibria those are kept that make the largest gain of deviating smallest; the
    deviations that reach it are frozen there, and the next largest is made smallest, until all are frozen. An
    action's rating is what deviating to it gains: at most 0.
    """
    game = as_game(payoffs)
    gain, names = deviation_gains(game, "coarse")
    gain_IJ = gain.toarray()
    deviations = len(gain_IJ)
    frozen: dict[int, float] = {}
    while len(frozen) < deviations:
        open_I = [i for i in range(deviations) if i not in frozen]
        level, fixed = _press(gain_IJ, frozen, open_I)
        tight = [i for i in open_I if _least(gain_IJ, frozen, open_I, level, i) > level - 1e-7]
        for i in tight or fixed:
            frozen[i] = level
    ratings = [np.zeros(count) for count in game.shape[1:]]
    for i, (player, action) in enumerate(names):
        ratings[player][action] = frozen[i]
    return ratings


def _held(
    gain_IJ: NDArray[np.float64], frozen: dict[int, float], extra: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows that keep frozen gains at or below their level; `extra` columns of zeros follow."""
    rows = gain_IJ[list(frozen)]
    return np.c_[rows, np.zeros((len(rows), extra))], np.array(list(frozen.values())) + _CLOSE


def _press(
    gain_IJ: NDArray[np.float64], frozen: dict[int, float], open_I: list[int]
) -> tuple[float, list[int]]:
    """The smallest level under which all open gains can be at once.

    And those that are at it in the solution.
    """
    size = gain_IJ.shape[1]
    held, limits = _held(gain_IJ, frozen, 1)
    found = _lp(
        np.r_[np.zeros(size), 1.0],
        A_ub=np.r_[held, np.c_[gain_IJ[open_I], -np.ones(len(open_I))]],
        b_ub=np.r_[limits, np.zeros(len(open_I))],
        A_eq=np.r_[np.ones(size), 0.0][None],
        b_eq=[1.0],
        bounds=[(0, None)] * size + [(None, None)],
    )
    gains = gain_IJ[open_I] @ found.x[:size]
    return float(found.fun), [i for i, gain in zip(open_I, gains, strict=True) if gain > found.fun - 1e-7]


def _least(
    gain_IJ: NDArray[np.float64], frozen: dict[int, float], open_I: list[int], level: float, i: int
) -> float:
    """How far gain `i` can be pressed below the level while no other open one rises above it."""
    size = gain_IJ.shape[1]
    held, limits = _held(gain_IJ, frozen, 0)
    return float(
        _lp(
            gain_IJ[i],
            A_ub=np.r_[held, gain_IJ[open_I]],
            b_ub=np.r_[limits, np.full(len(open_I), level + _CLOSE)],
            A_eq=np.ones((1, size)),
            b_eq=[1.0],
            bounds=[(0, None)] * size,
        ).fun
    )


@dataclass(frozen=True)
class _Solution:
    x: NDArray[np.float64]
    fun: float


def _lp(cost: NDArray[np.float64], **problem: object) -> _Solution:
    """Solve a linear programme with HiGHS; ArithmeticError where it can't."""
    found = linprog(cost, method="highs", **problem)
    if found.x is None:
        raise ArithmeticError(f"a linear programme was not solved: {found.message}")
    return _Solution(np.asarray(found.x, np.float64), float(found.fun))


def as_matrix(values: ArrayLike) -> NDArray[np.float64]:
    """A matrix of finite numbers, or a ConfigError."""
    matrix = np.asarray(values, np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ConfigError(
            "game", got=f"an array of shape {matrix.shape}", expected="a matrix of finite numbers"
        )
    return matrix


def as_game(values: ArrayLike) -> NDArray[np.float64]:
    """The payoffs of a game of n players, or a ConfigError."""
    game = np.asarray(values, np.float64)
    if game.ndim < 2 or len(game) != game.ndim - 1 or not np.isfinite(game).all():
        raise ConfigError(
            "game",
            got=f"an array of shape {game.shape}",
            expected="finite payoffs of shape (players, actions of the first, actions of the second, ...)",
        )
    return game


def two_player(row: ArrayLike, column: ArrayLike | None = None) -> NDArray[np.float64]:
    """The payoff array of a game of two from the row's matrix.

    The column's is minus it where none is given.
    """
    first = as_matrix(row)
    return np.stack([first, -first if column is None else as_matrix(column)])
