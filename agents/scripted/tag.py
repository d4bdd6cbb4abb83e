"""All chase: the yardstick of mpe2's `simple_tag_v3`, for the predators' seats. Axes: R rows, K = 1."""

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

LEFT, RIGHT, DOWN, UP = 1, 2, 3, 4
OWN_VELOCITY, PREY, PREY_VELOCITY = slice(0, 2), slice(12, 14), slice(14, 16)
"""Where a predator's observation holds them; the prey's place is relative to its own."""


class Chase:
    """Pushes along the axis on which the prey will be farther; as prey it stays put.

    It sees itself where it drifts to in `brake_s` seconds, and the prey where that will be in `lead_s`. Both
    together catch a quarter more of random prey than brakes alone, and these a fifth more than neither.
    """

    memory_size: int = 0

    def __init__(self, spec: Spec, *, brake_s: float = 0.2, lead_s: float = 0.2) -> None:
        del spec
        self._brake_s, self._lead_s = brake_s, lead_s

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
        """A push of each row."""
        del mask_RA, memory_RM, greedy
        if role.name != "adversary":
            return Decision(np.zeros((len(rows), 1), np.int64))
        seen_RF = observation[0]
        nearing_R2 = self._lead_s * seen_RF[:, PREY_VELOCITY] - self._brake_s * seen_RF[:, OWN_VELOCITY]
        x_R, y_R = (seen_RF[:, PREY] + nearing_R2).T
        along_x_R = np.where(x_R < 0, LEFT, RIGHT)
        along_y_R = np.where(y_R < 0, DOWN, UP)
        action_R = np.where(np.abs(x_R) > np.abs(y_R), along_x_R, along_y_R)
        return Decision(action_R[:, None].astype(np.int64))
