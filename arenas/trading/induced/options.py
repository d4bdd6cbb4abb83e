"""The laboratory market's knobs, and how a set of them becomes one record that the kernel reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from arenas.trading.book import TICKS
from marl.arena import Options as ArenaOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SEATS, MAX_UNITS, MAX_TRADES, MAX_EVENTS = 64, 16, 1024, 64
"""Most traders, units of a trader, trades of a match, and past quotes in the observation."""

Units = tuple[int, ...]


class Options(ArenaOptions):
    """Prices, values and costs are whole numbers from 1 to `price_max`; time in steps."""

    values: tuple[Units, ...] = Field(
        (
            (101, 89, 77, 65),
            (99, 87, 75, 63),
            (97, 85, 73, 61),
            (95, 83, 71, 59),
            (93, 81, 69, 57),
            (91, 79, 67, 55),
        ),
        min_length=1,
        description="What each buyer's units are worth to it, in the order in which it buys them.",
    )
    costs: tuple[Units, ...] = Field(
        (
            (37, 49, 61, 73),
            (39, 51, 63, 75),
            (41, 53, 65, 77),
            (43, 55, 67, 79),
            (45, 57, 69, 81),
            (47, 59, 71, 83),
        ),
        min_length=1,
        description="What each seller's units cost it, in the order in which it sells them.",
    )
    price_max: int = Field(200, ge=2, le=TICKS - 2, description="Highest price (capacity).")
    periods: int = Field(3, ge=1, le=100, description="Trading periods; units are renewed in each.")
    period_steps: int = Field(200, ge=1, le=100_000, description="Steps of a period.")
    arrival: Literal["one", "all", "shout"] = Field(
        "one",
        description="Heard in a step: one trader with units left, drawn uniformly; or all, in random order;"
        " or one whose price is offered to all and rests nowhere: one of those whose own price now meets it"
        " deals at it (Cliff, Bruten 1997).",
    )
    clear: bool = Field(True, description="All quotes are cleared after a trade.")
    improve: bool = Field(
        True, description="A quote that isn't better than the best of its side is not heard."
    )
    constrained: bool = Field(False, description="Prices that would lose are masked.")
    deal: bool = Field(False, description="Values and costs are dealt anew to the seats in each match.")
    events: int = Field(16, ge=1, le=MAX_EVENTS, description="Past quotes in the observation (capacity).")
    reward_scale: float = Field(100.0, gt=0, description="Surplus that counts as reward 1.")

    @model_validator(mode="after")
    def _consistent(self) -> Options:
        seats = len(self.values) + len(self.costs)
        if seats > MAX_SEATS:
            raise ValueError(f"values and costs are for {seats} traders, at most {MAX_SEATS} can take part")
        for units in (*self.values, *self.costs):
            if not 1 <= len(units) <= MAX_UNITS:
                raise ValueError(f"a trader has {len(units)} units, not 1 to {MAX_UNITS}")
            if not all(1 <= price <= self.price_max for price in units):
                raise ValueError(
                    f"values and costs lie between 1 and price_max = {self.price_max}, not {units}"
                )
        trades = min(sum(map(len, self.values)), sum(map(len, self.costs))) * self.periods
        if trades > MAX_TRADES:
            raise ValueError(f"{trades} trades in {self.periods} periods are more than {MAX_TRADES}")
        return self

    @property
    def seats(self) -> int:
        """How many traders."""
        return len(self.values) + len(self.costs)

    @property
    def horizon(self) -> int:
        """Steps of a match."""
        return self.periods * self.period_steps

    @property
    def equilibrium(self) -> tuple[float, int, int]:
        """The middle of the competitive prices, the units traded there, and the surplus of a period."""
        demand = sorted((value for units in self.values for value in units), reverse=True)
        supply = sorted(cost for units in self.costs for cost in units)
        traded = sum(value >= cost for value, cost in zip(demand, supply, strict=False))
        surplus = sum(value - cost for value, cost in zip(demand[:traded], supply[:traded], strict=True))
        last = max(traded - 1, 0)
        high = min((*demand[last:traded], *supply[traded : traded + 1]), default=self.price_max)
        low = max((*supply[last:traded], *demand[traded : traded + 1]), default=1)
        return (low + high) / 2, traded, surplus


RULES = np.dtype(
    [
        (name, np.int64)
        for name in (
            "seats",
            "buyers",
            "price_max",
            "periods",
            "period_steps",
            "one",
            "shout",
            "clear",
            "improve",
        )
    ]
    + [(name, np.int64) for name in ("constrained", "deal", "events", "tradable")]
    + [
        ("reward_scale", np.float64),
        ("units", np.int64, (MAX_SEATS,)),
        ("limits", np.int64, (MAX_SEATS, MAX_UNITS)),
    ]
)
"""One record a variant. units, limits: of buyers, then of sellers. tradable: the shorter side's units."""


def rules(options: Options) -> NDArray[Any]:
    """The record of one variant."""
    record = np.zeros(1, RULES)
    for name in ("seats", "price_max", "periods", "period_steps", "clear", "improve", "constrained", "deal"):
        record[name] = getattr(options, name)
    record["events"], record["reward_scale"] = options.events, options.reward_scale
    record["buyers"] = len(options.values)
    record["one"], record["shout"] = options.arrival == "one", options.arrival == "shout"
    record["tradable"] = min(sum(map(len, options.values)), sum(map(len, options.costs)))
    for seat, units in enumerate((*options.values, *options.costs)):
        record["units"][0, seat] = len(units)
        record["limits"][0, seat, : len(units)] = units
    return record
