"""A duel: the first entrant against the second, by batches of blocks, until a sequential test has decided.

Where all seats are one side nobody meets: each plays alone on the same seeds, and has the point of a seed if
its score is the higher one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from league.formats.meeting import Meeting, Round, every
from league.sequential import Hypotheses, Look, Model, SequentialTest
from marl.settings import Settings


class Duel(Settings):
    """Is the first entrant better than the second? H0: by `elo0`, against H1: by `elo1`."""

    kind: Literal["duel"] = "duel"
    elo0: float = Field(0.0, description="Elo by which it is better under H0")
    elo1: float = Field(20.0, description="Elo by which it is better under H1")
    alpha: float = Field(0.05, gt=0, lt=1, description="chance of saying better where H0 holds")
    beta: float = Field(0.05, gt=0, lt=1, description="chance of saying not better where H1 holds")
    model: Model = Field("logistic", description="logistic or normalised Elo")
    batch: int = Field(
        8, ge=1, description="blocks that are played at once; those after the decision do not count"
    )
    most: int = Field(5000, ge=1, description="blocks after which it stays open")
    alone: bool = Field(default=False, description="by scores on the same seeds: so where all are one side")

    def hypotheses(self) -> Hypotheses:
        """What is tested."""
        return Hypotheses(self.elo0, self.elo1, self.alpha, self.beta, self.model)

    def look(self, rounds: Sequence[Round]) -> Look:
        """What the test says so far, looking after every block."""
        return SequentialTest(self.hypotheses(), 1 if self.alone else 2).take(self.values(rounds))

    def values(self, rounds: Sequence[Round]) -> list[float]:
        """What the first entrant got of each block, in their order; alone: of each seed that both played."""
        if not self.alone:
            return [value for met in every(rounds) for value in met.values]
        paired = [
            (met.by_seed[seed], other.by_seed[seed])
            for met, other in rounds
            for seed in met.by_seed
            if seed in other.by_seed
        ]
        return [0.5 + ((one > two) - (one < two)) / 2 for one, two in paired]

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """The next batch; none once it is decided."""
        played = sum(met[0].meeting.blocks for met in rounds)
        left = min(self.batch, self.most - played)
        if gone or len(entrants) < 2 or left <= 0 or self.look(rounds).status != "open":
            return ()
        one, two = entrants[:2]
        tables = ((one, one), (two, two)) if self.alone else ((one, two),)
        return tuple(Meeting(table, left, f"blocks {played + 1} to {played + left}") for table in tables)
