"""Price takers on historical bars: no book, no impact; a cost in proportion to what is traded."""

from __future__ import annotations

from arenas.trading.bars.arena import BarsBatch
from arenas.trading.bars.options import Options

__all__ = ["BarsBatch", "Options"]
