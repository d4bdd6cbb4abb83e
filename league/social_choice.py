"""Social choice over several arenas: each arena ranks the players, and the arenas vote.

No scale is shared by two arenas, only who is better in each; clones of a player or of an arena's kind change
little (Lanctot et al. 2023, "Evaluating agents using social choice theory").

Axes: P players, K arenas (voters).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from league.equilibria import as_matrix, nash_averaging

_TIE = 1e-9


def margins(score_KP: ArrayLike, weight_K: ArrayLike | None = None) -> NDArray[np.float64]:
    """How many more arenas (by weight) rank the row's player above the column's than below: (P, P).

    `score_KP`: the higher the better; NaN where a player did not play an arena, which then says nothing of
    it.
    """
    score = np.asarray(score_KP, np.float64)
    weight = np.ones(len(score)) if weight_K is None else np.asarray(weight_K, np.float64)
    gap_KPP = score[:, :, None] - score[:, None, :]
    vote_KPP = np.where(np.isnan(gap_KPP) | (np.abs(gap_KPP) <= _TIE), 0.0, np.sign(gap_KPP))
    return np.asarray(np.tensordot(weight, vote_KPP, axes=1))


def maximal_lottery(margin_PP: ArrayLike) -> NDArray[np.float64]:
    """The lottery over players that no other one beats in expectation (Fishburn 1984).

    Of the largest entropy.
    """
    return nash_averaging(margin_PP)[0]


def schulze(margin_PP: ArrayLike) -> list[list[int]]:
    """Schulze's ranking (2011) by margins: tiers of players, best first, ties together."""
    margin = as_matrix(margin_PP)
    strength = np.where(margin > 0, margin, 0.0)
    for via in range(len(margin)):
        np.maximum(strength, np.minimum(strength[:, via, None], strength[None, via, :]), out=strength)
    beats = strength > strength.T
    left = set(range(len(margin)))
    tiers = []
    while left:
        top = sorted(i for i in left if not any(beats[j, i] for j in left))
        tiers.append(top)
        left -= set(top)
    return tiers


def copeland(margin_PP: ArrayLike) -> NDArray[np.float64]:
    """Copeland's scores: duels won less duels lost."""
    return np.asarray(np.sign(as_matrix(margin_PP)).sum(axis=1))
