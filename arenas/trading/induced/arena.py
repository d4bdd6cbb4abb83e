"""`InducedBatch`: copies of the laboratory market as a BatchArena."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from arenas.trading.book import BUY, SELL
from arenas.trading.entry import UNKNOWN
from arenas.trading.faces import ROLE, faces_of
from arenas.trading.induced.entry import entry
from arenas.trading.induced.kernel import D_PERIOD, WORLD
from arenas.trading.induced.options import Options, rules
from arenas.trading.spectator import LEVELS, levels
from marl.batch import BatchArena
from marl.errors import SpecError
from marl.frame import over_memory
from marl.spaces import to_json
from marl.spec import Role, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marl.frame import Frame, Orders

NAME = "arenas.trading.induced:InducedBatch"
VERSION = "1"


def observation_slices(events: int) -> dict[str, tuple[int, int]]:
    """The named parts; prices and limits in parts of `price_max`, 0 where there is none."""
    names = (
        "side",
        "units",
        "limit",
        "bid",
        "ask",
        "own",
        "last",
        "mean",
        "deals",
        "time",
        "periods",
        "fresh",
    )
    spans = {name: (i, i + 1) for i, name in enumerate(names)}
    return {**spans, "events": (len(names), len(names) + 3 * events)}


class InducedBatch(BatchArena):
    """Buyers with private values, sellers with costs, one double auction (Smith 1962; Gode, Sunder 1993).

    Observation: float32, named slices (`observation_slices`): side (+1 buys, -1 sells), share of its units
    left, value or cost of the unit in hand, best quotes, own quote, last price, mean price and share of units
    traded in the period, time left of period and match, quotes heard in the last step, and the last `events`
    of them, newest first, as (side, price, whether it traded). Action: Discrete(price_max + 1): 0 leaves the
    own quote as it is, p quotes price p for the unit in hand; a mask. Trades take place at the resting
    quote's price. Reward: surplus (value - price, price - cost) over `reward_scale`. Score: the match's
    surplus. Ends: truncated after `periods` x `period_steps`.
    """

    options_type = Options

    def __init__(self, options: Mapping[str, Any], capacity: Mapping[str, Any] | None = None) -> None:
        first = Options.read(NAME, options)
        self._capacity = first if capacity is None else Options.read(NAME, capacity)
        self.spec = _spec(self._capacity)
        self._options: list[Options] = []
        self._rules_V = np.zeros(0, rules(first).dtype)
        self._step = entry()
        self._add(first)
        self.attach(*over_memory(self.spec, 1))
        # Compiling, or loading what was compiled, belongs to the start and not to a step with a deadline.
        self.step()

    def add_variant(self, options: Mapping[str, Any]) -> int:
        """Make options known; SpecError where they need more than the capacities, or another observation."""
        return self._add(Options.read(NAME, options))

    def attach(self, frame: Frame, orders: Orders) -> None:
        """Take the arrays to read and write, and make the state of their copies."""
        super().attach(frame, orders)
        self.worlds_B = np.zeros(self.copies, WORLD)
        self._faces = tuple(faces_of(frame, orders))
        self._variant_B = np.zeros(self.copies, np.int64)
        self._asked_B = orders.variant_B

    def step(self) -> None:
        """Advance every copy by one step, in place."""
        told = self._step(self.worlds_B, self._faces, self._rules_V, self._variant_B)
        if told == UNKNOWN:
            raise SpecError(
                NAME,
                got=f"variants {sorted(set(self._asked_B.tolist()))}",
                expected=f"all from 0 to {len(self._rules_V) - 1}",
            )

    def view(self, copy: int) -> dict[str, Any]:
        """The book, this period's trades as [price, buyer, seller], every seat's surplus, as plain JSON."""
        world, options = self.worlds_B[copy], self._options[int(self._variant_B[copy])]
        deals = world["deals"][: world["deal"]]
        return {
            "step": int(world["step"]),
            "period": int(world["period"]),
            "bids": levels(world, BUY, LEVELS),
            "asks": levels(world, SELL, LEVELS),
            "deals": deals[deals[:, D_PERIOD] == world["period"], 1:].tolist(),
            "surplus": world["gain"][: options.seats].tolist(),
            "traded": world["done"][: options.seats].tolist(),
        }

    def _add(self, options: Options) -> int:
        capacity = self._capacity
        for name in ("price_max", "events"):
            if getattr(options, name) != getattr(capacity, name):
                raise SpecError(
                    f"{NAME}: option {name}",
                    got=str(getattr(options, name)),
                    expected=f"{getattr(capacity, name)}, the capacity's",
                    remedy="Spaces never change within a pool.",
                )
        for name in ("seats", "horizon"):
            if getattr(options, name) > getattr(capacity, name):
                raise SpecError(
                    f"{NAME}: {name}",
                    got=str(getattr(options, name)),
                    expected=f"at most {getattr(capacity, name)}, the capacity's",
                    remedy="Declare the largest stage as capacity.",
                )
        self._rules_V = np.concatenate([self._rules_V, rules(options)])
        self._options.append(options)
        return len(self._options) - 1


def _spec(capacity: Options) -> Spec:
    seats = tuple(f"{ROLE}_{i}" for i in range(capacity.seats))
    slices = observation_slices(capacity.events)
    box = spaces.Box(-np.inf, np.inf, (slices["events"][1],), np.float32)
    role = Role(
        ROLE,
        seats,
        to_json(box),
        to_json(spaces.Discrete(capacity.price_max + 1)),
        masked=True,
        slices=slices,
    )
    worst = capacity.periods * capacity.price_max * max(map(len, (*capacity.values, *capacity.costs)))
    return Spec(
        arena=NAME,
        version=VERSION,
        options=capacity.model_dump(mode="json"),
        roles=(role,),
        teams={seat: (seat,) for seat in seats},
        state_size=4 + 3 * len(seats),
        max_steps=capacity.horizon,
        scores="surplus, higher is better",
        forfeit_score=-float(worst),
    )
