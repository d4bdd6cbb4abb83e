"""The arrays of a frame and its orders, of one role, as compiled code takes them.

Axes: B copies, N seats (capacity), A choices, K = 1, O observation, S state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from marl.frame import Frame, Orders

ROLE = "trader"


class Faces(NamedTuple):
    """The arrays of the frame and its orders that a kernel reads and writes."""

    observation_BNO: NDArray[np.float32]
    mask_BNA: NDArray[np.uint8]
    last_observation_BNO: NDArray[np.float32]
    last_mask_BNA: NDArray[np.uint8]
    reward_BN: NDArray[np.float64]
    score_BN: NDArray[np.float64]
    terminated_BN: NDArray[np.bool_]
    truncated_BN: NDArray[np.bool_]
    alive_BN: NDArray[np.bool_]
    acting_BN: NDArray[np.bool_]
    state_BS: NDArray[np.float32]
    last_state_BS: NDArray[np.float32]
    steps_B: NDArray[np.int32]
    ticket_B: NDArray[np.int64]
    ended_B: NDArray[np.int64]
    over_B: NDArray[np.bool_]
    lost_B: NDArray[np.bool_]
    action_BNK: NDArray[np.generic]
    next_B: NDArray[np.int64]
    seed_B: NDArray[np.uint64]
    variant_B: NDArray[np.int32]
    restart_B: NDArray[np.bool_]
    want_state_B: NDArray[np.bool_]


def faces_of(frame: Frame, orders: Orders) -> Faces:
    """The arrays of the only role by their names; all are contiguous."""
    ((name, role),) = frame.roles.items()
    arrays: dict[str, NDArray[Any]] = {
        "observation_BNO": role.observation[0],
        "last_observation_BNO": role.last_observation[0],
        "action_BNK": orders.action[name],
        "want_state_B": orders.want_state,
    }
    for field in Faces._fields:
        for source in (role, frame, orders):
            if field not in arrays and hasattr(source, field):
                arrays[field] = getattr(source, field)
    for field, array in arrays.items():
        assert array.flags.c_contiguous, field
    return Faces(**arrays)
