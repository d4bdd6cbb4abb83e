"""A market to test with: copies of one, stepped by hand, with random legal play."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arenas.trading import TradingBatch
from marl.frame import over_memory
from marl.rng import mix, uniforms
from marl.spec import PARKED, Ticket

ALONE: dict[str, Any] = {
    "noise_limit": 0.0,
    "noise_market": 0.0,
    "noise_cancel": 0.0,
    "value_traders": 0,
    "momentum_traders": 0,
    "makers": 0,
}
"""Options without any background trader."""


class Market:
    """Copies that play one ticket each; `seeds` are theirs, and also those of the random play."""

    def __init__(
        self,
        options: Mapping[str, Any],
        seeds: Sequence[int] = (0,),
        *,
        capacity: Mapping[str, Any] | None = None,
        variants: Sequence[Mapping[str, Any]] = (),
        variant: int = 0,
    ) -> None:
        self.arena = TradingBatch(options, capacity)
        for more in variants:
            self.arena.add_variant(more)
        self.seeds = np.array(seeds, np.uint64)
        self.frame, self.orders = over_memory(self.arena.spec, len(seeds))
        self.arena.attach(self.frame, self.orders)
        self.role = self.frame.roles["trader"]
        self.action_BN = self.orders.action["trader"][..., 0]
        self.orders.want_state.fill(True)
        for copy, seed in enumerate(seeds):
            self.orders.follow(copy, Ticket(copy, seed, variant))
        self.arena.step()
        self.orders.next_B.fill(PARKED)

    @property
    def world(self) -> np.void:
        """The record of the first copy."""
        world: np.void = self.arena.worlds_B[0]
        return world

    def part(self, name: str) -> NDArray[np.float32]:
        """A named slice of the observations."""
        first, last = self.arena.spec.roles[0].slices[name]
        return self.role.observation[0][..., first:last]

    def choose(self, step: int, rate: float = 1.0) -> None:
        """Random legal actions, keyed by the copy's seed: the same in any batch. A share `rate` acts."""
        copies, seats, choices = self.role.mask_BNA.shape
        key = mix(self.seeds[:, None], np.arange(seats)[None, :], step).ravel()
        draw = uniforms(key, choices + 1).reshape(copies, seats, choices + 1)
        action = np.where(self.role.mask_BNA > 0, draw[..., :choices], -1).argmax(-1)
        self.action_BN[:] = np.where(draw[..., choices] < rate, action, 0)

    def play(self, rate: float = 1.0) -> Iterator[int]:
        """Random play to the end, yielding after each step, the last one included."""
        step = 0
        while (self.frame.ticket_B != PARKED).any():
            self.choose(step, rate)
            self.arena.step()
            step += 1
            yield step
