"""Ladder, pyramid and king of the hill: challenges upwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from league.formats.meeting import Meeting, Round, best, every, played_blocks
from marl.settings import Settings


class Ladder(Settings):
    """Neighbours on a ladder meet, odd and even rungs in turn; who wins from below takes the other's rung."""

    kind: Literal["ladder"] = "ladder"
    rounds: int = Field(8, ge=1, description="rounds of challenges")
    blocks: int = Field(4, ge=1, description="blocks of each meeting")

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """Every other pair of neighbours."""
        if len(rounds) >= self.rounds:
            return ()
        rungs = [player for player in self.rungs(entrants, rounds) if player not in gone]
        start = len(rounds) % 2 if len(rungs) > 2 else 0
        label = f"round {len(rounds) + 1}"
        return tuple(
            Meeting((rungs[i], rungs[i + 1]), self.blocks, label) for i in range(start, len(rungs) - 1, 2)
        )

    @staticmethod
    def rungs(entrants: Sequence[str], rounds: Sequence[Round]) -> list[str]:
        """The ladder from the top; who enters begins at the bottom, in the order of entry."""
        rungs = list(entrants)
        for met in every(rounds):
            one, two = met.meeting.players
            upper, lower = sorted((rungs.index(one), rungs.index(two)))
            # a draw changes nothing
            if met.points[rungs[lower]] > met.points[rungs[upper]]:
                rungs[upper], rungs[lower] = rungs[lower], rungs[upper]
        return rungs


class Pyramid(Settings):
    """Every newcomer meets all who came before it.

    The i-th entrant meets i others, and results grow by rows.
    """

    kind: Literal["pyramid"] = "pyramid"
    blocks: int = Field(8, ge=1, description="blocks of each pair")

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """The next row."""
        done = played_blocks(rounds)
        here = [player for player in entrants if player not in gone]
        for i, newcomer in enumerate(here):
            row = [other for other in here[:i] if done.get(frozenset((newcomer, other)), 0) < self.blocks]
            if row:
                return tuple(
                    Meeting(
                        (newcomer, other), self.blocks - done.get(frozenset((newcomer, other)), 0), newcomer
                    )
                    for other in row
                )
        return ()


class Hill(Settings):
    """King of the hill: the king meets one challenger after the other; who beats it is king.

    The beaten go to the end of the line. It ends when one king has beaten all others in a row, or after
    `rounds` challenges.
    """

    kind: Literal["hill"] = "hill"
    rounds: int = Field(32, ge=1, description="challenges at the most")
    blocks: int = Field(8, ge=1, description="blocks of each meeting")

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """The next challenge."""
        king, line, streak = self.court(entrants, rounds)
        waiting = [player for player in line if player not in gone]
        if king in gone and waiting:
            king, waiting, streak = waiting[0], waiting[1:], 0
        if not waiting or streak >= len(waiting) or len(rounds) >= self.rounds:
            return ()
        return (Meeting((king, waiting[0]), self.blocks, f"challenge {len(rounds) + 1}"),)

    @staticmethod
    def court(entrants: Sequence[str], rounds: Sequence[Round]) -> tuple[str, list[str], int]:
        """King, line of challengers, and how many the king has beaten in a row."""
        king, line, streak = entrants[0], list(entrants[1:]), 0
        for met in every(rounds):
            one, two = met.meeting.players
            if king not in (one, two):
                # the one before left; its successor stood first in line
                line.remove(one)
                line.append(king)
                king, streak = one, 0
            challenger = two if king == one else one
            line.remove(challenger)
            # the throne is held by a draw
            if best(met, [king, challenger]) == king or met.points[challenger] <= met.points[king]:
                line.append(challenger)
                streak += 1
            else:
                line.append(king)
                king, streak = challenger, 1
        return king, line, streak
