"""How a match begins: home postures, parts in their places, or, in reverse, near the end.

Axes: N arms, J joints, K parts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from arenas.assembly.kernel.kinematics import solve_pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from arenas.assembly.cell import Cell
    from arenas.assembly.options import AssemblyOptions
    from arenas.assembly.physics.scene import Body
    from arenas.assembly.plan import Plan
    from arenas.assembly.product import Product

    Floats = NDArray[np.float64]

POSTURE_NOISE = 0.03
"""Joint angles at the start are drawn from so much on either side of home, in rad."""
OPEN = 0.08
ABOVE_GOAL, ABOVE_RIM, ASIDE = 0.04, 0.02, 0.03
"""In reverse a part begins at least so far above its goal, above what it goes into, and beside both (m).

Let go of at once it must not fall into its place.
"""
DOWN_33 = np.diag([1.0, -1.0, -1.0])


def draw_start(
    cell: Cell, options: AssemblyOptions, product: Product | None, plan: Plan, rng: np.random.Generator
) -> None:
    """Draw a start and put the cell into it."""
    arms = options.arms
    q_NJ = cell.home_J + rng.uniform(-POSTURE_NOISE, POSTURE_NOISE, (arms, len(cell.home_J)))
    width_N = np.full(arms, OPEN)
    if product is None:
        cell.begin(q_NJ, width_N, np.zeros((0, 7)))
        far = 0.65 if arms == 1 else 0.5
        for arm in range(arms):
            ahead, angle, height = rng.uniform((0.35, -0.5, 0.1), (far, 0.5, 0.4))
            base_44 = cell.world.base_N44[arm]
            local = np.array([ahead * math.cos(angle), ahead * math.sin(angle), height])
            cell.reach_N3[arm] = base_44[:3, :3] @ local + base_44[:3, 3]
        return
    cell.site_44[:2, 3] = rng.uniform(-product.site_spread, product.site_spread, 2)
    pose_K7 = np.zeros((len(product.parts), 7))
    for k, part in enumerate(product.parts):
        pose_K7[k, :3] = part.start
        pose_K7[k, :2] += rng.uniform(-part.spread, part.spread, 2)
        turn = part.turn + rng.uniform(-part.turn_spread, part.turn_spread)
        pose_K7[k, 5], pose_K7[k, 6] = math.sin(turn / 2), math.cos(turn / 2)
    cell.begin(q_NJ, width_N, pose_K7)
    if options.near is not None:
        _approach(cell, plan, options.near, q_NJ, pose_K7, rng)
        cell.begin(q_NJ, width_N, pose_K7)
    if rng.random() < options.reverse:
        _near_end(cell, plan, q_NJ, pose_K7, rng)


def _near_end(cell: Cell, plan: Plan, q_NJ: Floats, pose_K7: Floats, rng: np.random.Generator) -> None:
    """Do the mates before one that is drawn, and put that one's part into the hands, near its goal."""
    mate, width_N = int(rng.integers(len(plan.mate_M))), np.full(len(q_NJ), OPEN)
    for m in range(mate + 1):
        cell.conclude(0, 0.0)
        x, y, z, yaw = cell.goal_M4[m].tolist()
        part = int(plan.mate_M["part"][m])
        pose_K7[part] = (x, y, z, 0, 0, math.sin(yaw / 2), math.cos(yaw / 2))
        if m < mate:
            _take(cell, plan, m, q_NJ, width_N, pose_K7[part], held=bool(plan.mate_M["keep"][m]))
        cell.begin(q_NJ, width_N, pose_K7)
    part = int(plan.mate_M["part"][mate])
    pose_K7[part, 2] = _height(cell, plan, mate, pose_K7)
    angle = rng.uniform(-math.pi, math.pi)
    aside = max(ASIDE, 1.5 * float(plan.mate_M["xy"][mate]))
    pose_K7[part, :2] += aside * math.cos(angle), aside * math.sin(angle)
    for arm in np.flatnonzero(cell_hands(plan, part)).tolist():
        q_NJ[arm], width_N[arm] = cell.home_J, OPEN
    _take(cell, plan, mate, q_NJ, width_N, pose_K7[part], held=True)
    cell.begin(q_NJ, width_N, pose_K7)
    cell.done_M[:mate] = True


def _height(cell: Cell, plan: Plan, mate: int, pose_K7: Floats) -> float:
    """How high a part begins that is at its goal: above what it goes into, below where it is lifted to."""
    row = plan.mate_M[mate]
    goal, bodies = pose_K7[int(row["part"]), 2], cell.world.scene.bodies
    foot = min(centre[2] - half[2] for half, centre in bodies[int(row["part"])].boxes)
    if row["above"] > 0:
        return float(max(row["above"] - ABOVE_GOAL, -foot))
    onto = plan.joint_I["onto"][row["first"] : row["first"] + row["joints"]]
    rims = [
        float(pose_K7[k, 2]) + centre[2] + half[2] + ABOVE_RIM - foot
        for k in onto[onto >= 0].tolist()
        for half, centre in bodies[k].boxes
    ]
    return float(max(goal + ABOVE_GOAL, goal + 2 * row["z"], *rims))


def _approach(
    cell: Cell, plan: Plan, near: float, q_NJ: Floats, pose_K7: Floats, rng: np.random.Generator
) -> None:
    """Bring hands that have something to grasp on the way there: over it as high as they were, then down."""
    share_N = rng.uniform(near, 1.0, len(q_NJ))
    for arm, share in enumerate(share_N.tolist()):
        mates = np.flatnonzero(plan.mate_M["hand"][:, arm])
        if len(mates):
            row = plan.mate_M[mates[0]]
            pose_7 = pose_K7[int(row["part"])]
            high = cell.tool_N44[arm, 2, 3] - pose_7[2] - row["grasp"][arm][2]
            aside_J = q_NJ[arm] - _above(cell, row, arm, pose_7, high)[0]
            q_NJ[arm] = _above(cell, row, arm, pose_7, (1 - share) * high)[0] + (1 - share) * aside_J


def cell_hands(plan: Plan, part: int) -> NDArray[np.int64]:
    """Which arms ever have a hand in a part."""
    return np.asarray(plan.mate_M["hand"][plan.mate_M["part"] == part].max(0))


def _take(
    cell: Cell, plan: Plan, mate: int, q_NJ: Floats, width_N: Floats, pose_7: Floats, *, held: bool
) -> None:
    """Bring the hands of a mate to their grasps of a part in a pose, closed on it."""
    if not held:
        return
    row = plan.mate_M[mate]
    body = cell.world.scene.bodies[int(row["part"])]
    for arm in np.flatnonzero(row["hand"]).tolist():
        q_NJ[arm], across = _above(cell, row, arm, pose_7, 0.0)
        width_N[arm] = _width(body, row["grasp"][arm][:3].tolist(), across)


def _width(body: Body, grasp_3: list[float], across: float) -> float:
    """How far fingers are open that close on a part: they pass all of it that reaches as high as the grasp.

    Half of it is the outermost wall, along the closing axis, that open fingers can be beyond.
    """
    way, widest = (math.cos(across), math.sin(across)), 0.0
    for half, centre in body.boxes:
        if centre[2] + half[2] < grasp_3[2] - 1e-9:
            continue
        first, last = -math.inf, math.inf
        for a in range(2):
            off = centre[a] - grasp_3[a]
            if abs(way[a]) > 1e-6:
                ends = sorted(((off - half[a]) / way[a], (off + half[a]) / way[a]))
                first, last = max(first, ends[0]), min(last, ends[1])
            elif abs(off) > half[a]:
                last = -math.inf
        if first <= last:
            widest = max([widest, *(wall for wall in (abs(first), abs(last)) if wall <= OPEN / 2)])
    return 2 * widest or OPEN


def _above(
    cell: Cell,
    row: Any,  # noqa: ANN401  # a record of `plan.MATE`
    arm: int,
    pose_7: Floats,
    height: float,
) -> tuple[Floats, float]:
    """Joint angles with the tool so far above a mate's grasp of a part in a pose; where its fingers close."""
    yaw = 2 * math.atan2(pose_7[5], pose_7[6])
    c, s = math.cos(yaw), math.sin(yaw)
    x, y, z, turn = row["grasp"][arm].tolist()
    base_44 = cell.world.base_N44[arm]
    facing = math.atan2(base_44[1, 0], base_44[0, 0])
    period = 2 * math.pi / int(row["fold"][arm])
    ahead = yaw + turn - facing
    ahead -= period * math.floor(ahead / period + 0.5)
    cy, sy = math.cos(facing + ahead), math.sin(facing + ahead)
    target_44 = np.eye(4)
    target_44[:3, :3] = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1.0]]) @ DOWN_33
    target_44[:3, 3] = pose_7[:3] + np.array([c * x - s * y, s * x + c * y, z + height])
    chain = cell.world.chain
    q_J = solve_pose(cell.home_J, target_44, chain.before_J44, chain.tool_44, base_44)
    return q_J, math.pi / 2 + turn
