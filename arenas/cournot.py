"""Cournot competition: firms choose quantities, one price pays all; the equilibrium is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from pydantic import Field, model_validator

from marl.arena import Arena, Step
from marl.arena import Options as ArenaOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class CournotOptions(ArenaOptions):
    """Quantities in units, money in units of money."""

    firms: int = Field(3, ge=1, le=16, description="Firms (capacity).")
    demand: float = Field(100.0, gt=0, description="Price at which nobody buys: price = demand - quantity.")
    cost: float = Field(10.0, ge=0, description="Cost of a unit.")
    rounds: int = Field(8, ge=1, le=1000, description="Rounds of a match.")

    @model_validator(mode="after")
    def _worthwhile(self) -> CournotOptions:
        if self.cost >= self.demand:
            raise ValueError("cost must be below demand")
        return self


class Cournot(Arena):
    """Firms that set quantities (Cournot 1838): price = max(demand - sum of quantities, 0).

    Observation: float32 (3,): the firm's last quantity, the others' last mean, the last price, in parts of
    `demand`; zeros at the start. Action: Box(-1, 1, (1,)): quantity = (action + 1) / 2 x (demand - cost).
    Reward: profit over a monopoly's, (demand - cost)^2 / 4. Ends: truncated after `rounds`. Score: the mean
    profit of a round. Equilibrium: quantity (demand - cost) / (firms + 1) each.
    """

    Options = CournotOptions
    options: CournotOptions
    seeded = False

    def declare(self) -> None:
        """Seats follow the options."""
        self.seats = tuple(f"firm_{i}" for i in range(self.options.firms))
        self.observation = spaces.Box(-np.inf, np.inf, (3,), np.float32)
        self.action = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.max_steps = self.options.rounds

    @property
    def equilibrium(self) -> tuple[float, float]:
        """Quantity of each firm, and price."""
        quantity = (self.options.demand - self.options.cost) / (self.options.firms + 1)
        return quantity, self.options.demand - self.options.firms * quantity

    def setup(self, rng: np.random.Generator) -> None:
        """Nothing was sold yet."""
        del rng
        self.quantity_N = np.zeros(len(self.seats))
        self.price = 0.0
        self._profit_N = np.zeros(len(self.seats))
        self._rounds = 0

    def observe(self, seat: str) -> NDArray[np.float32]:
        """The last round, in parts of `demand`."""
        own = self.quantity_N[self.seats.index(seat)]
        others = (self.quantity_N.sum() - own) / max(len(self.seats) - 1, 1)
        return np.array([own, others, self.price], np.float32) / np.float32(self.options.demand)

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """Sell all quantities at one price."""
        most = self.options.demand - self.options.cost
        action_N = np.array([float(np.asarray(actions[seat]).item()) for seat in self.seats])
        self.quantity_N = 0.5 * (np.clip(action_N, -1.0, 1.0) + 1.0) * most
        self.price = max(self.options.demand - float(self.quantity_N.sum()), 0.0)
        profit_N = (self.price - self.options.cost) * self.quantity_N
        self._profit_N += profit_N
        self._rounds += 1
        return Step(reward=dict(zip(self.seats, (profit_N / (most**2 / 4)).tolist(), strict=True)))

    def scores(self) -> Mapping[str, float]:
        """Mean profit of a round."""
        return dict(zip(self.seats, (self._profit_N / max(self._rounds, 1)).tolist(), strict=True))

    def view(self) -> dict[str, Any]:
        """Quantities and price."""
        return {"quantity": self.quantity_N.round(3).tolist(), "price": round(self.price, 3)}
