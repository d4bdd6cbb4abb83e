"""TrueSkill (Herbrich, Minka and Graepel 2006): one match of teams with ranks and ties, by message passing.

Only the chain of differences between neighbouring teams needs iteration; the rest of the factor graph is
summed in closed form. A Gaussian message is (precision, precision times mean).

Axes: P players, D differences of neighbouring teams.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

TRUESKILL_START = (25.0, 25 / 3)
"""Mean and deviation of a newcomer."""
BETA = 25 / 6
"""Deviation of a performance around its skill."""
TAU = 25 / 300
"""By how much skills drift from match to match; 0 freezes ratings in the end."""
DRAW = 0.10
"""The chance of a draw between equals."""

_Message = tuple[float, float]
_NOTHING: _Message = (0.0, 0.0)


def trueskill(
    rating: Mapping[str, tuple[float, float]],
    teams: Sequence[Sequence[str]],
    ranks: Sequence[float],
    *,
    beta: float = BETA,
    tau: float = TAU,
    draw: float = DRAW,
) -> dict[str, tuple[float, float]]:
    """The (mean, deviation) of every player after a match; lower ranks are better, equal ones a draw."""
    order = sorted(range(len(teams)), key=lambda k: ranks[k])
    ordered = [teams[k] for k in order]
    variance = {player: sigma**2 + tau**2 for player, (_, sigma) in rating.items()}
    prior = [
        _message(sum(rating[p][0] for p in team), sum(variance[p] + beta**2 for p in team))
        for team in ordered
    ]
    margins = [
        float(ndtri((draw + 1) / 2)) * math.sqrt(len(a) + len(b)) * beta
        for a, b in itertools.pairwise(ordered)
    ]
    tied = [ranks[order[k]] == ranks[order[k + 1]] for k in range(len(order) - 1)]
    to_left, to_right = _converge(prior, margins, tied)
    after = {}
    for k, team in enumerate(ordered):
        said = _times(to_left[k] if k < len(margins) else _NOTHING, to_right[k - 1] if k else _NOTHING)
        if said[0] <= 0:
            after.update({player: (rating[player][0], math.sqrt(variance[player])) for player in team})
            continue
        mean, spread = said[1] / said[0], 1 / said[0]
        for player in team:
            others = [p for p in team if p != player]
            rest = spread + sum(variance[p] for p in others) + len(team) * beta**2
            own = _times(
                _message(rating[player][0], variance[player]),
                _message(mean - sum(rating[p][0] for p in others), rest),
            )
            after[player] = (own[1] / own[0], math.sqrt(1 / own[0]))
    return after


def quality(
    rating: Mapping[str, tuple[float, float]], teams: Sequence[Sequence[str]], *, beta: float = BETA
) -> float:
    """How even a match will be: the chance of a draw relative to that of a match of sure equals."""
    players = [player for team in teams for player in team]
    mean_P, sigma_P = np.array([rating[player] for player in players]).T
    side_P = np.repeat(np.arange(len(teams)), [len(team) for team in teams])
    pair_DP = np.array([(side_P == k) - 1.0 * (side_P == k + 1) for k in range(len(teams) - 1)])
    luck_DD = beta**2 * pair_DP @ pair_DP.T
    whole_DD = luck_DD + pair_DP @ np.diag(sigma_P**2) @ pair_DP.T
    gap_D = pair_DP @ mean_P
    even = math.exp(-float(gap_D @ np.linalg.solve(whole_DD, gap_D)) / 2)
    return even * math.sqrt(float(np.linalg.det(luck_DD) / np.linalg.det(whole_DD)))


def _converge(
    prior: Sequence[_Message], margins: Sequence[float], tied: Sequence[bool]
) -> tuple[list[_Message], list[_Message]]:
    """What each difference says of its left and its right team, passed to and fro until nothing moves."""
    count = len(margins)
    to_left, to_right = [_NOTHING] * count, [_NOTHING] * count
    for _ in range(200):
        moved = 0.0
        for k in [*range(count), *range(count - 2, -1, -1)]:
            left = _times(prior[k], to_right[k - 1] if k else _NOTHING)
            right = _times(prior[k + 1], to_left[k + 1] if k + 1 < count else _NOTHING)
            mean, spread = left[1] / left[0] - right[1] / right[0], 1 / left[0] + 1 / right[0]
            said = _cut(mean, spread, margins[k], tied=tied[k])
            one = _shifted(said, right[1] / right[0], 1 / right[0], sign=1)
            two = _shifted(said, left[1] / left[0], 1 / left[0], sign=-1)
            moved = max(moved, abs(one[1] - to_left[k][1]), abs(one[0] - to_left[k][0]))
            to_left[k], to_right[k] = one, two
        if moved < 1e-10 or count == 1:
            break
    return to_left, to_right


def _shifted(said: _Message, mean: float, spread: float, *, sign: int) -> _Message:
    """A message about a difference as one about a team, given the other team's mean and variance."""
    if said[0] <= 0:
        return _NOTHING
    return _message(mean + sign * said[1] / said[0], 1 / said[0] + spread)


def _cut(mean: float, spread: float, margin: float, *, tied: bool) -> _Message:
    """What "the difference lies above the margin" (or within it) says: the cut Gaussian over the uncut."""
    deviation = math.sqrt(spread)
    t, e = mean / deviation, margin / deviation
    if tied:
        chance = max(float(ndtr(e - t) - ndtr(-e - t)), 1e-300)
        v = (_density(-e - t) - _density(e - t)) / chance
        w = v**2 + ((e - t) * _density(e - t) - (-e - t) * _density(-e - t)) / chance
    else:
        v = math.exp(-((t - e) ** 2) / 2 - _LOG_ROOT - float(log_ndtr(t - e)))
        w = v * (v + t - e)
    after = _message(mean + deviation * v, spread * max(1 - w, 1e-12))
    before = _message(mean, spread)
    return after[0] - before[0], after[1] - before[1]


_LOG_ROOT = math.log(2 * math.pi) / 2


def _density(x: float) -> float:
    return math.exp(-(x**2) / 2 - _LOG_ROOT)


def _message(mean: float, variance: float) -> _Message:
    return 1 / variance, mean / variance


def _times(one: _Message, two: _Message) -> _Message:
    return one[0] + two[0], one[1] + two[1]
