"""What a spectator may see of a market: plain JSON for replays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arenas.trading.book import ASK, BID, BUY, DEPTH, OPEN, QUEUE, SELL, T_NUMBER, TICKS, TRADES
from arenas.trading.options import CENTS
from arenas.trading.world import EQUITY, SHARES

if TYPE_CHECKING:
    import numpy as np

    from arenas.trading.options import Options

LEVELS = 10
"""Price levels a side that are shown."""


def spectate(world: np.void, options: Options) -> dict[str, Any]:
    """Prices in ticks; levels as [price, lots]; the step's trades as [price, lots, taker, maker, side].

    Owners: 0 the crowd, 1.. the seats, then background traders. Profit in ticks x lots.
    """
    tape, trades = world["tape"], int(world["top"][TRADES])
    return {
        "step": int(world["step"]),
        "value": round(float(world["value"]), 2),
        "mid": int(world["mid2"]) / 2,
        "bids": levels(world, BUY, LEVELS),
        "asks": levels(world, SELL, LEVELS),
        "trades": tape[: min(trades, len(tape)), :T_NUMBER].tolist(),
        "seats": [
            {
                "alive": bool(world["alive"][seat]),
                "inventory": int(world["accounts"][seat + 1, SHARES]),
                "profit": (int(world["accounts"][seat + 1, EQUITY]) - options.capital * CENTS) / CENTS,
                "bid_lots": int(world["owners"][seat + 1, OPEN + BUY]),
                "ask_lots": int(world["owners"][seat + 1, OPEN + SELL]),
            }
            for seat in range(options.seats)
        ],
    }


def levels(world: np.void, side: int, count: int) -> list[list[int]]:
    """[price, lots] of the best levels of a side."""
    found: list[list[int]] = []
    price, step = int(world["top"][BID if side == BUY else ASK]), -1 if side == BUY else 1
    while 0 <= price < TICKS and len(found) < count:
        if world["levels"][price, QUEUE] > 0:
            found.append([price, int(world["levels"][price, DEPTH])])
        price += step
    return found
