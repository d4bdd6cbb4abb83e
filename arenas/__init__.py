"""The arenas that come with the platform: short names, and `make` for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marl.errors import UnknownNameError
from marl.loading import ArenaRef, load, make_env

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ARENAS", "full_spec", "make"]

ARENAS: Mapping[str, str] = {
    "assembly": "arenas.assembly:Assembly",
    "biased_rps": "arenas.matrix:BiasedRPS",
    "climbing": "arenas.matrix:Climbing",
    "construction": "arenas.construction:ConstructionBatch",
    "cournot": "arenas.cournot:Cournot",
    "gymnasium": "arenas.one_seat:OneSeat",
    "identity": "arenas.identity:Identity",
    "matching_pennies": "arenas.matrix:MatchingPennies",
    "penalty": "arenas.matrix:Penalty",
    "prisoners_dilemma": "arenas.matrix:PrisonersDilemma",
    "spread": "arenas.spread:SpreadBatch",
    "trading": "arenas.trading:TradingBatch",
    "trading_execution": "arenas.trading.execution:ExecutionBatch",
    "trading_induced": "arenas.trading.induced:InducedBatch",
    "trading_ohlcv": "arenas.trading.bars:BarsBatch",
}
"""Short name to full spec."""


def full_spec(name: str) -> str:
    """The full spec of a short name.

    Full specs ("package.module:Attribute", "package.module") pass through.
    """
    if name in ARENAS:
        return ARENAS[name]
    if ":" in name or "." in name:
        return name
    raise UnknownNameError("arena", name, ARENAS)


def make(name: str, **options: Any) -> Any:  # noqa: ANN401  # a PettingZoo environment
    """A plain PettingZoo environment: a parallel one for our own arenas, as it comes for others."""
    from marl.batch import BatchArena  # `import arenas` stays light
    from marl.single import Single

    spec = full_spec(name)
    target = load(spec)
    if isinstance(target, type) and issubclass(target, BatchArena):
        return Single(target(options, None))  # type: ignore[call-arg]  # the batched arenas' constructor
    return make_env(ArenaRef(spec), options)
