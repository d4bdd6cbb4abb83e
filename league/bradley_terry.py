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

_FINE = 1e-5
"""Log-odds to which a resample is solved: a five-hundredth of an Elo point."""
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
        self._peak: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def solve(self, weight_SB: NDArray[np.float64], rng: np.random.Generator | None) -> NDArray[np.float64]:
        """The parameters for S weightings of the blocks; with `rng` the pseudo-wins are drawn, too.

        Drawn from a Gamma distribution, they make the resamples of an unbeaten player as wide as one can say.
        """
        shape = (len(weight_SB), len(self.pairs))
        one_SD, two_SD = (
            np.full(shape, self.pseudo_wins) if rng is None else rng.standard_gamma(self.pseudo_wins, shape)
            for _ in range(2)
        )
        points_SD = np.concatenate([(self.data.points_BD.T @ weight_SB.T).T, one_SD], axis=1)
        games_SD = np.concatenate([(self.data.games_BD.T @ weight_SB.T).T, one_SD + two_SD], axis=1)
        start_SQ = np.tile(self.start_Q, (len(points_SD), 1))
        if rng is None:
            return self._newton(points_SD, games_SD, start_SQ, 1e-9)
        theta_SQ, settled_S = self._chord(points_SD, games_SD)
        if not settled_S.all():
            left_S = ~settled_S
            theta_SQ[left_S] = self._newton(points_SD[left_S], games_SD[left_S], start_SQ[left_S], _FINE)
        return theta_SQ

    def _chord(
        self, points_SD: NDArray[np.float64], games_SD: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Resamples from the fit of all blocks, with its curvature for all: (parameters, which ones settled).

        No matrix is built or inverted; resamples whose curvature is another one do not settle.
        """
        if self._peak is None:
            self._peak = self._curvature()
        peak_Q, inverse_FF = self._peak
        theta_SQ = np.tile(peak_Q, (len(points_SD), 1))
        before_S = np.full(len(points_SD), np.inf)
        open_S = np.ones(len(points_SD), bool)
        settled_S = np.zeros(len(points_SD), bool)
        while open_S.any():
            chance_SD = expit((self.design_DQ @ theta_SQ[open_S].T).T)
            gap_SD = points_SD[open_S] - games_SD[open_S] * chance_SD
            slope_SQ = (self.design_DQ.T @ gap_SD.T).T - self.ridge_Q * theta_SQ[open_S]
            step_SF = slope_SQ[:, self.free_F] @ inverse_FF
            rows_S = np.flatnonzero(open_S)
            theta_SQ[np.ix_(rows_S, self.free_F)] += step_SF
            largest_S = np.abs(step_SF).max(axis=1)
            settled_S[rows_S] = largest_S < _FINE
            # what does not halve from step to step is left to Newton
            open_S[rows_S] = ~settled_S[rows_S] & (largest_S < before_S[rows_S] / 2)
            before_S[rows_S] = largest_S
        return theta_SQ, settled_S

    def _curvature(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The fit of all blocks, and the inverse of its curvature over the free parameters."""
        peak_SQ = self.solve(np.ones((1, self.data.points_BD.shape[0])), None)
        games_D = np.r_[
            np.asarray(self.data.games_BD.sum(axis=0)).ravel(), np.full(len(self.pairs), 2 * self.pseudo_wins)
        ]
        chance_D = expit(self.design_DQ @ peak_SQ[0])
        bend_QQ = self._bend(games_D[None] * (chance_D * (1 - chance_D))[None])[0]
        return peak_SQ[0], np.linalg.inv(bend_QQ[np.ix_(self.free_F, self.free_F)])

    def _bend(self, bend_SD: NDArray[np.float64]) -> NDArray[np.float64]:
        """The curvature in all parameters, from that in each comparison: (S, Q, Q)."""
        size = self.design_DQ.shape[1]
        return np.asarray((self.squares.T @ bend_SD.T).T.reshape(-1, size, size) + self.hold_QQ)

    def _newton(
        self,
        points_SD: NDArray[np.float64],
        games_SD: NDArray[np.float64],
        theta_SQ: NDArray[np.float64],
        tolerance: float,
    ) -> NDArray[np.float64]:
        free = np.ix_(np.arange(len(theta_SQ)), self.free_F, self.free_F)
        for _ in range(200):
            chance_SD = expit((self.design_DQ @ theta_SQ.T).T)
            slope_SQ = (self.design_DQ.T @ (points_SD - games_SD * chance_SD).T).T - self.ridge_Q * theta_SQ
            bend_SQQ = self._bend(games_SD * chance_SD * (1 - chance_SD))
            step_SF = np.linalg.solve(bend_SQQ[free], slope_SQ[:, self.free_F, None])[..., 0]
            # Far out the curvature is tiny and Newton's step is wild; two units of log-odds are 350 Elo.
            largest_S = np.abs(step_SF).max(axis=1, keepdims=True)
            theta_SQ[:, self.free_F] += step_SF / np.maximum(1.0, largest_S / 2.0)
            if largest_S.max() < tolerance:
                return theta_SQ
        raise ArithmeticError(f"the rating fit did not settle: last step {largest_S.max():.2g} log-odds")


def _outer_rows(design_DQ: csr_array) -> csr_array:
    """The outer product of each row with itself, flattened: shape (D, Q * Q), sparse."""
    design = csr_array(design_DQ)
    counts_D = np.diff(design.indptr)
    size = design.shape[1]
    rows, columns, values = [], [], []
    for count in np.unique(counts_D):
        row_K = np.flatnonzero(counts_D == count)
        place_KC = design.indptr[row_K][:, None] + np.arange(count)
        index_KC, value_KC = design.indices[place_KC].astype(np.int64), design.data[place_KC]
        rows.append(np.repeat(row_K, count * count))
        columns.append((index_KC[:, :, None] * size + index_KC[:, None, :]).ravel())
        values.append((value_KC[:, :, None] * value_KC[:, None, :]).ravel())
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csr_array(entries, (design.shape[0], size * size))
