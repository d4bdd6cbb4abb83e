"""What formats speak of: who meets whom for how many blocks, how it ended, and the points so far.

A format is a pure function from entrants and the rounds so far to the next round. It knows players by id, in
the order of their seeding, and nothing of arenas, tasks or clocks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from league.block import BlockResult, counted
from league.meetings import meetings

if TYPE_CHECKING:
    from league.cooperation import Scenario


@dataclass(frozen=True)
class Meeting:
    """Players at one table, first seats first, for a number of blocks; `label` is for people: "round 2".

    One player named twice plays with itself; named once, it rests. In a `scenario` the first one is tested,
    and the others are whom its background is drawn from.
    """

    players: tuple[str, ...]
    blocks: int
    label: str = ""
    scenario: Scenario | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "players": list(self.players)}


@dataclass(frozen=True)
class Met:
    """How a meeting ended: each player's share of the points, 0 to 1, and its mean score.

    `values` is what the first player got, block by block, and `by_seed` its mean score. `walkover`: it was
    not played, since some of its players are gone; those that are not have won.
    """

    meeting: Meeting
    points: Mapping[str, float]
    scores: Mapping[str, float] = field(default_factory=dict)
    values: tuple[float, ...] = ()
    by_seed: Mapping[int, float] = field(default_factory=dict)
    walkover: bool = False


Round = tuple[Met, ...]


class Format(Protocol):
    """A tournament's form."""

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """The meetings that come next, which may be played at once; none at the end.

        `entrants` are all that ever entered, in the order of seeding; `gone` have left since.
        """
        ...


def conclude(meeting: Meeting, blocks: Iterable[BlockResult]) -> Met:
    """A meeting's end from its blocks; void ones do not count.

    In a match of n players one gets the share of the others that it beat, ties as halves. Where the arena has
    one team only, nobody beats anybody: all get half of the points, and scores tell.
    """
    points: dict[str, list[float]] = defaultdict(list)
    scores: dict[str, list[float]] = defaultdict(list)
    values, by_seed = [], {}
    first = meeting.players[0]
    for block in counted(blocks):
        start = len(points[first])
        for match in block.matches:
            won: dict[str, list[float]] = defaultdict(list)
            for a, b, points_a, _ in meetings(match, block.plan.teams):
                won[a].append(points_a)
                won[b].append(1 - points_a)
            for player in meeting.players:
                own = [seat.score for seat in match.seats if seat.player == player and seat.score is not None]
                if own:
                    scores[player].append(sum(own) / len(own))
                    points[player].append(_mean(won.get(player, [0.5])))
        values.append(_mean(points[first][start:]))
        by_seed[block.plan.seed] = _mean(scores[first][start:])
    return Met(
        meeting,
        {player: _mean(points[player] or [0.5]) for player in meeting.players},
        {player: _mean(own) for player, own in scores.items()},
        tuple(values),
        by_seed,
    )


def walkover(meeting: Meeting, gone: frozenset[str]) -> Met:
    """The end of a meeting that can't be played; half to each where nobody is left."""
    left = [player for player in meeting.players if player not in gone]
    points = {player: (1.0 if player in left else 0.0) if left else 0.5 for player in meeting.players}
    return Met(meeting, points, walkover=True)


def best(met: Met, seeding: Sequence[str]) -> str:
    """Who goes on: the most points, then the best score, then the better seed."""
    return ranked(met, seeding)[0]


def ranked(met: Met, seeding: Sequence[str]) -> list[str]:
    """The players of a meeting, best first, ties as in `best`."""
    place = {player: i for i, player in enumerate(seeding)}
    return sorted(
        met.meeting.players,
        key=lambda player: (-met.points[player], -met.scores.get(player, 0.0), place[player]),
    )


def every(rounds: Sequence[Round]) -> Iterator[Met]:
    """All meetings so far, in order."""
    for entries in rounds:
        yield from entries


def played_blocks(rounds: Sequence[Round]) -> dict[frozenset[str], int]:
    """How many blocks each set of players has had."""
    found: dict[frozenset[str], int] = defaultdict(int)
    for met in every(rounds):
        if not met.walkover:
            found[frozenset(met.meeting.players)] += met.meeting.blocks
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
