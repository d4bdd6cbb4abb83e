"""Matches as paired comparisons: what the joint rating fit and its resamples read.

Axes: B blocks, D distinct comparisons (two players in two seats), Q parameters (players, then seats), S
resamples. A match of N seats is compared seat by seat; each of its pairs weighs 2/N, so that the match counts
as N - 1. A draw is half a point to both. Seats of one player, or of one team, are not compared.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from league.block import BlockResult, MatchResult


@dataclass(frozen=True)
class Comparisons:
    """The comparisons of B blocks; `points_BD` is what the first player got of `games_BD`.

    `design_DQ` has +1 for the first player and its seat, -1 for the second: its product with the parameters
    is the log-odds of the first.
    """

    players: tuple[str, ...]
    seats: tuple[str, ...]
    first_D: NDArray[np.int64]
    second_D: NDArray[np.int64]
    design_DQ: csr_array
    points_BD: csr_array
    games_BD: csr_array

    @property
    def wins_PP(self) -> NDArray[np.float64]:
        """Points of each player against each other one."""
        size = len(self.players)
        points_D, games_D = np.asarray(self.points_BD.sum(axis=0)), np.asarray(self.games_BD.sum(axis=0))
        wins_PP = np.zeros((size, size))
        np.add.at(wins_PP, (self.first_D, self.second_D), points_D)
        np.add.at(wins_PP, (self.second_D, self.first_D), games_D - points_D)
        return wins_PP


def compare(blocks: Sequence[BlockResult]) -> Comparisons:
    """Take blocks apart into comparisons; players that met nobody are left out."""
    number: dict[tuple[str, str, str, str], int] = {}
    place_E, kind_E, points_E, weight_E = [], [], [], []
    for place, block in enumerate(blocks):
        teams = block.plan.teams
        for match in block.matches:
            for kind, points, weight in _pairs(match, teams):
                place_E.append(place)
                kind_E.append(number.setdefault(kind, len(number)))
                points_E.append(points)
                weight_E.append(weight)
    kinds = sorted(number)
    players = tuple(sorted({name for a, b, _, _ in kinds for name in (a, b)}))
    seats = tuple(sorted({name for _, _, s, t in kinds for name in (s, t)}))
    at = {name: i for i, name in enumerate(players)}
    seat_at = {name: len(players) + i for i, name in enumerate(seats)}
    column_of = np.empty(len(kinds), np.int64)
    column_of[[number[kind] for kind in kinds]] = np.arange(len(kinds))
    where = (np.array(place_E, np.int64), column_of[np.array(kind_E, np.int64)])
    shape = (len(blocks), len(kinds))
    return Comparisons(
        players=players,
        seats=seats,
        first_D=np.array([at[a] for a, _, _, _ in kinds], np.int64),
        second_D=np.array([at[b] for _, b, _, _ in kinds], np.int64),
        design_DQ=design_of(
            [(at[a], at[b], seat_at[s], seat_at[t]) for a, b, s, t in kinds], len(at) + len(seat_at)
        ),
        points_BD=csr_array((np.array(points_E), where), shape),
        games_BD=csr_array((np.array(weight_E), where), shape),
    )


def pseudo_pairs(wins_PP: NDArray[np.float64], pinned: Sequence[int]) -> list[tuple[int, int]]:
    """The pairs that need pseudo-wins for all ratings to be finite; none where wins link everybody.

    Players are linked if wins lead from each to each other; pinned ones are linked by decree. Where they are
    not, every pair that met is listed; where there are players who never met even by way of others, simply
    every pair.
    """
    link_PP = wins_PP.copy()
    for i, j in itertools.pairwise(pinned):
        link_PP[i, j] = link_PP[j, i] = 1.0
    if connected_components(csr_array(link_PP), connection="strong")[0] <= 1:
        return []
    apart = connected_components(csr_array(link_PP), connection="weak")[0] > 1
    met_PP = (wins_PP + wins_PP.T) > 0
    size = len(wins_PP)
    return [(i, j) for i in range(size) for j in range(i + 1, size) if apart or met_PP[i, j]]


def with_pairs(design_DQ: csr_array, pairs: Sequence[tuple[int, int]]) -> csr_array:
    """The design with a row for each pair of players added, without seats."""
    rows = np.repeat(np.arange(len(pairs)), 2)
    signs = np.tile([1.0, -1.0], len(pairs))
    extra = csr_array((signs, (rows, np.array(pairs, np.int64).ravel())), (len(pairs), design_DQ.shape[1]))
    joined = coo_array(design_DQ), coo_array(extra)
    shape = (design_DQ.shape[0] + len(pairs), design_DQ.shape[1])
    row = np.concatenate([joined[0].row, joined[1].row + design_DQ.shape[0]])
    column = np.concatenate([joined[0].col, joined[1].col])
    return csr_array((np.concatenate([joined[0].data, joined[1].data]), (row, column)), shape)


def _pairs(
    match: MatchResult, teams: Mapping[str, str]
) -> Iterator[tuple[tuple[str, str, str, str], float, float]]:
    """Pairs of seats: ((a, b, seat of a, seat of b), points of a, weight), a before b by name."""
    weight = 2 / len(match.seats)
    for i, one in enumerate(match.seats):
        for two in match.seats[i + 1 :]:
            if one.player == two.player:
                continue
            if teams and teams.get(one.seat, one.seat) == teams.get(two.seat, two.seat):
                continue
            a, b = (one, two) if one.player < two.player else (two, one)
            won = 1.0 if a.rank < b.rank else 0.5 if a.rank == b.rank else 0.0
            yield (a.player, b.player, a.seat, b.seat), weight * won, weight


def design_of(kinds: Sequence[tuple[int, int, int, int]], width: int) -> csr_array:
    """The design of comparisons: +1 for the first player and its seat, -1 for the second."""
    rows = np.repeat(np.arange(len(kinds)), 4)
    signs = np.tile([1.0, -1.0, 1.0, -1.0], len(kinds))
    return csr_array((signs, (rows, np.array(kinds, np.int64).ravel())), (len(kinds), width))
