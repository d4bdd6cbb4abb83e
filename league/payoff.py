"""The payoff of every player against every other, as a fold over blocks.

Axes: P players, E entries (one a block and pair), B blocks, S resamples. In a match of any number of seats
each player is compared with each other one that is not on its team: by the mean rank of its seats (win, draw,
loss) and by the mean score of its seats (difference).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from league.block import BlockResult, counted
from league.bootstrap import block_weights, interval
from league.meetings import meetings

Measure = Literal["win", "difference"]
"""Win: W + D/2 of a pair; difference: of their mean scores."""
UNKNOWN = 0.5
"""The win rate of a pair that never met."""
ALPHASTAR_DECAY = 0.99
"""Vinyals et al. 2019: each result fades the pair's earlier ones to 0.99, a memory of about 100 matches."""


@dataclass(frozen=True)
class Payoff:
    """Counts of every pair, row against column; `difference_PP` is the mean difference of scores, else 0."""

    players: tuple[str, ...]
    games_PP: NDArray[np.float64]
    wins_PP: NDArray[np.float64]
    draws_PP: NDArray[np.float64]
    losses_PP: NDArray[np.float64]
    difference_PP: NDArray[np.float64]

    @property
    def win_rate_PP(self) -> NDArray[np.float64]:
        """(W + D/2) / G, row against column; `UNKNOWN` where G = 0."""
        points_PP = self.wins_PP + self.draws_PP / 2
        met_PP = self.games_PP > 0
        return np.where(met_PP, points_PP / np.where(met_PP, self.games_PP, 1.0), UNKNOWN)

    def win_rates(self, player: str, others: Sequence[str]) -> NDArray[np.float64]:
        """The win rates of a player against others; `UNKNOWN` also for those that are not in the table."""
        place = {name: i for i, name in enumerate(self.players)}
        rate_PP = self.win_rate_PP
        known = player in place
        return np.array(
            [rate_PP[place[player], place[o]] if known and o in place else UNKNOWN for o in others]
        )


@dataclass(frozen=True)
class HeadToHead:
    """A figure of every pair, row against column, with its interval; NaN where there are too few blocks."""

    players: tuple[str, ...]
    mean_PP: NDArray[np.float64]
    low_PP: NDArray[np.float64]
    high_PP: NDArray[np.float64]
    blocks_PP: NDArray[np.int64]


def payoff(blocks: Iterable[BlockResult], *, decay: float = 1.0) -> Payoff:
    """Fold blocks into counts, in the order of their plans; void blocks do not count.

    With `decay` below 1 each result first multiplies what its pair has (games, wins, draws, losses) by it.
    """
    ordered = counted(blocks)
    players = tuple(sorted({player for block in ordered for player in block.players}))
    place = {name: i for i, name in enumerate(players)}
    size = len(players)
    games_PP, wins_PP, draws_PP, sums_PP = (np.zeros((size, size)) for _ in range(4))
    for block in ordered:
        for match in block.matches:
            for a, b, won, difference in meetings(match, block.plan.teams):
                for i, j, points, sign in ((place[a], place[b], won, 1), (place[b], place[a], 1 - won, -1)):
                    for table_PP in (games_PP, wins_PP, draws_PP, sums_PP):
                        table_PP[i, j] *= decay
                    games_PP[i, j] += 1
                    wins_PP[i, j] += points == 1
                    draws_PP[i, j] += points == 0.5
                    sums_PP[i, j] += sign * difference
    return Payoff(
        players=players,
        games_PP=games_PP,
        wins_PP=wins_PP,
        draws_PP=draws_PP,
        losses_PP=wins_PP.T.copy(),
        difference_PP=np.divide(sums_PP, games_PP, out=np.zeros_like(sums_PP), where=games_PP > 0),
    )


def head_to_head(
    blocks: Iterable[BlockResult],
    rng: np.random.Generator,
    *,
    measure: Measure = "difference",
    resamples: int = 1000,
) -> HeadToHead:
    """The mean difference of scores, or the win rate, of every pair, with block bootstrap intervals.

    A block enters with the mean over its matches: it is the unit.
    """
    entries = list(_entries(counted(blocks), measure))
    players = tuple(sorted({name for _, a, b, _ in entries for name in (a, b)}))
    place = {name: i for i, name in enumerate(players)}
    pairs = sorted({(a, b) for _, a, b, _ in entries})
    column = {pair: i for i, pair in enumerate(pairs)}
    row_E = np.array([block for block, *_ in entries], np.int64)
    column_E = np.array([column[a, b] for _, a, b, _ in entries], np.int64)
    value_E = np.array([value for *_, value in entries])
    shape = (int(row_E.max()) + 1 if entries else 0, len(pairs))
    value_BC = csr_array((value_E, (row_E, column_E)), shape)
    seen_BC = csr_array((np.ones(len(entries)), (row_E, column_E)), shape)
    weight_SB = block_weights(rng, resamples, shape[0])
    draw_SC = (value_BC.T @ weight_SB.T).T / (seen_BC.T @ weight_SB.T).T
    size = len(players)
    mean_PP, low_PP, high_PP = (np.full((size, size), np.nan) for _ in range(3))
    blocks_PP = np.zeros((size, size), np.int64)
    whole = 1.0 if measure == "win" else 0.0
    for (a, b), c in column.items():
        i, j = place[a], place[b]
        count = int((column_E == c).sum())
        mean = float(value_E[column_E == c].mean())
        blocks_PP[i, j] = blocks_PP[j, i] = count
        mean_PP[i, j], mean_PP[j, i] = mean, whole - mean
        if (bounds := interval(draw_SC[:, c], count)) is not None:
            low_PP[i, j], high_PP[i, j] = bounds
            low_PP[j, i], high_PP[j, i] = whole - bounds[1], whole - bounds[0]
    return HeadToHead(players, mean_PP, low_PP, high_PP, blocks_PP)


def block_values(blocks: Iterable[BlockResult], player: str, other: str, measure: Measure) -> list[float]:
    """What a player got of another, a number for each block in which they met, in the order of the plans."""
    a, b = sorted((player, other))
    found = [value for _, i, j, value in _entries(counted(blocks), measure) if (i, j) == (a, b)]
    whole = 1.0 if measure == "win" else 0.0
    return found if player == a else [whole - value for value in found]


def _entries(blocks: Sequence[BlockResult], measure: Measure) -> Iterator[tuple[int, str, str, float]]:
    """For each block and pair that met in it: (block's place, a, b, mean over the matches)."""
    for place, block in enumerate(blocks):
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for match in block.matches:
            for a, b, won, difference in meetings(match, block.plan.teams):
                found[a, b].append(won if measure == "win" else difference)
        for (a, b), values in sorted(found.items()):
            yield place, a, b, sum(values) / len(values)
