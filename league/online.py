"""Ratings for matchmaking: Weng and Lin's full-pair Bradley-Terry model, updated match by match.

What is published is the joint fit of `rating`; this is for choosing opponents while a league goes on. Never
the library's PlackettLuce: where sides tie it ranks a third place above a tied second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from openskill.models import BradleyTerryFull, BradleyTerryFullRating

from league.block import BlockResult, MatchResult, counted


class OnlineRatings:
    """Everybody's rating after the blocks so far; depends on the order in which they are taken."""

    def __init__(self) -> None:
        self._model = BradleyTerryFull()
        self._rating: defaultdict[str, BradleyTerryFullRating] = defaultdict(self._model.rating)

    def take(self, blocks: Iterable[BlockResult]) -> None:
        """Rate by whole blocks, in the order of their plans."""
        for block in counted(blocks):
            for match in block.matches:
                self._rate(match, block.plan.teams)

    def figures(self) -> dict[str, dict[str, float]]:
        """Mean, deviation and `ordinal`, which is the mean less three deviations."""
        return {
            player: {"mu": own.mu, "sigma": own.sigma, "ordinal": own.ordinal()}
            for player, own in sorted(self._rating.items())
        }

    def chance(self, player: str, other: str) -> float:
        """The chance that a player beats another one; 1/2 where neither was rated."""
        known = [self._rating.get(name) or self._model.rating() for name in (player, other)]
        return float(self._model.predict_win([[rating] for rating in known])[0])

    def _rate(self, match: MatchResult, teams: Mapping[str, str]) -> None:
        met = sides(match, teams)
        if len(met) < 2:
            return
        after = self._model.rate(
            [[self._rating[player] for player in players] for players, _ in met],
            ranks=[rank for _, rank in met],
        )
        for (players, _), group in zip(met, after, strict=True):
            self._rating.update(zip(players, group, strict=True))


def sides(match: MatchResult, teams: Mapping[str, str]) -> list[tuple[tuple[str, ...], float]]:
    """The sides of a match with the mean rank of their seats: players that share a team are one side.

    A player that holds seats of several teams is a side of its own.
    """
    team_of: dict[str, set[str]] = defaultdict(set)
    for seat in match.seats:
        team_of[seat.player].add(teams.get(seat.seat, seat.seat))
    members: dict[str, list[str]] = defaultdict(list)
    for player, held in team_of.items():
        members[min(held) if len(held) == 1 else f"\0{player}"].append(player)
    found = []
    for players in members.values():
        ranks = [seat.rank for seat in match.seats if seat.player in players]
        found.append((tuple(sorted(players)), sum(ranks) / len(ranks)))
    return sorted(found)
