"""Who plays whom, who trains when, and what we conclude."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from league.config import LeagueSettings, read_league
    from league.league import League, Tournament
    from league.ledger import Ledger
    from league.training import train

__all__ = ["League", "LeagueSettings", "Ledger", "Tournament", "read_league", "train"]

_HOMES = {
    "League": "league.league",
    "LeagueSettings": "league.config",
    "Ledger": "league.ledger",
    "Tournament": "league.league",
    "read_league": "league.config",
    "train": "league.training",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # any public name
    if name not in _HOMES:
        raise AttributeError(f"module 'league' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
