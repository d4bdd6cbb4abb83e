"""Adaptive allocation.

Play the pair whose result says most about what is still open, until the order is known.

A Bradley-Terry fit of all points so far gives each difference of ratings its variance; a block more of a pair
lowers the variance of every difference by a known amount (Sherman and Morrison 1950). The pair that lowers
those of differences that still span zero most is played (after Rowland et al. 2019, "Multiagent evaluation
under incomplete information").

Axes: P players.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit, ndtri

from league.formats.meeting import Meeting, Round, every, played_blocks
from marl.settings import Settings

_PRIOR = 0.5
"""Drawn blocks that every pair is given: an unbeaten player's rating stays finite."""


class Adaptive(Settings):
    """Begin with every pair, then play where the intervals shrink most.

    Until ranks part or blocks are spent.
    """

    kind: Literal["adaptive"] = "adaptive"
    first: int = Field(2, ge=1, description="blocks of every pair to begin with")
    batch: int = Field(4, ge=1, description="meetings chosen at once")
    blocks: int = Field(2, ge=1, description="blocks of each meeting after the first")
    budget: int = Field(1000, ge=1, description="blocks in all")
    most: int | None = Field(None, ge=1, description="blocks of one pair at the most; none: as many as help")
    level: float = Field(0.95, gt=0.5, lt=1, description="level at which two players count as parted")

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """The pairs that say most, given everything so far."""
        here = [player for player in entrants if player not in gone]
        spent = sum(met.meeting.blocks for met in every(rounds) if not met.walkover)
        left = self.budget - spent
        met = {frozenset(entry.meeting.players) for entry in every(rounds)}
        fresh = [pair for pair in combinations(here, 2) if frozenset(pair) not in met]
        if fresh:
            return tuple(Meeting(pair, self.first, "first") for pair in fresh[: max(0, left // self.first)])
        if len(here) < 2 or left < self.blocks:
            return ()
        ratings, spread_PP = fit(here, rounds)
        played = played_blocks(rounds)
        room = {
            (i, j): math.inf
            if self.most is None
            else self.most - played.get(frozenset((here[i], here[j])), 0)
            for i, j in combinations(range(len(here)), 2)
        }
        chosen = []
        for _ in range(min(self.batch, left // self.blocks)):
            pair = self._next(ratings, spread_PP, [pair for pair in room if room[pair] >= self.blocks])
            if pair is None:
                break
            chosen.append(pair)
            room[pair] -= self.blocks
            spread_PP = _after(ratings, spread_PP, pair, self.blocks)
        label = f"round {len(rounds) + 1}"
        return tuple(Meeting((here[i], here[j]), self.blocks, label) for i, j in chosen)

    def _next(
        self, rating_P: NDArray[np.float64], spread_PP: NDArray[np.float64], pairs: Sequence[tuple[int, int]]
    ) -> tuple[int, int] | None:
        """The pair of those that may play whose block lowers the variance of open differences most.

        None where all ranks are parted, or nobody may play.
        """
        reach = float(ndtri(0.5 + self.level / 2))
        order = np.argsort(-rating_P, kind="stable")
        open_pairs = [
            (i, j)
            for i, j in zip(order[:-1].tolist(), order[1:].tolist(), strict=True)
            if abs(rating_P[i] - rating_P[j]) < reach * np.sqrt(_variance(spread_PP, i, j))
        ]
        if not open_pairs:
            return None
        best, gain = None, -1.0
        for i, j in pairs:
            worth = _information(rating_P, i, j, self.blocks)
            column_P = spread_PP[:, i] - spread_PP[:, j]
            lowered = sum(float(column_P[a] - column_P[b]) ** 2 for a, b in open_pairs)
            lowered *= worth / (1 + worth * _variance(spread_PP, i, j))
            if lowered > gain + 1e-12:
                best, gain = (i, j), lowered
        return best


def fit(here: Sequence[str], rounds: Sequence[Round]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratings in log-odds and their covariance, a block counting as one game: (P,), (P, P)."""
    place = {player: i for i, player in enumerate(here)}
    size = len(here)
    won_PP = np.full((size, size), _PRIOR / 2)
    for met in every(rounds):
        one, two = met.meeting.players
        if one in place and two in place and not met.walkover:
            won_PP[place[one], place[two]] += met.points[one] * met.meeting.blocks
            won_PP[place[two], place[one]] += met.points[two] * met.meeting.blocks
    np.fill_diagonal(won_PP, 0.0)
    games_PP = won_PP + won_PP.T
    rating_P = np.zeros(size)
    for _ in range(100):
        chance_PP = expit(rating_P[:, None] - rating_P[None, :])
        slope_P = (won_PP - games_PP * chance_PP).sum(axis=1)
        bend_PP = _laplacian(games_PP * chance_PP * (1 - chance_PP))
        step_P = np.linalg.solve(bend_PP + 1 / size, slope_P)
        rating_P = rating_P + step_P / max(1.0, float(np.abs(step_P).max()) / 2)
        if np.abs(step_P).max() < 1e-9:
            break
    return rating_P, np.asarray(np.linalg.inv(bend_PP + 1 / size) - 1 / size, np.float64)


def _laplacian(weight_PP: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.diag(weight_PP.sum(axis=1)) - weight_PP)


def _variance(spread_PP: NDArray[np.float64], i: int, j: int) -> float:
    return float(spread_PP[i, i] + spread_PP[j, j] - 2 * spread_PP[i, j])


def _information(rating_P: NDArray[np.float64], i: int, j: int, blocks: int) -> float:
    chance = float(expit(rating_P[i] - rating_P[j]))
    return blocks * chance * (1 - chance)


def _after(
    rating_P: NDArray[np.float64], spread_PP: NDArray[np.float64], pair: tuple[int, int], blocks: int
) -> NDArray[np.float64]:
    """The covariance after blocks of a pair, whatever they say."""
    i, j = pair
    worth = _information(rating_P, i, j, blocks)
    column_P = spread_PP[:, i] - spread_PP[:, j]
    return np.asarray(
        spread_PP - np.outer(column_P, column_P) * worth / (1 + worth * _variance(spread_PP, i, j))
    )
