"""The laboratory market to test with: copies of one, played through by scripted traders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agents.scripted.laboratory import SCRIPTED
from arenas.trading.induced import InducedBatch, Options
from arenas.trading.induced.kernel import D_PERIOD, D_PRICE
from marl.frame import over_memory
from marl.policy import RandomLegal, Rows
from marl.spec import PARKED, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray


class Laboratory:
    """One match for each seed; traders by name, the same for all seats or dealt to them in turn."""

    def __init__(self, options: Mapping[str, Any], seeds: Iterable[int]) -> None:
        self.arena = InducedBatch(options)
        self.options = Options.read("induced", options)
        self.seed_B = np.array(list(seeds), np.uint64)
        self.frame, self.orders = over_memory(self.arena.spec, len(self.seed_B))
        self.arena.attach(self.frame, self.orders)
        self.role = self.frame.roles["trader"]
        for copy, seed in enumerate(self.seed_B.tolist()):
            self.orders.follow(copy, Ticket(copy, seed))
        self.arena.step()
        self.orders.next_B.fill(PARKED)

    def play(self, *names: str) -> Iterator[int]:
        """Play to the end, yielding after each step, the last one included."""
        spec, copies, seats = self.arena.spec, len(self.seed_B), self.options.seats
        traders = [RandomLegal() if name == "random" else SCRIPTED[name](spec) for name in names]
        owned = [np.arange(i, seats, len(traders)) for i in range(len(traders))]
        memory = [
            np.zeros((copies * len(own), trader.memory_size), np.float32)
            for trader, own in zip(traders, owned, strict=True)
        ]
        step = 0
        while (self.frame.ticket_B != PARKED).any():
            for i, (trader, own) in enumerate(zip(traders, owned, strict=True)):
                rows = Rows(
                    np.repeat(np.arange(copies), len(own)),
                    np.repeat(self.seed_B, len(own)),
                    np.tile(own, copies).astype(np.int32),
                    np.full(copies * len(own), step, np.int32),
                )
                seen = self.role.observation[0][:, own].reshape(len(rows), -1)
                mask = self.role.mask_BNA[:, own].reshape(len(rows), -1)
                decision = trader.act(spec.roles[0], [seen], mask, memory[i], rows, greedy=False)
                if decision.memory_RM is not None:
                    memory[i] = decision.memory_RM
                self.orders.action["trader"][:, own, 0] = decision.action_RK.reshape(copies, len(own))
            self.arena.step()
            step += 1
            yield step

    def run(self, *names: str) -> None:
        """Play to the end."""
        for _ in self.play(*names):
            pass

    @property
    def efficiency_B(self) -> NDArray[np.float64]:
        """Share of the greatest surplus that each match realised."""
        total: NDArray[np.float64] = self.role.score_BN.sum(1) / (
            self.options.equilibrium[2] * self.options.periods
        )
        return total

    @property
    def alpha_T(self) -> NDArray[np.float64]:
        """Smith's alpha of each period, in per cent, mean over the matches that traded in it."""
        price = self.options.equilibrium[0]
        return self._by_period(lambda paid: 100.0 * np.sqrt(np.mean((paid - price) ** 2)) / price)

    @property
    def mean_T(self) -> NDArray[np.float64]:
        """Mean trade price of each period."""
        return self._by_period(np.mean)

    def _by_period(self, measure: Callable[[NDArray[np.int32]], Any]) -> NDArray[np.float64]:
        found = []
        for period in range(self.options.periods):
            values = []
            for world in self.arena.worlds_B:
                deals = world["deals"][: world["deal"]]
                paid = deals[deals[:, D_PERIOD] == period, D_PRICE]
                if len(paid):
                    values.append(measure(paid))
            found.append(np.mean(values) if values else np.nan)
        return np.array(found)
