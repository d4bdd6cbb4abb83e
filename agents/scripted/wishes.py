"""What scripted traders of `arenas.trading` share: names for choices, columns for slices, wishes.

Axes: R rows, K numbers of an action, A choices. Observed distances are in tens of ticks, quantities in parts
of the limit. Where actions are continuous, a choice is said in four numbers (`View.decide`).
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
CANCEL_BIDS, CANCEL_ASKS, CANCEL_ALL, CHOICES = 27, 28, 29, 30
REACH = 8.0
"""Ticks behind the best price for which 1 stands in a continuous action."""


def market(side: int, size: int) -> int:
    """The choice of a market order: size 0, 1, 2 is a quarter, half, all of the limit."""
    return 1 + 3 * side + size


def limit(side: int, offset: int, size: int) -> int:
    """The choice of a limit order `offset` ticks behind the best price; size 0: a quarter, 1: half of it."""
    return 7 + 10 * side + 2 * OFFSETS.index(offset) + size


class View:
    """What the rows see: columns of the observation by the names of their slices, masks, who is asked."""

    def __init__(self, role: Role, observation_RO: Floats, mask_RA: NDArray[np.uint8], rows: Rows) -> None:
        self._role, self._observation_RO = role, observation_RO
        self.mask_RA = mask_RA if role.masked else np.ones((len(rows), CHOICES), np.uint8)
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Floats:
        first, last = self._role.slices[name]
        column = self._observation_RO[:, first:last]
        return column[:, 0] if last - first == 1 else column

    def decide(self, choice_R: Choices) -> Decision:
        """The choices as the role's actions: as they are, or as four numbers where it has no choices."""
        if not self._role.masked:
            return Decision(self._placed(choice_R))
        return Decision(choice_R[:, None].astype(self._role.action_dtype))

    def _placed(self, choice_R: Choices) -> Floats:
        """(behind, size) of bid and offer: those that stand, with what the choice changes of them."""
        action_RK = np.zeros((len(choice_R), 4), np.float32)
        for side in (BUY, SELL):
            stands_R2 = self["bid"] if side == BUY else self["ask"]
            behind_R = 10.0 * stands_R2[:, 1] - 5.0 * self["spread"]
            size_R = np.where(stands_R2[:, 0] > 0, stands_R2[:, 0], -1.0)
            place_R, first = choice_R - limit(side, OFFSETS[0], 0), market(side, 0)
            quotes_R = (place_R >= 0) & (place_R < 10)
            takes_R = (choice_R >= first) & (choice_R < first + 3)
            cancels_R = (choice_R == CANCEL_BIDS + side) | (choice_R == CANCEL_ALL)
            behind_R = np.where(quotes_R, np.array(OFFSETS)[np.clip(place_R, 0, 9) // 2], behind_R)
            size_R = np.where(quotes_R, np.where(place_R % 2, 0.5, 0.25), size_R)
            size_R = np.where(takes_R, 0.25 * 2.0 ** np.clip(choice_R - first, 0, 2), size_R)
            action_RK[:, 2 * side] = np.clip(np.where(takes_R, -REACH, behind_R) / REACH, -1.0, 1.0)
            action_RK[:, 2 * side + 1] = np.where(cancels_R, -1.0, size_R)
        return action_RK


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
        view = View(role, observation[0], mask_RA, rows)
        for wish_R in reversed(self.wish(view)):
            legal_R = view.mask_RA[np.arange(len(rows)), wish_R] > 0
            action_R = np.where(legal_R, wish_R, action_R)
        return view.decide(action_R)

    def wish(self, view: View) -> list[Choices]:
        """Choices of all rows, most wanted first."""
        raise NotImplementedError
