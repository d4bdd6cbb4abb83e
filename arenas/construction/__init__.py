"""A building site with n foremen: precedence, shared trades, supply, weather, safety.

Its limit is PSPLIB's RCPSP.
"""

from __future__ import annotations

from arenas.construction.arena import ConstructionBatch
from arenas.construction.options import PRESETS, Options

__all__ = ["PRESETS", "ConstructionBatch", "Options"]
