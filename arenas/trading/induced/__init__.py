"""The laboratory market: private values and costs, one unit at a time, any traders; the validation mode."""

from __future__ import annotations

from arenas.trading.induced.arena import InducedBatch
from arenas.trading.induced.options import Options

__all__ = ["InducedBatch", "Options"]
