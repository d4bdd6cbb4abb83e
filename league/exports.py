"""Ratings in other systems' terms, from the same blocks.

Elo of n players, Glicko and Glicko-2, TrueSkill, and the online one.

The published table is `rating.rate`. These are for matchmaking and for people who know the others: each is a
fold over matches in the order of their plans, one match after the other, so that they depend on that order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from league.block import BlockResult, MatchResult, counted
from league.meetings import meetings
from league.online import OnlineRatings, sides
from league.trueskill import TRUESKILL_START, trueskill
from marl.errors import UnknownNameError

Figures = dict[str, dict[str, float]]
"""Player to the named figures of its rating."""

GLICKO_START = (1500.0, 350.0, 0.06)
"""Rating, deviation, volatility."""
_GLICKO = 173.7178
_Q = math.log(10) / 400
_TAU = 0.5


def exported(blocks: Iterable[BlockResult], system: str) -> Figures:
    """The ratings of everybody in a system: elo, glicko, glicko2, openskill or trueskill.

    Void blocks do not count.
    """
    if system not in SYSTEMS:
        raise UnknownNameError("rating system", system, SYSTEMS)
    return SYSTEMS[system](counted(blocks))


def openskill(blocks: Sequence[BlockResult]) -> Figures:
    """Weng and Lin's full-pair Bradley-Terry model, as matchmaking keeps it."""
    ratings = OnlineRatings()
    ratings.take(blocks)
    return ratings.figures()


def elo_of_match(
    ratings: Sequence[float], places: Sequence[float], k: float = 32, d: float = 400
) -> list[float]:
    """Elo of n players after one match (the multielo formula); places from 1, ties share their mean place."""
    n = len(ratings)
    pairs = n * (n - 1) / 2
    after = []
    for i, own in enumerate(ratings):
        expected = (
            sum(1 / (1 + 10 ** ((other - own) / d)) for j, other in enumerate(ratings) if j != i) / pairs
        )
        after.append(own + k * (n - 1) * ((n - places[i]) / pairs - expected))
    return after


def elo(blocks: Sequence[BlockResult]) -> Figures:
    """Online Elo of n players from 1500; a side moves by what its mean rating moves."""
    rating: dict[str, float] = defaultdict(lambda: 1500.0)
    for match, teams in _matches(blocks):
        met = sides(match, teams)
        if len(met) < 2:
            continue
        before = [sum(rating[p] for p in players) / len(players) for players, _ in met]
        after = elo_of_match(before, _places([rank for _, rank in met]))
        for (players, _), old, new in zip(met, before, after, strict=True):
            for player in players:
                rating[player] += new - old
    return {player: {"rating": value} for player, value in sorted(rating.items())}


def _places(ranks: Sequence[float]) -> list[float]:
    """Places from 1 with the mean place for ties, which keeps the sum of Elo."""
    return [
        1 + sum(other < rank for other in ranks) + (sum(other == rank for other in ranks) - 1) / 2
        for rank in ranks
    ]


def glicko_update(
    rating: tuple[float, float], results: Sequence[tuple[float, float, float]]
) -> tuple[float, float]:
    """One rating period of Glicko (Glickman 1999): (rating, deviation) after it.

    `results`: (opponent's rating, its deviation, points of 0 to 1).
    """
    inverse_d = total = 0.0
    for other, deviation, points in results:
        weight = 1 / math.sqrt(1 + 3 * (_Q * deviation / math.pi) ** 2)
        chance = 1 / (1 + 10 ** (-weight * (rating[0] - other) / 400))
        inverse_d += (_Q * weight) ** 2 * chance * (1 - chance)
        total += weight * (points - chance)
    variance = 1 / (1 / rating[1] ** 2 + inverse_d)
    return rating[0] + _Q * variance * total, math.sqrt(variance)


def glicko2_update(
    rating: tuple[float, float, float], results: Sequence[tuple[float, float, float]], tau: float = _TAU
) -> tuple[float, float, float]:
    """One rating period of Glicko-2 (Glickman 2013): (rating, deviation, volatility) after it.

    `results`: (opponent's rating, its deviation, points of 0 to 1).
    """
    mu, phi, sigma = (rating[0] - 1500) / _GLICKO, rating[1] / _GLICKO, rating[2]
    if not results:
        return rating[0], _GLICKO * math.hypot(phi, sigma), sigma
    inverse_v = total = 0.0
    for other, deviation, points in results:
        weight = 1 / math.sqrt(1 + 3 * (deviation / _GLICKO / math.pi) ** 2)
        chance = 1 / (1 + math.exp(-weight * (mu - (other - 1500) / _GLICKO)))
        inverse_v += weight**2 * chance * (1 - chance)
        total += weight * (points - chance)
    v = 1 / inverse_v
    sigma = _volatility(phi, sigma, v, v * total, tau)
    phi = 1 / math.sqrt(1 / (phi**2 + sigma**2) + 1 / v)
    return 1500 + _GLICKO * (mu + phi**2 * total), _GLICKO * phi, sigma


def _volatility(phi: float, sigma: float, v: float, delta: float, tau: float) -> float:
    """Step 5 of Glickman's paper: the Illinois algorithm."""
    a = math.log(sigma**2)

    def f(x: float) -> float:
        grown = phi**2 + v + math.exp(x)
        return math.exp(x) * (delta**2 - grown) / (2 * grown**2) - (x - a) / tau**2

    low = a
    if delta**2 > phi**2 + v:
        high = math.log(delta**2 - phi**2 - v)
    else:
        steps = 1
        while f(a - steps * tau) < 0:
            steps += 1
        high = a - steps * tau
    f_low, f_high = f(low), f(high)
    while abs(high - low) > 1e-12:
        middle = low + (low - high) * f_low / (f_high - f_low)
        f_middle = f(middle)
        if f_middle * f_high <= 0:
            low, f_low = high, f_high
        else:
            f_low /= 2
        high, f_high = middle, f_middle
    return math.exp(low / 2)


def glicko(blocks: Sequence[BlockResult]) -> Figures:
    """Glicko with each block as a rating period; everybody who met counts as a game each."""
    rating: dict[str, tuple[float, float]] = {}
    for block in blocks:
        results = _games(block, rating)
        start = GLICKO_START[:2]
        rating |= {p: glicko_update(rating.get(p, start), games) for p, games in results.items()}
    return {player: {"rating": r, "deviation": d} for player, (r, d) in sorted(rating.items())}


def _games(
    block: BlockResult, rating: Mapping[str, tuple[float, ...]]
) -> dict[str, list[tuple[float, float, float]]]:
    """What everybody got of whom in a block, with ratings from before it."""
    results: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for match in block.matches:
        for a, b, points, _ in meetings(match, block.plan.teams):
            for one, two, share in ((a, b, points), (b, a, 1 - points)):
                known = rating.get(two, GLICKO_START)
                results[one].append((known[0], known[1], share))
    return results


def glicko2(blocks: Sequence[BlockResult]) -> Figures:
    """Glicko-2 with each block as a rating period; everybody who met counts as a game each."""
    rating: dict[str, tuple[float, float, float]] = {}
    for block in blocks:
        results = _games(block, rating)
        rating |= {p: glicko2_update(rating.get(p, GLICKO_START), games) for p, games in results.items()}
    return {
        player: {"rating": value[0], "deviation": value[1], "volatility": value[2]}
        for player, value in sorted(rating.items())
    }


def trueskill_of(blocks: Sequence[BlockResult]) -> Figures:
    """TrueSkill with its published defaults; `exposed` is mu - 3 sigma."""
    rating: dict[str, tuple[float, float]] = {}
    for match, teams in _matches(blocks):
        met = sides(match, teams)
        if len(met) < 2:
            continue
        known = {p: rating.get(p, TRUESKILL_START) for players, _ in met for p in players}
        rating.update(trueskill(known, [players for players, _ in met], [rank for _, rank in met]))
    return {
        player: {"mu": mu, "sigma": sigma, "exposed": mu - 3 * sigma}
        for player, (mu, sigma) in sorted(rating.items())
    }


def _matches(blocks: Sequence[BlockResult]) -> Iterable[tuple[MatchResult, Mapping[str, str]]]:
    return ((match, block.plan.teams) for block in blocks for match in block.matches)


SYSTEMS: Mapping[str, Callable[[Sequence[BlockResult]], Figures]] = {
    "elo": elo,
    "glicko": glicko,
    "glicko2": glicko2,
    "openskill": openskill,
    "trueskill": trueskill_of,
}
"""Name to fold."""
