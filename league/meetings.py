"""Who met whom in a match, and what is counted of everybody over matches.

Light, so that ledgers open fast.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from league.block import BlockResult, MatchResult, SeatResult


@dataclass
class Tally:
    """What is counted of a player over the matches in which it met another.

    `score` is the sum of its means.
    """

    matches: int = 0
    blocks: int = 0
    games: int = 0
    points: float = 0.0
    score: float = 0.0


def meetings(match: MatchResult, teams: Mapping[str, str]) -> Iterator[tuple[str, str, float, float]]:
    """The pairs of players that met in a match, a before b by name.

    (a, b, what a won of b: 1, 0.5 or 0, difference of scores). Who shares a team with everybody has met
    nobody.
    """
    held: dict[str, list[SeatResult]] = defaultdict(list)
    for seat in match.seats:
        held[seat.player].append(seat)
    names = sorted(held)
    side = {name: {teams.get(seat.seat, seat.seat) for seat in held[name]} for name in names}
    rank = {name: sum(seat.rank for seat in held[name]) / len(held[name]) for name in names}
    score = {name: sum(seat.score or 0.0 for seat in held[name]) / len(held[name]) for name in names}
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            if len(side[a] | side[b]) > 1:
                won = 1.0 if rank[a] < rank[b] else 0.5 if rank[a] == rank[b] else 0.0
                yield a, b, won, score[a] - score[b]


def tally_of(blocks: Sequence[BlockResult]) -> dict[str, Tally]:
    """The tally of everybody that met somebody, over whole blocks."""
    found: dict[str, Tally] = defaultdict(Tally)
    for block in blocks:
        in_block: set[str] = set()
        for match in block.matches:
            in_match: set[str] = set()
            for a, b, won, _ in meetings(match, block.plan.teams):
                for name, points in ((a, won), (b, 1 - won)):
                    found[name].games += 1
                    found[name].points += points
                    in_match.add(name)
            for name in in_match:
                scores = [
                    seat.score for seat in match.seats if seat.player == name and seat.score is not None
                ]
                found[name].matches += 1
                found[name].score += sum(scores) / len(scores)
            in_block |= in_match
        for name in in_block:
            found[name].blocks += 1
    return found
