"""A duel: the first entrant against the second, by batches of blocks, until a sequential test has decided."""

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

    def hypotheses(self) -> Hypotheses:
        """What is tested."""
        return Hypotheses(self.elo0, self.elo1, self.alpha, self.beta, self.model)

    def look(self, rounds: Sequence[Round]) -> Look:
        """What the test says so far, looking after every block."""
        test = SequentialTest(self.hypotheses())
        for met in every(rounds):
            test.take(met.values)
        return test.look

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """The next batch; none once it is decided."""
        played = sum(met.meeting.blocks for met in every(rounds))
        left = min(self.batch, self.most - played)
        if gone or len(entrants) < 2 or left <= 0 or self.look(rounds).status != "open":
            return ()
        return (Meeting((entrants[0], entrants[1]), left, f"blocks {played + 1} to {played + left}"),)
