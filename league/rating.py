"""Ratings from one joint fit of all matches, with intervals from the block bootstrap.

The model stands in `bradley_terry.py`; Elo is 400 / ln 10 times its log-odds. Scripted anchors can be pinned;
otherwise the mean is 0. Nothing depends on the order in which matches were finished.

Axes: P players, Q parameters (players, then seats), S resamples, B blocks.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from league.block import BlockResult, counted
from league.bootstrap import LEVEL, block_weights, interval
from league.bradley_terry import Fit
from league.comparisons import Comparisons, compare
from league.meetings import Tally, tally_of
from marl.errors import LedgerError, UnknownNameError

ELO = 400 / math.log(10)
"""Elo points in one unit of log-odds."""
PSEUDO_WINS = 0.5
"""Wins both ways that a pair gets where results alone leave a rating infinite: an unbeaten player, say."""
_CHUNK = 128
"""Resamples fitted at once: bounds the memory."""


@dataclass(frozen=True)
class StandingsRow:
    """A player's place; `low` and `high` bound its rating at 95 %, and are None below two blocks.

    `rank_low` to `rank_high` are the ranks that the intervals leave open. `win_rate` is (W + D/2) / G over
    all meetings with others, `mean_score` the mean over matches of the score of its seats.
    """

    player: str
    rating: float
    low: float | None
    high: float | None
    rank: int
    rank_low: int
    rank_high: int
    matches: int
    blocks: int
    win_rate: float
    mean_score: float


@dataclass(frozen=True)
class Standings:
    """The published table, best first. `seat_effects` in Elo, relative to the mean of the seats of a role.

    `role_effects`: relative to the mean of the roles; known where players change roles, near 0 where not.
    `linked`: wins connect all players; if not, pseudo-wins keep ratings finite and intervals show how open
    they are.
    """

    rows: tuple[StandingsRow, ...]
    anchors: Mapping[str, float]
    seat_effects: Mapping[str, float]
    linked: bool
    blocks: int
    void_blocks: int
    resamples: int
    level: float = LEVEL
    role_effects: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(**{**data, "rows": tuple(StandingsRow(**row) for row in data["rows"])})


def rate(
    blocks: Iterable[BlockResult],
    rng: np.random.Generator,
    *,
    anchors: Mapping[str, float] | None = None,
    resamples: int = 1000,
    pseudo_wins: float = PSEUDO_WINS,
) -> Standings:
    """Rate everybody who met somebody, from whole blocks of one arena; void blocks do not count.

    `anchors` pins players to Elo ratings. Raises LedgerError where nobody met, or for several arenas at once,
    and UnknownNameError for an anchor that did not play.
    """
    given = list(blocks)
    ordered = counted(given)
    arenas = sorted({block.plan.arena for block in ordered})
    if len(arenas) > 1:
        raise LedgerError("standings", got=f"blocks of {', '.join(arenas)}", expected="blocks of one arena")
    data = compare(ordered)
    if not data.players:
        raise LedgerError(
            "standings", got=f"{len(ordered)} blocks", expected="a block in which two players met"
        )
    pins = {name: elo / ELO for name, elo in (anchors or {}).items()}
    for name in pins:
        if name not in data.players:
            raise UnknownNameError("standings: anchor", name, data.players)
    fit = Fit(data, pins, pseudo_wins)
    theta_Q = fit.solve(np.ones((1, len(ordered))), None)[0]
    draws = [
        fit.solve(block_weights(rng, min(_CHUNK, resamples - start), len(ordered)), rng)
        for start in range(0, resamples, _CHUNK)
    ]
    draw_SQ = ELO * np.concatenate(draws) if draws else np.zeros((0, len(theta_Q)))
    roles = {seat: role for block in ordered for seat, role in block.plan.roles.items()}
    return Standings(
        rows=rows_of(data.players, ELO * theta_Q, draw_SQ, tally_of(ordered)),
        anchors=dict(anchors or {}),
        seat_effects=seat_effects_of(data, ELO * theta_Q, roles),
        role_effects=role_effects_of(data, ELO * theta_Q, roles),
        linked=not fit.pairs,
        blocks=len(ordered),
        void_blocks=len(given) - len(ordered),
        resamples=resamples,
    )


def rows_of(
    players: tuple[str, ...],
    theta_Q: NDArray[np.float64],
    draw_SQ: NDArray[np.float64],
    tally: Mapping[str, Tally],
) -> tuple[StandingsRow, ...]:
    """The rows of a table, best first, from parameters in Elo and their resamples."""
    bounds = {
        name: interval(draw_SQ[:, i], tally[name].blocks) if len(draw_SQ) else None
        for i, name in enumerate(players)
    }
    low = {name: -math.inf if found is None else found[0] for name, found in bounds.items()}
    high = {name: math.inf if found is None else found[1] for name, found in bounds.items()}
    rating = {name: float(theta_Q[i]) for i, name in enumerate(players)}
    rows = []
    for name in sorted(players, key=lambda name: (-rating[name], name)):
        own, found = tally[name], bounds[name]
        rows.append(
            StandingsRow(
                player=name,
                rating=rating[name],
                low=None if found is None else found[0],
                high=None if found is None else found[1],
                rank=1 + sum(rating[other] > rating[name] + 1e-6 for other in players),
                rank_low=1 + sum(low[other] > high[name] for other in players),
                rank_high=len(players) - sum(high[other] < low[name] for other in players),
                matches=own.matches,
                blocks=own.blocks,
                win_rate=own.points / own.games,
                mean_score=own.score / own.matches,
            )
        )
    return tuple(rows)


def seat_effects_of(
    data: Comparisons, theta_Q: NDArray[np.float64], roles: Mapping[str, str]
) -> dict[str, float]:
    """The effect of each seat in Elo, relative to the mean of its role."""
    mean = _role_means(data, theta_Q, roles)
    return {
        seat: float(theta_Q[len(data.players) + i]) - mean[roles[seat]] for i, seat in enumerate(data.seats)
    }


def role_effects_of(
    data: Comparisons, theta_Q: NDArray[np.float64], roles: Mapping[str, str]
) -> dict[str, float]:
    """The effect of each role in Elo, relative to the mean of all; nothing where there is one role only."""
    mean = _role_means(data, theta_Q, roles)
    middle = sum(mean.values()) / len(mean)
    return {role: value - middle for role, value in sorted(mean.items())} if len(mean) > 1 else {}


def _role_means(
    data: Comparisons, theta_Q: NDArray[np.float64], roles: Mapping[str, str]
) -> dict[str, float]:
    of_role: dict[str, list[float]] = defaultdict(list)
    for i, seat in enumerate(data.seats):
        of_role[roles[seat]].append(float(theta_Q[len(data.players) + i]))
    return {role: sum(values) / len(values) for role, values in of_role.items()}
