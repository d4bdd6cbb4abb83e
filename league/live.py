"""Standings of a ledger of any length at once: point estimates from totals, intervals from the last fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from league.bradley_terry import Fit
from league.comparisons import Comparisons, design_of
from league.rating import ELO, PSEUDO_WINS, Standings, StandingsRow, role_effects_of, rows_of, seat_effects_of
from league.totals import Totals
from marl.errors import LedgerError, UnknownNameError

if TYPE_CHECKING:
    from league.source import Source


def quick_standings(
    kept: Totals,
    *,
    anchors: Mapping[str, float] | None = None,
    last: Standings | None = None,
) -> Standings:
    """The table from totals.

    Point estimates as `rating.rate` finds them, intervals from the last fit, if any.

    A player that the last fit did not know has no interval; ranks follow from the intervals there are.
    """
    data = comparisons_of(kept)
    if not data.players:
        raise LedgerError(
            "standings", got=f"{kept.blocks} blocks", expected="a block in which two players met"
        )
    pins = {name: elo / ELO for name, elo in (anchors or {}).items()}
    for name in pins:
        if name not in data.players:
            raise UnknownNameError("standings: anchor", name, data.players)
    fit = Fit(data, pins, PSEUDO_WINS)
    theta_Q = fit.solve(np.ones((1, 1)), None)[0]
    rows = rows_of(data.players, ELO * theta_Q, np.zeros((0, len(theta_Q))), kept.players)
    return Standings(
        rows=_with_intervals(rows, last),
        anchors=dict(anchors or {}),
        seat_effects=seat_effects_of(data, ELO * theta_Q, kept.roles),
        role_effects=role_effects_of(data, ELO * theta_Q, kept.roles),
        linked=not fit.pairs,
        blocks=kept.blocks,
        void_blocks=kept.void_blocks,
        resamples=0 if last is None else last.resamples,
    )


def quick_of(run: Source, purpose: str) -> Standings:
    """Point estimates from the totals of a ledger of any length, intervals from the last fit."""
    kept = run.ledger.totals(run.name, purpose)
    here = {player for pair in kept.pairs for player in pair[:2]}
    return quick_standings(kept, anchors=run.anchors(here), last=run.ledger.last_fit(run.name, purpose))


def _with_intervals(rows: tuple[StandingsRow, ...], last: Standings | None) -> tuple[StandingsRow, ...]:
    """Rows with the reach that intervals had in the last fit, laid around the new ratings."""
    known = {} if last is None else {row.player: row for row in last.rows}
    reach = {
        player: (row.low - row.rating, row.high - row.rating)
        for player, row in known.items()
        if row.low is not None and row.high is not None
    }
    low = {row.player: row.rating + reach.get(row.player, (-math.inf, 0))[0] for row in rows}
    high = {row.player: row.rating + reach.get(row.player, (0, math.inf))[1] for row in rows}
    return tuple(
        replace(
            row,
            low=low[row.player] if row.player in reach else None,
            high=high[row.player] if row.player in reach else None,
            rank_low=1 + sum(low[other.player] > high[row.player] for other in rows),
            rank_high=len(rows) - sum(high[other.player] < low[row.player] for other in rows),
        )
        for row in rows
    )


def comparisons_of(kept: Totals) -> Comparisons:
    """Totals as the rating fit reads them, all blocks as one."""
    kinds = sorted({pair[:4] for pair in kept.pairs})
    place = {kind: i for i, kind in enumerate(kinds)}
    points_D, games_D = np.zeros(len(kinds)), np.zeros(len(kinds))
    for (*kind, size), (games, wins, draws) in sorted(kept.pairs.items()):
        i = place[tuple(kind)]  # type: ignore[index]  # four names
        games_D[i] += games * (2 / size)
        points_D[i] += (wins + draws / 2) * (2 / size)
    players = tuple(sorted({name for a, b, _, _ in kinds for name in (a, b)}))
    seats = tuple(sorted({name for _, _, s, t in kinds for name in (s, t)}))
    at = {name: i for i, name in enumerate(players)}
    seat_at = {name: len(players) + i for i, name in enumerate(seats)}
    return Comparisons(
        players=players,
        seats=seats,
        first_D=np.array([at[a] for a, _, _, _ in kinds], np.int64),
        second_D=np.array([at[b] for _, b, _, _ in kinds], np.int64),
        design_DQ=design_of(
            [(at[a], at[b], seat_at[s], seat_at[t]) for a, b, s, t in kinds], len(at) + len(seat_at)
        ),
        points_BD=csr_array(points_D[None]),
        games_BD=csr_array(games_D[None]),
    )
