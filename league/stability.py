"""What would change the ranking: leave a player out and fit again.

How many blocks more would part two neighbours.

A table in which two of tens of thousands of results decide the first place should say so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from league.block import BlockResult, counted
from league.bradley_terry import Fit
from league.comparisons import Comparisons, compare
from league.rating import ELO, PSEUDO_WINS, Standings

_EVEN = 1e-6
"""Elo below which two ratings are the same."""
_NEVER = 10**9
"""Blocks that nobody plays."""


@dataclass(frozen=True)
class LeftOut:
    """The table without one player.

    The largest shift of a rating (Elo), and pairs that change their order.
    """

    player: str
    shift: float
    moved: str
    swaps: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Contest:
    """Two neighbours of the table whose intervals overlap.

    `blocks` more of each would part them, if all stays.
    """

    upper: str
    lower: str
    gap: float
    blocks: int


def leave_one_out(
    blocks: Iterable[BlockResult], anchors: Mapping[str, float] | None = None
) -> tuple[LeftOut, ...]:
    """Fit again without each player that is not an anchor.

    Ratings are compared relative to those who stay.
    """
    data = compare(counted(blocks))
    pins = {name: elo / ELO for name, elo in (anchors or {}).items()}
    whole = _ratings(data, pins)
    found = []
    for out in data.players:
        if out in pins or len(data.players) < 3:
            continue
        rest = without(data, out)
        if not rest.players:
            continue
        fresh = _ratings(rest, pins)
        # without anchors both tables float: they are laid over each other by their means
        offset = 0.0 if pins else float(np.mean([whole[p] - fresh[p] for p in rest.players]))
        shift = {p: fresh[p] + offset - whole[p] for p in rest.players}
        moved = max(shift.items(), key=lambda entry: abs(entry[1]))[0]
        order = sorted(rest.players, key=lambda p: -whole[p])
        swaps = tuple(
            (a, b) for i, a in enumerate(order) for b in order[i + 1 :] if fresh[b] > fresh[a] + 1e-9
        )
        found.append(LeftOut(out, ELO * float(shift[moved]), moved, swaps))
    return tuple(found)


def without(data: Comparisons, player: str) -> Comparisons:
    """The comparisons that a player had no part in."""
    at = data.players.index(player)
    keep_D = np.flatnonzero((data.first_D != at) & (data.second_D != at))
    left = sorted({int(i) for i in np.r_[data.first_D[keep_D], data.second_D[keep_D]]})
    new = {old: i for i, old in enumerate(left)}
    columns = [*left, *range(len(data.players), len(data.players) + len(data.seats))]
    return replace(
        data,
        players=tuple(data.players[i] for i in left),
        first_D=np.array([new[int(i)] for i in data.first_D[keep_D]], np.int64),
        second_D=np.array([new[int(i)] for i in data.second_D[keep_D]], np.int64),
        design_DQ=data.design_DQ[keep_D][:, columns],
        points_BD=data.points_BD[:, keep_D],
        games_BD=data.games_BD[:, keep_D],
    )


def contests(standings: Standings) -> tuple[Contest, ...]:
    """Neighbours whose intervals overlap, closest first, and the blocks that would part them.

    Intervals narrow with the root of the blocks: both halves together have to fit into the gap.
    """
    found = []
    for upper, lower in zip(standings.rows[:-1], standings.rows[1:], strict=True):
        if upper.low is None or lower.high is None or upper.low > lower.high:
            continue
        gap = max(upper.rating - lower.rating, _EVEN)
        reach = (upper.rating - upper.low) + (lower.high - lower.rating)
        have = min(upper.blocks, lower.blocks)
        # who is level has no gap that more of the same could part, however narrow the intervals are
        needed = math.ceil(have * ((reach / gap) ** 2 - 1)) if gap > _EVEN else _NEVER
        found.append(Contest(upper.player, lower.player, gap, max(1, min(needed, _NEVER))))
    return tuple(sorted(found, key=lambda contest: contest.gap))


def _ratings(data: Comparisons, pins: Mapping[str, float]) -> dict[str, float]:
    known = {name: value for name, value in pins.items() if name in data.players}
    theta_Q = Fit(data, known, PSEUDO_WINS).solve(np.ones((1, data.points_BD.shape[0])), None)[0]
    return {player: float(theta_Q[i]) for i, player in enumerate(data.players)}
