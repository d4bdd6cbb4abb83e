"""The Bradley-Terry fit: penalised likelihood of paired comparisons, maximised for many weightings at once.

The model is Bradley and Terry's (1952) with an effect for each seat: the log-odds that player i in seat s
finishes before j in t are a_i - a_j + g_s - g_t.

Axes: Q parameters (players, then seats), F the free ones, D comparisons, S resamples, B blocks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit

from league.comparisons import Comparisons, pseudo_pairs, with_pairs

_SEAT_RIDGE = 1e-3
"""Holds seat effects that no result determines, and shifts the others by less than a thousandth of a game."""


class Fit:
    """The fit of a set of comparisons; `pairs` got pseudo-wins, for results alone leave ratings open."""

    def __init__(self, data: Comparisons, pins: Mapping[str, float], pseudo_wins: float) -> None:
        self.data = data
        self.players = len(data.players)
        pinned = [i for i, name in enumerate(data.players) if name in pins]
        self.pairs = pseudo_pairs(data.wins_PP, pinned) if pseudo_wins > 0 else []
        self.pseudo_wins = pseudo_wins
        self.design_DQ = with_pairs(data.design_DQ, self.pairs)
        size = self.design_DQ.shape[1]
        self.start_Q = np.zeros(size)
        self.start_Q[pinned] = [pins[data.players[i]] for i in pinned]
        self.free_F = np.setdiff1d(np.arange(size), pinned)
        self.ridge_Q = np.where(np.arange(size) >= self.players, _SEAT_RIDGE, 0.0)
        # Without an anchor only differences count: this holds the mean, which starts at 0, where it is.
        self.hold_QQ = np.diag(self.ridge_Q)
        if not pinned:
            self.hold_QQ[: self.players, : self.players] += 1.0
        self.squares = _outer_rows(self.design_DQ)

    def solve(self, weight_SB: NDArray[np.float64], rng: np.random.Generator | None) -> NDArray[np.float64]:
        """The parameters for S weightings of the blocks; with `rng` the pseudo-wins are drawn, too.

        Drawn from a Gamma distribution, they make the resamples of an unbeaten player as wide as one can say.
        """
        points_SD = (self.data.points_BD.T @ weight_SB.T).T
        games_SD = (self.data.games_BD.T @ weight_SB.T).T
        shape = (len(weight_SB), len(self.pairs))
        one_SD, two_SD = (
            np.full(shape, self.pseudo_wins) if rng is None else rng.standard_gamma(self.pseudo_wins, shape)
            for _ in range(2)
        )
        points_SD = np.concatenate([points_SD, one_SD], axis=1)
        games_SD = np.concatenate([games_SD, one_SD + two_SD], axis=1)
        return self._newton(points_SD, games_SD, 1e-9 if rng is None else 1e-5)

    def _newton(
        self, points_SD: NDArray[np.float64], games_SD: NDArray[np.float64], tolerance: float
    ) -> NDArray[np.float64]:
        theta_SQ = np.tile(self.start_Q, (len(points_SD), 1))
        size = theta_SQ.shape[1]
        free = np.ix_(np.arange(len(theta_SQ)), self.free_F, self.free_F)
        for _ in range(200):
            chance_SD = expit((self.design_DQ @ theta_SQ.T).T)
            slope_SQ = (self.design_DQ.T @ (points_SD - games_SD * chance_SD).T).T - self.ridge_Q * theta_SQ
            bend_SD = games_SD * chance_SD * (1 - chance_SD)
            bend_SQQ = (self.squares.T @ bend_SD.T).T.reshape(-1, size, size) + self.hold_QQ
            step_SF = np.linalg.solve(bend_SQQ[free], slope_SQ[:, self.free_F, None])[..., 0]
            # Far out the curvature is tiny and Newton's step is wild; two units of log-odds are 350 Elo.
            largest_S = np.abs(step_SF).max(axis=1, keepdims=True)
            theta_SQ[:, self.free_F] += step_SF / np.maximum(1.0, largest_S / 2.0)
            if largest_S.max() < tolerance:
                return theta_SQ
        raise ArithmeticError(f"the rating fit did not settle: last step {largest_S.max():.2g} log-odds")


def _outer_rows(design_DQ: csr_array) -> csr_array:
    """The outer product of each row with itself, flattened: shape (D, Q * Q), sparse."""
    dense = design_DQ.tolil()
    size = design_DQ.shape[1]
    rows, columns, values = [], [], []
    for d, (places, signs) in enumerate(zip(dense.rows, dense.data, strict=True)):
        for i, x in zip(places, signs, strict=True):
            for j, y in zip(places, signs, strict=True):
                rows.append(d)
                columns.append(i * size + j)
                values.append(x * y)
    return csr_array((values, (rows, columns)), (design_DQ.shape[0], size * size))
