"""Tie-breaks after a Swiss tournament or a round robin of pairs (FIDE Handbook C.07, in our order)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from league.formats.meeting import Met, Round, every


@dataclass(frozen=True)
class Place:
    """A player's place: points, then what parts equal ones, in the order in which it is looked at.

    `direct`: points of the meetings among those with equal points; `buchholz_cut`: sum of the opponents'
    points without the least; `sonneborn`: of the opponents' points, each times what was got of it; `lot`:
    drawn.
    """

    player: str
    points: float
    direct: float
    buchholz_cut: float
    buchholz: float
    sonneborn: float
    wins: int
    lot: int

    @property
    def key(self) -> tuple[float, ...]:
        """Larger is better."""
        return (
            self.points,
            self.direct,
            self.buchholz_cut,
            self.buchholz,
            self.sonneborn,
            self.wins,
            self.lot,
        )


def places(entrants: Sequence[str], rounds: Sequence[Round], seed: int) -> list[Place]:
    """The final order, best first; `seed` draws the lots.

    A round without an opponent (a rest, a walkover) counts as one against a dummy of the player's own points.
    """
    points = dict.fromkeys(entrants, 0.0)
    games: dict[str, list[tuple[str | None, float]]] = defaultdict(list)
    for met in every(rounds):
        for player in met.meeting.players:
            points[player] += met.points[player]
            for other, share in _against(met, player):
                games[player].append((other, share))
    lots = dict(
        zip(sorted(entrants), np.random.default_rng(seed).permutation(len(entrants)).tolist(), strict=True)
    )
    found = [_place(player, points, games, lots[player]) for player in entrants]
    return sorted(found, key=lambda place: place.key, reverse=True)


def _against(met: Met, player: str) -> list[tuple[str | None, float]]:
    """Opponents with the share got of each; None for a dummy."""
    others = [other for other in met.meeting.players if other != player]
    if met.walkover or not others:
        return [(None, met.points[player])]
    return [(other, met.points[player]) for other in others]


def _place(
    player: str, points: dict[str, float], games: dict[str, list[tuple[str | None, float]]], lot: int
) -> Place:
    rivals = [(points[player] if other is None else points[other], share) for other, share in games[player]]
    level = {other for other, value in points.items() if abs(value - points[player]) < 1e-9}
    met_level = {other for other, _ in games[player] if other in level}
    complete = met_level >= level - {player}
    strength = [value for value, _ in rivals]
    return Place(
        player=player,
        points=points[player],
        # only where all of them met: who met fewer would lose by it
        direct=sum(share for other, share in games[player] if other in level) if complete else 0.0,
        buchholz_cut=sum(strength) - min(strength, default=0.0),
        buchholz=sum(strength),
        sonneborn=sum(value * share for value, share in rivals),
        wins=sum(other is not None and share > 0.5 for other, share in games[player]),
        lot=lot,
    )
