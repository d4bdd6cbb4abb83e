"""Symmetry: turned by one place, with arms and parts passed on, the room is the same to everybody in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="the physics engine has no wheel for this Python")

from arenas.assembly import Assembly, preset
from arenas.assembly.kernel.layout import slices_of
from arenas.assembly.plan import plan_of
from arenas.assembly.product import Block, Hand, Joint, Mate, Part, Product

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.timeout(900)  # numba compiles the kernel in a fresh checkout


def turned(pose_K7: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Poses after a turn about the middle of the table."""
    turn_22 = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    x, y, z, w = pose_K7[:, 3:].T
    c, s = np.cos(angle / 2), np.sin(angle / 2)
    spun = np.stack([c * x - s * y, c * y + s * x, c * z + s * w, c * w - s * z], axis=1)
    return np.concatenate([pose_K7[:, :2] @ turn_22.T, pose_K7[:, 2:3], spun], axis=1)


def pass_on(arena: Assembly, order: list[int]) -> None:
    """Turn the room by one place: each arm has what the arm before it had, the parts those of an order."""
    cell, world = arena.cell, arena.cell.world
    angle = 2 * np.pi / len(world.q_NJ)
    q_NJ, width_N = np.roll(world.q_NJ, 1, axis=0), np.roll(world.width_N, 1)
    pose_K7 = turned(world.part_K13[:, :7], angle)[order]
    for points in (cell.site_44[:3, 3][None], cell.reach_N3):
        points[:, :2] = turned(np.pad(points, ((0, 0), (0, 4))), angle)[:, :2]
    cell.reach_N3[:] = np.roll(cell.reach_N3, 1, axis=0)
    cell.begin(q_NJ, width_N, pose_K7)
    cell.conclude(arena.stage_number, 0.0)


@pytest.mark.parametrize(
    ("name", "arms"), [("reach", 2), ("lift", 2), ("reach", 4), ("lift", 4), ("stack", 4)]
)
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_arms_around_the_table_see_the_same(name: str, arms: int, seed: int) -> None:
    """Property 7, where each arm has a target or block of its own: all numbers are equal, each in its place.

    So one policy serves all arms. Who has which turn in stacking does not turn with the room.
    """
    arena = Assembly(**preset(name, arms=arms))
    arena.reset(seed=seed)
    spans = slices_of(arena.room, arena.part_room, arena.action_size)
    turns = {"to_goal", "turn_to_goal", "mine", "placed"} if name == "stack" else set()
    kept = np.ones(arena.cell.observation_NO.shape[1], np.bool_)
    for field, (first, last) in spans.items():
        kept[first:last] = field.partition(".")[2] not in turns
    before = [row.copy() for row in arena.cell.observation_NO]
    assert np.abs(before[0] - before[1])[kept].max() > 0.001, "two equal arms would prove nothing"
    pass_on(arena, [] if name == "reach" else [(k - 1) % arms for k in range(arms)])
    for arm in range(arms):
        seen = arena.cell.observation_NO[(arm + 1) % arms]
        np.testing.assert_allclose(seen[kept], before[arm][kept], atol=3e-6)
    arena.close()


@pytest.mark.parametrize(
    ("stage", "arms", "expected"),
    [
        ("bridge", 2, [["left_pillar", "beam", "right_pillar"], ["right_pillar", "beam", "left_pillar"]]),
        ("insert", 2, [["peg", "socket"], ["peg", "socket"]]),
        ("insert_held", 2, [["peg", "socket"], ["socket", "peg"]]),
    ],
)
def test_an_arm_sees_its_own_parts_first(stage: str, arms: int, expected: list[list[str]]) -> None:
    """Its own as it comes to move them, then its neighbour's; what nobody moves comes last."""
    arena = Assembly(**preset(stage, arms=arms))
    assert arena.product is not None
    names = [part.name for part in arena.product.parts]
    assert [[names[k] for k in row] for row in arena.plan.order_NK] == expected
    arena.close()


def test_an_arm_sees_the_next_one_first() -> None:
    """The other arms go around the table from the next seat on; absent ones are zeros, and last."""
    arena = Assembly(**preset("reach", arms=3, seats=4))
    arena.reset(seed=1)
    cell, spans = arena.cell, slices_of(4, 0, 5)
    for arm, row in enumerate(cell.observation_NO):
        base_44 = cell.world.base_N44[arm]
        for place in range(2):
            tool_3 = cell.tool_N44[(arm + 1 + place) % 3, :3, 3]
            expected = base_44[:3, :3].T @ (tool_3 - base_44[:3, 3])
            np.testing.assert_allclose(row[slice(*spans[f"other_{place}.tool"])], expected, atol=1e-6)
        assert not row[spans["other_2.tool"][0] : spans["other_2.wrist"][1]].any()
    arena.close()


def test_an_arms_order_is_that_of_its_own_turns() -> None:
    """A part that an arm takes over late comes late for it, however early others move it."""
    blocks = (Block(size=(0.04, 0.04, 0.04)),)
    names = ("fixed", "passed", "own", "third")
    parts = tuple(Part(name=name, blocks=blocks, start=(0, 0, 0)) for name in names)
    steps = (("passed", 1), ("own", 0), ("passed", 0), ("third", 2))
    mates = tuple(
        Mate(part=part, hands=(Hand(arm=arm),), joints=(Joint(at=(0, 0, 0)),)) for part, arm in steps
    )
    product = Product(name="turns", arms=3, parts=parts, mates=mates)
    order_NK = plan_of(product, 4, suction=False, tolerance=None).order_NK
    assert [[names[k] for k in row] for row in order_NK] == [
        ["own", "passed", "third", "fixed"],
        ["passed", "third", "own", "fixed"],
        ["third", "own", "passed", "fixed"],
        ["own", "passed", "third", "fixed"],
    ]


@pytest.mark.parametrize("name", ["carry", "insert"])
def test_arms_across_see_shared_parts_mirrored(name: str) -> None:
    """Property 7, where parts are shared: all of both arms, and where and how every part is and moves.

    Whose grasp is whose does not turn with the part.
    """
    arena = Assembly(**preset(name))
    arena.reset(seed=11)
    before = [row.copy() for row in arena.cell.observation_NO]
    pass_on(arena, list(range(arena.part_room)))
    spans = slices_of(arena.room, arena.part_room, arena.action_size)
    fields = [
        f"part_{k}.{field}" for k in range(arena.part_room) for field in ("position", "rotation", "velocity")
    ]
    kept = [slice(0, spans["part_0.position"][0]), *[slice(*spans[field]) for field in fields]]
    for arm in range(2):
        for part in kept:
            np.testing.assert_allclose(arena.cell.observation_NO[1 - arm][part], before[arm][part], atol=3e-6)
    arena.close()
