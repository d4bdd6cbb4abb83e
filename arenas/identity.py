"""`identity`: say what you see. The smallest arena that tells a learner that works from one that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from pydantic import Field

from marl.arena import Arena, Options, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class IdentityOptions(Options):
    """What makes it harder."""

    symbols: int = Field(4, ge=2, le=64, description="how many symbols there are")
    steps: int = Field(10, ge=1, le=10_000, description="steps of a match")
    seats: int = Field(1, ge=1, le=64, description="seats that play side by side, each for itself")


class Identity(Arena):
    """Seats `reader_i` see a symbol each and are paid for repeating it.

    Observation: float32 (symbols,), one-hot. Action: Discrete(symbols). Reward: 1 where the action is the
    symbol, else 0. Ends: truncated after `steps` steps. Score: the return, in 0..steps.
    """

    Options = IdentityOptions
    options: IdentityOptions

    def declare(self) -> None:
        """Seats, spaces and length follow the options."""
        self.seats = tuple(f"reader_{i}" for i in range(self.options.seats))
        self.observation = spaces.Box(0, 1, (self.options.symbols,), np.float32)
        self.action = spaces.Discrete(self.options.symbols)
        self.max_steps = self.options.steps

    def setup(self, rng: np.random.Generator) -> None:
        """Draw the first symbols."""
        self._rng_match = rng
        self._draw()

    def observe(self, seat: str) -> NDArray[np.float32]:
        """The seat's symbol, one-hot."""
        one_hot = np.zeros(self.options.symbols, np.float32)
        one_hot[self._symbols[seat]] = 1
        return one_hot

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """Pay, and draw the next symbols."""
        reward = {seat: float(action == self._symbols[seat]) for seat, action in actions.items()}
        self._draw()
        return Step(reward=reward)

    def _draw(self) -> None:
        symbols = self._rng_match.integers(self.options.symbols, size=len(self.seats))
        self._symbols = dict(zip(self.seats, symbols.tolist(), strict=True))
