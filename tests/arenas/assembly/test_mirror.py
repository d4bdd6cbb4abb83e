"""Symmetry: turned by 180 degrees, with arms and parts swapped, the room is the same to everybody in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="the physics engine has no wheel for this Python")

from arenas.assembly import Assembly, preset
from arenas.assembly.kernel.layout import slices_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Row = NDArray[np.float32]

pytestmark = pytest.mark.timeout(900)  # numba compiles the kernel in a fresh checkout


def turned(pose_K7: NDArray[np.float64]) -> NDArray[np.float64]:
    """Poses after half a turn about the middle of the table."""
    x, y, z, w = pose_K7[:, 3:].T
    return np.concatenate([pose_K7[:, :2] * -1, pose_K7[:, 2:3], np.stack([-y, x, w, -z], axis=1)], axis=1)


def mirror(arena: Assembly, order: list[int]) -> None:
    """Turn the room by 180 degrees, and swap arms and parts."""
    cell, world = arena.cell, arena.cell.world
    q_NJ, width_N = world.q_NJ[::-1].copy(), world.width_N[::-1].copy()
    pose_K7 = turned(world.part_K13[:, :7])[order]
    cell.site_44[:2, 3] *= -1
    cell.reach_N3[:] = cell.reach_N3[::-1] * [-1, -1, 1]
    cell.begin(q_NJ, width_N, pose_K7)
    cell.conclude(arena.stage_number, 0.0)


def swapped(arena: Assembly, row: Row, order: list[int]) -> Row:
    """An observation with its parts in another order."""
    spans = slices_of(arena.room, arena.part_room, arena.action_size)
    out = row.copy()
    for to, k in enumerate(order):
        first, last = spans[f"part_{to}.position"][0], spans[f"part_{to}.present"][1]
        out[first:last] = row[spans[f"part_{k}.position"][0] : spans[f"part_{k}.present"][1]]
    return out


@pytest.mark.parametrize("name", ["reach", "lift"])
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_arms_across_see_the_same(name: str, seed: int) -> None:
    """Property 7, where each arm has a target or block of its own: all numbers are equal."""
    arena = Assembly(**preset(name))
    arena.reset(seed=seed)
    order = [1, 0] if name == "lift" else []
    before = [row.copy() for row in arena.cell.observation_NO]
    assert np.abs(before[0] - before[1]).max() > 0.001, "two equal arms would prove nothing"
    mirror(arena, order)
    for arm in range(2):
        seen = swapped(arena, arena.cell.observation_NO[1 - arm], order)
        np.testing.assert_allclose(seen, before[arm], atol=3e-6)
    arena.close()


@pytest.mark.parametrize("name", ["carry", "insert"])
def test_arms_across_see_shared_parts_mirrored(name: str) -> None:
    """Property 7, where parts are shared: all of both arms, and where and how every part is and moves.

    Whose grasp is whose does not turn with the part.
    """
    arena = Assembly(**preset(name))
    arena.reset(seed=11)
    before = [row.copy() for row in arena.cell.observation_NO]
    mirror(arena, list(range(arena.part_room)))
    spans = slices_of(arena.room, arena.part_room, arena.action_size)
    fields = [
        f"part_{k}.{field}" for k in range(arena.part_room) for field in ("position", "rotation", "velocity")
    ]
    kept = [slice(0, spans["part_0.position"][0]), *[slice(*spans[field]) for field in fields]]
    for arm in range(2):
        for part in kept:
            np.testing.assert_allclose(arena.cell.observation_NO[1 - arm][part], before[arm][part], atol=3e-6)
    arena.close()
