"""The market's knobs, and how a set of them becomes one record that the kernel reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from marl.arena import Options as ArenaOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

CENTS = 100
"""Money is counted in hundredths of a tick x lot, so that sums are exact."""

MAX_SEATS = 64
LATE = 3
"""The latency class that is heard after the background; lower ones before it, in their order."""
VALUE_TRADERS, MOMENTUM_TRADERS, MAKERS = 32, 16, 8
"""Most background traders of each kind: each has an account of its own."""


class Options(ArenaOptions):
    """Prices in ticks, quantities in lots, time in steps, money in ticks x lots, unless a field says so."""

    seats: int = Field(4, ge=1, le=MAX_SEATS, description="Learning traders (capacity).")
    horizon: int = Field(128, ge=2, le=100_000, description="Steps of a match.")
    depth: int = Field(5, ge=1, le=20, description="Price levels a side in the observation (capacity).")
    history: int = Field(16, ge=1, le=64, description="Past steps in the observation (capacity).")

    action: Literal["discrete", "continuous"] = Field(
        "discrete",
        description="Thirty choices with a mask, or four numbers from -1 to 1 that place a bid and an offer"
        " (capacity).",
    )
    liquidator_seats: int = Field(
        0, ge=0, le=MAX_SEATS, description="So many of the first seats are liquidators (capacity)."
    )
    maker_seats: int = Field(
        0,
        ge=0,
        le=MAX_SEATS,
        description="So many seats after them are makers: they quote, and never trade at market (capacity).",
    )

    limit: int = Field(
        20, ge=4, le=1000, description="Most lots that a seat may be long; orders are parts of it."
    )
    short_limit: int = Field(20, ge=0, le=1000, description="Most lots that a seat may be short.")
    open_orders: int = Field(8, ge=1, le=16, description="Most resting orders of a seat on each side.")
    replace: bool = Field(True, description="An order replaces the seat's resting orders on its side.")
    band: int = Field(
        40, ge=2, le=400, description="Farthest from the last mid that an order may trade or rest, ticks."
    )
    capital: int = Field(10_000, ge=1, le=10**9, description="Money of a seat at the start, ticks x lots.")
    initial_margin: float = Field(
        0.5, ge=0, le=1, description="Share of a new position's worth that equity must cover."
    )
    maintenance_margin: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Share of its position's worth below which a seat is liquidated and leaves.",
    )
    maker_fee: float = Field(
        0.0, ge=-5, le=5, description="Fee of the resting side, ticks per lot, in hundredths."
    )
    taker_fee: float = Field(
        0.0, ge=-5, le=5, description="Fee of the incoming side, ticks per lot, in hundredths."
    )
    signal_noise: float | None = Field(
        3.0,
        ge=0,
        le=1000,
        description="Error (standard deviation, ticks) of a seat's view of the value; none: no view.",
    )
    signal_memory: float = Field(0.9, ge=0, lt=1, description="Correlation of that error from step to step.")
    mission: int = Field(
        0,
        ge=0,
        le=1000,
        description="Lots that a liquidator holds at the start and must sell by the end; it only sells.",
    )
    latency: tuple[int, ...] = Field(
        (),
        max_length=MAX_SEATS,
        description="Latency class of each seat, 0 to 3; seats without one have 0. In a step class 0 is heard"
        " before 1 and 2, in random order within a class; 3 only after the background has traded.",
    )
    halt_move: int = Field(
        0, ge=0, le=400, description="Move of the mid in a step that halts trading, ticks; 0: none does."
    )
    halt_steps: int = Field(
        5, ge=1, le=1000, description="Steps that a halt lasts: only cancelling is allowed."
    )
    settle: Literal["value", "mid"] = Field(
        "value", description="Positions left at the end are settled at the fundamental value, or at the mid."
    )

    prices: str = Field(
        "ou", description="What drives the value: ou, bokeh:TICKER, csv:path or parquet:path."
    )
    windows: tuple[tuple[str, str], ...] = Field(
        (), description="Dates (first, last) that matches may replay; none: all."
    )
    bar_steps: int = Field(64, ge=1, le=10_000, description="Steps that one bar of the price series lasts.")
    scale_low: float = Field(
        0.5, gt=0, le=10, description="Least factor on the series' log returns, drawn per match."
    )
    scale_high: float = Field(1.0, gt=0, le=10, description="Greatest factor on the series' log returns.")
    mirror: bool = Field(True, description="Half the matches replay the series upside down.")
    bridge_noise: float = Field(
        0.8, ge=0, le=20, description="Noise of the value inside a bar, ticks per step."
    )
    ou_noise: float = Field(
        0.6, ge=0, le=20, description="Noise of the value without a series, ticks per step."
    )
    ou_pull: float = Field(
        0.01, ge=0, le=1, description="Share of its distance from the start that it loses in a step."
    )
    jump_rate: float = Field(0.01, ge=0, le=1, description="Chance of a jump of the value in a step.")
    jump_size: float = Field(6.0, ge=0, le=100, description="Standard deviation of a jump, ticks.")

    noise_limit: float = Field(5.0, ge=0, le=60, description="Anonymous limit orders per step.")
    noise_market: float = Field(1.5, ge=0, le=60, description="Anonymous market orders per step.")
    noise_cancel: float = Field(
        0.04, ge=0, le=1, description="Chance that an anonymous order is cancelled in a step."
    )
    noise_depth: int = Field(
        12, ge=1, le=100, description="Anonymous limit orders lie up to so many ticks deep."
    )
    noise_lots: int = Field(3, ge=1, le=50, description="Mean size of an anonymous order, lots.")
    herding: float = Field(
        0.6, ge=0, le=1, description="Chance that an anonymous market order repeats the last one's side."
    )
    value_traders: int = Field(
        6, ge=0, le=VALUE_TRADERS, description="Background traders that know the value, noisily."
    )
    value_noise: float = Field(2.0, ge=0, le=100, description="Error of a value trader's estimate, ticks.")
    value_edge: float = Field(
        1.5, ge=0, le=100, description="Gain per lot for which a value trader trades, ticks."
    )
    value_rate: float = Field(0.25, ge=0, le=1, description="Chance that a value trader acts in a step.")
    value_lots: int = Field(4, ge=1, le=50, description="Size of a value trader's order, lots.")
    momentum_traders: int = Field(
        2, ge=0, le=MOMENTUM_TRADERS, description="Background traders that follow the trend."
    )
    momentum_edge: float = Field(
        1.5, ge=0, le=100, description="Trend (fast less slow mean) on which they act, ticks."
    )
    momentum_rate: float = Field(0.1, ge=0, le=1, description="Chance that a momentum trader acts in a step.")
    momentum_lots: int = Field(2, ge=1, le=50, description="Size of a momentum trader's order, lots.")
    makers: int = Field(1, ge=0, le=MAKERS, description="Background market makers.")
    maker_spread: float = Field(
        3.0, ge=0.5, le=50, description="Half the spread that a background maker quotes, ticks."
    )
    maker_rate: float = Field(
        0.5, ge=0, le=1, description="Chance that a background maker quotes afresh in a step."
    )
    maker_lots: int = Field(8, ge=1, le=100, description="Size of a background maker's quotes, lots.")

    reward_scale: float = Field(
        20.0, gt=0, description="Change of equity that counts as reward 1, ticks x lots."
    )
    mark: Literal["value", "mid"] = Field(
        "mid",
        description="What rewards count a lot as before the end: the mid, or the value, which pays a trade at"
        " once for what it is worth though no seat sees it; the sum over a match is the same.",
    )
    inventory_penalty: float = Field(
        0.0, ge=0, description="Reward lost per lot held and step, ticks x lots."
    )
    relative: float = Field(
        0.0, ge=0, le=1, description="Share of the live rivals' mean gain that a seat's reward loses."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Options:
        for name in ("maker_fee", "taker_fee"):
            cents = getattr(self, name) * CENTS
            if abs(cents - round(cents)) > 1e-9:
                raise ValueError(f"{name} must be a whole number of hundredths of a tick")
        if self.maker_fee + self.taker_fee < 0:
            raise ValueError("maker_fee and taker_fee together must not pay out more than they take")
        if self.mission > self.limit:
            raise ValueError("mission must not exceed limit")
        if (self.mission > 0) != (self.liquidator_seats > 0):
            raise ValueError("mission and liquidator_seats go together: both are 0, or neither")
        if self.liquidator_seats + self.maker_seats > self.seats:
            raise ValueError("liquidator_seats and maker_seats together must not exceed seats")
        if not all(0 <= grade <= LATE for grade in self.latency):
            raise ValueError(f"latency classes are 0 to {LATE}, not {self.latency}")
        if self.scale_low > self.scale_high:
            raise ValueError("scale_low must not exceed scale_high")
        if self.maintenance_margin > self.initial_margin:
            raise ValueError("maintenance_margin must not exceed initial_margin")
        return self


_COUNTS = tuple(name for name, field in Options.model_fields.items() if field.annotation in {int, bool})
_RATES = tuple(name for name, field in Options.model_fields.items() if field.annotation is float)
_DERIVED = ("replay", "window", "windows", "informed", "settle_value", "mark_value", "continuous", "slowest")
_FEES = ("maker_cents", "taker_cents")
RULES = np.dtype(
    [(name, np.int64) for name in (*_COUNTS, *_DERIVED, *_FEES)]
    + [(name, np.float64) for name in (*_RATES, "signal_noise")]
    + [("latency", np.int64, (MAX_SEATS,))]
)
"""One record a variant: every counted or measured option by its name, and what is derived from the others."""


def rules(options: Options, window: int, windows: int) -> NDArray[Any]:
    """The record of one variant; its price windows are `windows` rows from `window` on (0: no replay)."""
    record = np.zeros(1, RULES)
    for name in (*_COUNTS, *_RATES):
        record[name] = getattr(options, name)
    record["replay"] = windows > 0
    record["window"], record["windows"] = window, windows
    record["informed"] = options.signal_noise is not None
    record["signal_noise"] = options.signal_noise or 0.0
    record["settle_value"], record["mark_value"] = options.settle == "value", options.mark == "value"
    record["continuous"] = options.action == "continuous"
    record["slowest"] = max(options.latency, default=0)
    record["latency"][0, : len(options.latency)] = options.latency
    record["maker_cents"] = round(options.maker_fee * CENTS)
    record["taker_cents"] = round(options.taker_fee * CENTS)
    return record
