"""`ExecutionBatch`: a liquidator with a deadline among market makers, in the market of `TradingBatch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from arenas.trading.arena import TradingBatch
from arenas.trading.options import Options
from arenas.trading.presets import EXECUTION

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "arenas.trading.execution:ExecutionBatch"


class ExecutionBatch(TradingBatch):
    """`TradingBatch` with the preset `execution` as its defaults; seats that are no liquidators are makers.

    Score of a liquidator: proceeds less fees against the price at the start, in ticks x lots: minus the
    implementation shortfall (Perold 1988).
    """

    name: ClassVar[str] = NAME

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Options:
        """The options, with the preset for those that are not given."""
        given = {**EXECUTION, **options}
        makers = given["seats"] - given["liquidator_seats"]
        return Options.read(NAME, {"maker_seats": makers, **given})
