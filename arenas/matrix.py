"""Classic games in a matrix: two seats choose at once, a table pays.

Their exact answers are what learners are tested on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from pydantic import Field

from marl.arena import Arena, Options, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class MatrixOptions(Options):
    """How long a match is."""

    steps: int = Field(1, ge=1, le=10_000, description="rounds of a match")


class MatrixGame(Arena):
    """Two seats of one role, told apart by what they see.

    Observation: float32 (2,): which seat one is, one-hot. Action: Discrete(choices). Reward: `payoff[own,
    other]` of the seat's table. Ends: truncated after `steps` rounds. Score: the mean reward of a round.
    """

    payoff: tuple[tuple[float, ...], ...] = ()
    """What the first seat gets, by (its choice, the other's choice)."""
    seeded = False
    symmetric = False
    """Both seats are paid by `payoff` from their own side; otherwise the second one gets the negative."""
    shared = False
    """Both seats get what `payoff` says for (first choice, second choice): one team."""

    Options = MatrixOptions
    options: MatrixOptions
    seats = ("player_0", "player_1")

    def declare(self) -> None:
        """Spaces follow the table."""
        self._table: NDArray[np.float64] = np.asarray(self.payoff, np.float64)
        self.observation = spaces.Box(0, 1, (2,), np.float32)
        self.action = spaces.Discrete(len(self.payoff))
        self.max_steps = self.options.steps
        if self.shared:
            self.teams = {"team": self.seats}

    def setup(self, rng: np.random.Generator) -> None:
        """Nothing is drawn."""
        del rng

    def observe(self, seat: str) -> NDArray[np.float32]:
        """Which seat one is."""
        return np.array([1, 0] if seat == "player_0" else [0, 1], np.float32)

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """Look the pair of choices up."""
        first, second = (int(actions[seat]) for seat in self.seats)
        paid = float(self._table[first, second])
        other = paid if self.shared else -paid
        if self.symmetric:
            other = float(self._table[second, first])
        return Step(reward={"player_0": paid, "player_1": other})

    def scores(self) -> Mapping[str, float]:
        """The mean reward of a round."""
        return {seat: total / self.max_steps for seat, total in self._returns.items()}


class MatchingPennies(MatrixGame):
    """The first seat wins where both choose alike. Equilibrium: (1/2, 1/2), value 0."""

    payoff = ((1, -1), (-1, 1))


class BiasedRPS(MatrixGame):
    """Rock, paper, scissors with unequal stakes, zero-sum. Equilibrium: (1/16, 10/16, 5/16), value 0.

    Source: the biased RPS of OpenSpiel's tests (`matrix_brps`), payoffs divided by 50 to lie in [-1, 1].
    """

    payoff = ((0, -0.5, 1), (0.5, 0, -0.1), (-1, 0.1, 0))


class Climbing(MatrixGame):
    """A team must trust to reach 11.

    Safe play ends at 7 or 5 (Claus and Boutilier 1998, the variant EPyMARL registers).
    """

    payoff = ((11, -30, 0), (-30, 7, 0), (0, 6, 5))
    shared = True


class PenaltyOptions(MatrixOptions):
    """How much miscoordination costs."""

    penalty: float = Field(-100.0, le=0, description="k: what both get for choosing opposite corners")


class Penalty(MatrixGame):
    """Two best corners that must be agreed upon, 10 each, and a safe middle of 2.

    Opposite corners cost `penalty`.
    """

    Options = PenaltyOptions
    options: PenaltyOptions
    shared = True

    def declare(self) -> None:
        """The table follows the option."""
        k = self.options.penalty
        self.payoff = ((k, 0, 10), (0, 2, 0), (10, 0, k))
        super().declare()


class PrisonersDilemma(MatrixGame):
    """Cooperate (0) or defect (1): defection dominates and pays both less, (1, 1) instead of (5, 5)."""

    payoff = ((5, 0), (10, 1))
    symmetric = True
