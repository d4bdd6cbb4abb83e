"""The knobs of trading on bars, and the series they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from arenas.trading.options import MAX_SEATS
from arenas.trading.prices import COLUMNS, Series, load
from marl.arena import Options as ArenaOptions
from marl.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

WALK_BARS = 2000


class Options(ArenaOptions):
    """Time in bars, money in parts of the capital."""

    seats: int = Field(
        1, ge=1, le=MAX_SEATS, description="Traders, who do not influence one another (capacity)."
    )
    horizon: int = Field(250, ge=2, le=100_000, description="Bars of a match.")
    lookback: int = Field(30, ge=1, le=250, description="Past bars in the observation (capacity).")
    prices: str = Field(
        "walk", description="Where bars come from: walk (synthetic), bokeh:AAPL,IBM or csv:path."
    )
    windows: tuple[tuple[str, str], ...] = Field(
        (), description="Dates (first, last) that matches may replay; none: all."
    )
    cost: float = Field(0.001, ge=0, le=0.5, description="Share of what is traded that is lost.")
    action: Literal["discrete", "continuous"] = Field(
        "discrete", description="Seven choices with a mask, or one number from -1 to 1 (capacity)."
    )


def bars(prices: str) -> list[Series]:
    """The series of an option, each with open, high, low, close and volume."""
    if prices == "walk":
        return [_walk()]
    found = load(prices, COLUMNS)
    if not found:
        raise ConfigError(
            "option prices", got=repr(prices), expected="'walk', 'bokeh:TICKER,...' or 'csv:path'"
        )
    return found


def _walk() -> Series:
    """A geometric random walk of daily bars, the same in every process."""
    rng = np.random.default_rng(1)
    paths = np.cumsum(rng.normal(0.0, 0.005, (WALK_BARS, 8)), 1)
    start_R = 100.0 * np.exp(np.concatenate([[0.0], np.cumsum(paths[:, -1])[:-1]]))
    path = start_R[:, None] * np.exp(np.concatenate([np.zeros((WALK_BARS, 1)), paths], 1))
    volume_R = 1e6 * np.exp(rng.normal(0.0, 0.3, WALK_BARS))
    bars_R5: NDArray[np.float64] = np.stack([path[:, 0], path.max(1), path.min(1), path[:, -1], volume_R], 1)
    first = np.datetime64("2000-01-01")
    dates = tuple(str(first + np.timedelta64(row, "D")) for row in range(WALK_BARS))
    return Series("walk", dates, bars_R5[:, 3].copy(), bars_R5)
