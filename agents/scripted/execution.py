"""Liquidators for `arenas.trading.execution`: they sell by a schedule of time, of volume, of what is traded.

They sell a quarter of the limit at market whenever they are behind. In a maker's seat they hold. Axes: R
rows, M memory, K = 1, A choices.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from agents.scripted.trading import SCRIPTED as TRADERS
from agents.scripted.wishes import HOLD, SELL, View, market

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from agents.scripted.wishes import Floats
    from marl.policy import Decision, Policy, Rows
    from marl.spec import Role, Spec

SLICE = 0.25
"""What one order sells, in parts of the limit."""


class Schedule:
    """Sells where it holds at least half a slice more than `left` says that it should."""

    memory_size: int = 1

    def __init__(self, spec: Spec) -> None:
        self._mission = spec.options["mission"] / spec.options["limit"]

    def act(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Decision:
        """A market order, or hold."""
        del greedy
        view, memory_RM = View(role, observation[0], mask_RA, rows), memory_RM.copy()
        behind_R = view["inventory"] - self.left(view, memory_RM) >= 0.5 * SLICE
        choice = market(SELL, 0)
        sells_R = behind_R & (view.mask_RA[:, choice] > 0) & (role.name == "liquidator")
        return replace(view.decide(np.where(sells_R, choice, HOLD)), memory_RM=memory_RM)

    def left(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """What it should still hold, in parts of the limit; `memory_RM` is changed in place."""
        raise NotImplementedError


class TWAP(Schedule):
    """The same in every stretch of time."""

    def left(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """In proportion to the time left."""
        del memory_RM
        return np.asarray(self._mission * view["time"], np.float32)


class VWAP(Schedule):
    """By a volume curve that is high at both ends of the match, as days are (Admati, Pfleiderer 1988)."""

    ends = 0.5
    """How much more than the mean is expected at the ends, and less in the middle."""

    def left(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """One less the integral of 1 + ends cos(2 pi t) over the time that has passed."""
        del memory_RM
        time_R = view["time"]
        bend_R = self.ends * np.sin(2.0 * np.pi * time_R) / (2.0 * np.pi)
        return np.asarray(self._mission * (time_R + bend_R), np.float32)


class POV(Schedule):
    """A part of what others trade, as the signed volume of each step shows it. Memory: sold by schedule."""

    rate = 0.15

    def left(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """The mission less `rate` of the volume seen so far."""
        memory_RM[:, 0] += self.rate * np.abs(view["history"][:, -1])
        return np.asarray(np.maximum(self._mission - memory_RM[:, 0], 0.0), np.float32)


SCRIPTED: Mapping[str, Callable[[Spec], Policy]] = {**TRADERS, "twap": TWAP, "vwap": VWAP, "pov": POV}
"""Name to factory(spec)."""
