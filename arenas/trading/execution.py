"""`ExecutionBatch`: a liquidator with a deadline among market makers, in the market of `TradingBatch`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from arenas.trading.arena import TradingBatch
from arenas.trading.presets import EXECUTION
from marl.batch import BatchArena
from marl.frame import over_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from marl.frame import Frame, Orders, RoleFrame

NAME = "arenas.trading.execution:ExecutionBatch"
LIQUIDATOR, MAKER = "liquidator", "maker"


class ExecutionBatch(BatchArena):
    """Two roles in one book: `liquidator_0` sells `mission` lots before the end, `maker_0`, ... trade freely.

    Observation, actions, masks, reward: those of `TradingBatch`, whose options it takes; those of the preset
    `execution` are its defaults. The liquidator may only sell; it leaves, terminated, when all is sold, and
    what it holds in the last step is sold into the book. Score of the liquidator: proceeds less fees against
    the price at the start, in ticks x lots: minus the implementation shortfall (Perold 1988).
    """

    def __init__(self, options: Mapping[str, Any], capacity: Mapping[str, Any] | None = None) -> None:
        whole = None if capacity is None else {**EXECUTION, **capacity}
        self._market = TradingBatch({**EXECUTION, **options}, whole)
        spec = self._market.spec
        (role,) = spec.roles
        seats = (f"{LIQUIDATOR}_0", *(f"{MAKER}_{i}" for i in range(len(role.seats) - 1)))
        parts = [replace(role, name=LIQUIDATOR, seats=seats[:1])]
        if len(seats) > 1:
            parts.append(replace(role, name=MAKER, seats=seats[1:]))
        teams = {seat: (seat,) for seat in seats}
        self.spec = replace(spec, arena=NAME, roles=tuple(parts), teams=teams)
        self._spans = {
            part.name: slice(seats.index(part.seats[0]), seats.index(part.seats[-1]) + 1) for part in parts
        }
        self.attach(*over_memory(self.spec, 1))

    def add_variant(self, options: Mapping[str, Any]) -> int:
        """Make options known, as the market does."""
        return self._market.add_variant({**EXECUTION, **options})

    def attach(self, frame: Frame, orders: Orders) -> None:
        """Take the arrays to read and write; the market works on its own, of one role."""
        super().attach(frame, orders)
        inner, said = over_memory(self._market.spec, self.copies)
        self._market.attach(inner, said)
        (held,) = inner.roles.values()
        (action,) = said.action.values()
        self._in: list[tuple[NDArray[Any], NDArray[Any]]] = [
            (action[:, span], orders.action[name]) for name, span in self._spans.items()
        ]
        self._in += [
            (getattr(said, name), getattr(orders, name)) for name in vars(orders) if name != "action"
        ]
        self._out: list[tuple[NDArray[Any], NDArray[Any]]] = []
        for name, span in self._spans.items():
            self._out += _pairs(frame.roles[name], held, span)
        self._out += [(getattr(frame, name), getattr(inner, name)) for name in vars(frame) if name != "roles"]

    def step(self) -> None:
        """Advance every copy by one step, in place."""
        for target, source in self._in:
            np.copyto(target, source)
        self._market.step()
        for target, source in self._out:
            np.copyto(target, source)

    def view(self, copy: int) -> dict[str, Any]:
        """The market's."""
        return self._market.view(copy)


def _pairs(part: RoleFrame, whole: RoleFrame, span: slice) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Each array of a role with the seats of the market's that it shows."""
    found: list[tuple[NDArray[Any], NDArray[Any]]] = []
    for name, target in vars(part).items():
        source = getattr(whole, name)
        if isinstance(target, tuple):
            found += [(leaf, other[:, span]) for leaf, other in zip(target, source, strict=True)]
        else:
            found.append((target, source[:, span]))
    return found
