"""Named sets of options of the trading arenas: `PRESETS` has preset to (arena, options)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Knobs = dict[str, Any]

EXCHANGE: Knobs = {"prices": "bokeh:AAPL,IBM,MSFT", "taker_fee": 0.1}
"""Real daily prices behind the value, the whole ecology of background traders, fees, margin, limits."""
TRAINED: Knobs = {"windows": [["2000-03-01", "2006-12-31"]]}
VALIDATED: Knobs = {"windows": [["2007-01-01", "2009-12-31"]]}
HELD_OUT: Knobs = {"prices": "bokeh:GOOG,FB", "windows": [["2010-01-01", "2013-03-01"]]}
"""Prices of `exchange` to train in, to choose settings by, and to judge in once: other years, other firms."""

ALONE: Knobs = {
    "noise_limit": 0.0,
    "noise_market": 0.0,
    "noise_cancel": 0.0,
    "value_traders": 0,
    "momentum_traders": 0,
    "makers": 0,
}
"""Nobody but the seats: with no fees, the scores of a match sum to zero."""
CROWD_ONLY: Knobs = {"value_traders": 0, "momentum_traders": 0, "makers": 0, "herding": 0.0}
"""Zero-intelligence flow as the only background (Smith, Farmer, Gillemot, Krishnamurthy 2003)."""


def _linear(first: int, step: int, traders: int, units: int) -> tuple[tuple[int, ...], ...]:
    """A straight line of limits, dealt to traders in turn, so that each has its own units in order."""
    return tuple(tuple(first + step * (u * traders + t) for u in range(units)) for t in range(traders))


def _unit_each(*limits: int) -> tuple[tuple[int, ...], ...]:
    return tuple((limit,) for limit in limits)


CONVEX: Mapping[str, Knobs] = {
    "1": {"values": _linear(101, -2, 6, 4), "costs": _linear(37, 2, 6, 4)},
    "2": {"values": _linear(105, -3, 6, 3), "costs": _linear(33, 3, 6, 3)},
    "3": {"values": _linear(136, -5, 6, 2), "costs": _linear(76, 5, 6, 2)},
    "4": {"values": _linear(200, -2, 6, 3), "costs": _linear(95, 5, 6, 3)},
    "5": {"values": _linear(160, -2, 6, 4), "costs": _linear(102, 2, 6, 4)},
}
"""Five markets of 6 + 6 traders with the equilibrium prices of Gode, Sunder (1993): straight lines, several
units each. Their own schedules are published as figures only."""

SHAPES: Mapping[str, Knobs] = {
    "symmetric": {
        "values": _unit_each(*range(150, 49, -10)),
        "costs": _unit_each(*range(50, 151, 10)),
    },
    "flat_supply": {"values": _unit_each(*range(150, 49, -10)), "costs": _unit_each(*[50] * 11)},
    "box": {"values": _unit_each(*[150] * 11), "costs": _unit_each(*[50] * 6)},
}
"""One unit each: the shapes of Cliff, Bruten (1997): symmetric, flat supply, box with excess demand."""

INDUCED: Knobs = {**CONVEX["1"], "clear": True, "improve": True, "arrival": "one"}

EXECUTION: Knobs = {
    "seats": 3,
    "liquidator_seats": 1,
    "mission": 40,
    "limit": 40,
    "settle": "mid",
    "signal_noise": None,
    "taker_fee": 0.1,
}
"""One liquidator with 40 lots to sell by the end, two learning makers, the usual background."""

PRESETS: Mapping[str, tuple[str, Knobs]] = {
    "exchange": ("trading", EXCHANGE),
    "induced": ("trading_induced", INDUCED),
    "ohlcv": ("trading_ohlcv", {"prices": "bokeh:AAPL,IBM,MSFT"}),
    "execution": ("trading_execution", EXECUTION),
}
"""Preset to the arena's short name and the options that it sets."""
