"""Pixels for an observation: what an arm's camera sees, and what a real arm knows without one.

Nothing in the numbers says where a part is, nor what other arms do: that is to be seen. Axes: N arms, O
observation.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from arenas.assembly.kernel.layout import OWN, OWN_SIZE, TASK, TASK_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from arenas.assembly.cell import Cell

SIDE = 84
SITE = {"site": 2}
"""Where on the table is to be built, x and y from its own base."""


def pixel_slices(action: int) -> dict[str, tuple[int, int]]:
    """The numbers beside the image by name: the arm's own, the task's (as in `layout`), and the site."""
    sizes = OWN | {"last_action": action} | TASK | SITE
    return dict(zip(sizes, pairwise(accumulate(sizes.values(), initial=0)), strict=True))


def pixel_space(action: int) -> spaces.Dict:
    """`own`, numbers; `pixels`, an image of bytes, top row first."""
    size = OWN_SIZE + action + TASK_SIZE + sum(SITE.values())
    return spaces.Dict(
        {
            "own": spaces.Box(-np.inf, np.inf, (size,), np.float32),
            "pixels": spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8),
        }
    )


def seen_by(cell: Cell, arm: int) -> dict[str, NDArray[Any]]:
    """An arm's observation; the image is drawn anew each time."""
    row_O, base_44 = cell.observation_NO[arm], cell.world.base_N44[arm]
    own = OWN_SIZE + cell.action_NA.shape[1]
    site_2 = (base_44[:3, :3].T @ (cell.site_44[:3, 3] - base_44[:3, 3]))[:2]
    return {
        "own": np.concatenate([row_O[:own], row_O[-TASK_SIZE:], site_2], dtype=np.float32),
        "pixels": cell.world.seen_by(arm, SIDE),
    }
