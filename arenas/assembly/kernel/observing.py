"""Compiled: the observations of all arms, as `layout` has them.

World's frame unless said. Axes: N arms, J joints, K parts, M mates, A action, O observation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from arenas.assembly.kernel.judging import grasp_of
from arenas.assembly.kernel.layout import OTHER_SIZE, TASK_SIZE
from arenas.assembly.kernel.motion import wrapped, yaw_of
from arenas.jit import compiled

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Mate = Any  # a record of `plan.MATE`, as numba sees it
    Row = NDArray[np.float32]


@compiled
def put(out_O: Row, at: int, base_44: Floats, x: float, y: float, z: float) -> int:
    """Write a vector in a base's frame; returns where to go on."""
    for a in range(3):
        out_O[at + a] = base_44[0, a] * x + base_44[1, a] * y + base_44[2, a] * z
    return at + 3


@compiled
def put_tool(out_O: Row, at: int, base_44: Floats, tool_44: Floats, speed_3: Floats) -> int:
    """Position, rotation and velocity of a tool in a base's frame."""
    at = put(
        out_O,
        at,
        base_44,
        tool_44[0, 3] - base_44[0, 3],
        tool_44[1, 3] - base_44[1, 3],
        tool_44[2, 3] - base_44[2, 3],
    )
    at = put(out_O, at, base_44, tool_44[0, 0], tool_44[1, 0], tool_44[2, 0])
    at = put(out_O, at, base_44, tool_44[0, 1], tool_44[1, 1], tool_44[2, 1])
    return put(out_O, at, base_44, speed_3[0], speed_3[1], speed_3[2])


@compiled
def put_others(
    out_O: Row,
    at: int,
    i: int,
    seats: int,
    width_N: Floats,
    active_N: Flags,
    holds_NK: Flags,
    base_44: Floats,
    tool_N44: Floats,
    speed_N3: Floats,
    frame_NJ44: Floats,
) -> int:
    """What an arm sees of the others, its next neighbour first; zeros for seats without an arm."""
    arms = tool_N44.shape[0]
    for step in range(1, seats):
        if step >= arms:
            out_O[at : at + OTHER_SIZE] = 0.0
            at += OTHER_SIZE
            continue
        other = (i + step) % arms
        at = put_tool(out_O, at, base_44, tool_N44[other], speed_N3[other])
        out_O[at] = width_N[other]
        out_O[at + 1] = 1.0 if holds_NK[other].any() else 0.0
        out_O[at + 2] = 1.0 if active_N[other] else 0.0
        at += 3
        for joint in (3, 5):
            at_3 = frame_NJ44[other, joint, :3, 3]
            at = put(out_O, at, base_44, at_3[0] - base_44[0, 3], at_3[1] - base_44[1, 3], at_3[2])
    return at


@compiled
def put_part(
    out_O: Row,
    at: int,
    held: int,
    place_13: Floats,
    turn_33: Floats,
    base_44: Floats,
    tool_44: Floats,
    grasp_3: Floats,
    turn_to_grasp: float,
    mine: bool,
    mate: Mate,
    goal_4: Floats,
    done: bool,
) -> int:
    """A part, where it is to go, and what this arm has to do with it."""
    x, y, z = place_13[0], place_13[1], place_13[2]
    at = put(out_O, at, base_44, x - base_44[0, 3], y - base_44[1, 3], z)
    at = put(out_O, at, base_44, turn_33[0, 0], turn_33[1, 0], turn_33[2, 0])
    at = put(out_O, at, base_44, turn_33[0, 1], turn_33[1, 1], turn_33[2, 1])
    at = put(out_O, at, base_44, place_13[7], place_13[8], place_13[9])
    gx, gy, gz = grasp_3[0] - tool_44[0, 3], grasp_3[1] - tool_44[1, 3], grasp_3[2] - tool_44[2, 3]
    at = put(out_O, at, base_44, gx, gy, gz)
    at = put(out_O, at, base_44, goal_4[0] - x, goal_4[1] - y, goal_4[2] - z)
    out_O[at] = turn_to_grasp
    out_O[at + 1] = goal_4[3] - math.atan2(turn_33[1, 0], turn_33[0, 0])
    out_O[at + 2] = 1.0 if mine else 0.0
    out_O[at + 3] = held
    out_O[at + 4] = mate.hands
    out_O[at + 5] = 1.0 if done else 0.0
    out_O[at + 6] = mate.keep
    out_O[at + 7] = 1.0
    return at + 8


@compiled
def put_parts(
    out_O: Row,
    at: int,
    i: int,
    holds_NK: Flags,
    base_44: Floats,
    tool_44: Floats,
    part_K13: Floats,
    turn_K33: Floats,
    mate_M: NDArray[np.void],
    order_K: NDArray[np.int64],
    goal_M4: Floats,
    done_M: Flags,
    active_M: Flags,
    current_K: NDArray[np.int64],
) -> int:
    """All parts in this arm's order, each with the step that it is in."""
    grasp_3, nowhere_4 = np.empty(3), np.empty(4)
    for k in order_K:
        m, held = current_K[k], holds_NK[:, k].sum()
        grasp_3[:] = part_K13[k, :3]
        if m < 0:  # it is fixed: its goal is where it is, and no arm has to do with it
            nowhere_4[:3] = part_K13[k, :3]
            nowhere_4[3] = math.atan2(turn_K33[k, 1, 0], turn_K33[k, 0, 0])
            at = put_part(
                out_O,
                at,
                held,
                part_K13[k],
                turn_K33[k],
                base_44,
                tool_44,
                grasp_3,
                0.0,
                False,
                mate_M[0],
                nowhere_4,
                False,
            )
            out_O[at - 4] = out_O[at - 2] = 0.0  # it takes no hands, and is kept by none
            continue
        mate, turn = mate_M[m], 0.0
        if mate.hand[i]:
            grasp_of(mate, i, part_K13, turn_K33, grasp_3)
            yaw = math.atan2(turn_K33[k, 1, 0], turn_K33[k, 0, 0])
            turn = wrapped(yaw + mate.grasp[i, 3] - yaw_of(tool_44), mate.fold[i])
        mine = mate.hand[i] != 0 and active_M[m] and (mate.keep != 0 or not done_M[m])
        at = put_part(
            out_O,
            at,
            held,
            part_K13[k],
            turn_K33[k],
            base_44,
            tool_44,
            grasp_3,
            turn,
            mine,
            mate,
            goal_M4[m],
            done_M[m],
        )
    return at


@compiled
def observe(
    seats: int,
    stage: int,
    time: float,
    q_NJ: Floats,
    qd_NJ: Floats,
    width_N: Floats,
    active_N: Flags,
    holds_NK: Flags,
    last_NA: Floats,
    base_N44: Floats,
    tool_N44: Floats,
    speed_N3: Floats,
    target_N44: Floats,
    frame_NJ44: Floats,
    part_K13: Floats,
    turn_K33: Floats,
    mate_M: NDArray[np.void],
    order_NK: NDArray[np.int64],
    goal_M4: Floats,
    done_M: Flags,
    active_M: Flags,
    current_K: NDArray[np.int64],
    reach_N3: Floats,
    out_NO: NDArray[np.float32],
) -> None:
    """The observations of all arms, as `layout` has them."""
    joints, actions = q_NJ.shape[1], last_NA.shape[1]
    for i in range(q_NJ.shape[0]):
        out_O, base_44, tool_44, target_44 = out_NO[i], base_N44[i], tool_N44[i], target_N44[i]
        out_O[:joints] = q_NJ[i]
        out_O[joints : 2 * joints] = qd_NJ[i]
        out_O[2 * joints] = width_N[i]
        at = put_tool(out_O, 2 * joints + 1, base_44, tool_44, speed_N3[i])
        out_O[at] = 1.0 if holds_NK[i].any() else 0.0
        x, y, z = tool_44[0, 3], tool_44[1, 3], tool_44[2, 3]
        at = put(out_O, at + 1, base_44, target_44[0, 3] - x, target_44[1, 3] - y, target_44[2, 3] - z)
        out_O[at] = wrapped(yaw_of(target_44) - yaw_of(tool_44), 1)
        out_O[at + 1 : at + 1 + actions] = last_NA[i]
        at += 1 + actions
        at = put_others(
            out_O, at, i, seats, width_N, active_N, holds_NK, base_44, tool_N44, speed_N3, frame_NJ44
        )
        at = put_parts(
            out_O,
            at,
            i,
            holds_NK,
            base_44,
            tool_44,
            part_K13,
            turn_K33,
            mate_M,
            order_NK[i],
            goal_M4,
            done_M,
            active_M,
            current_K,
        )
        out_O[at:] = 0.0  # parts that are not there, and the rest of the task
        at = out_O.shape[0] - TASK_SIZE
        out_O[at + stage] = 1.0
        out_O[at + TASK_SIZE - 4] = time
        reach_3 = reach_N3[i]
        put(out_O, at + TASK_SIZE - 3, base_44, reach_3[0] - x, reach_3[1] - y, reach_3[2] - z)
