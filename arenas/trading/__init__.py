"""A limit order book market with n traders: real matching, fees, margin, an ecology, real prices."""

from __future__ import annotations

from arenas.trading.arena import TradingBatch
from arenas.trading.options import Options

__all__ = ["Options", "TradingBatch"]
