"""What scripted traders of `arenas.trading` share: names for choices, columns for slices, wishes.

Axes: R rows, K = 1, A choices. Observed distances are in tens of ticks, quantities in parts of the limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marl.policy import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from marl.policy import Rows
    from marl.spec import Role, Spec

    Floats = NDArray[np.float32]
    Choices = NDArray[np.int64]

HOLD = 0
OFFSETS = (-1, 0, 1, 2, 4)
"""Ticks behind the best price of the limit orders, in the order of the choices (-1: one better)."""
BUY, SELL = 0, 1
CANCEL_BIDS, CANCEL_ASKS = 27, 28


def market(side: int, size: int) -> int:
    """The choice of a market order: size 0, 1, 2 is a quarter, half, all of the limit."""
    return 1 + 3 * side + size


def limit(side: int, offset: int, size: int) -> int:
    """The choice of a limit order `offset` ticks behind the best price; size 0: a quarter, 1: half of it."""
    return 7 + 10 * side + 2 * OFFSETS.index(offset) + size


class View:
    """What the rows see: columns of the observation by the names of their slices, masks, who is asked."""

    def __init__(self, role: Role, observation_RO: Floats, mask_RA: NDArray[np.uint8], rows: Rows) -> None:
        self._slices, self._observation_RO = role.slices, observation_RO
        self.mask_RA, self.rows = mask_RA, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Floats:
        first, last = self._slices[name]
        column = self._observation_RO[:, first:last]
        return column[:, 0] if last - first == 1 else column


class Scripted:
    """A trader without memory: `wish` lists choices in order of preference; the first legal one is taken."""

    memory_size: int = 0

    def __init__(self, spec: Spec) -> None:
        del spec

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
        """The first legal wish of each row; hold is always legal."""
        del memory_RM, greedy
        action_R = np.full(len(rows), HOLD)
        for wish_R in reversed(self.wish(View(role, observation[0], mask_RA, rows))):
            legal_R = mask_RA[np.arange(len(rows)), wish_R] > 0
            action_R = np.where(legal_R, wish_R, action_R)
        return Decision(action_R[:, None].astype(role.action_dtype))

    def wish(self, view: View) -> list[Choices]:
        """Choices of all rows, most wanted first."""
        raise NotImplementedError
