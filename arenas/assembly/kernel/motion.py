"""Compiled: from an action to joint velocities, and from joint angles to where everything is.

World's frame unless said. Axes: N arms, J joints, K parts, A action.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from arenas.assembly.kernel.kinematics import PULL, damped, follow, twist_to, within
from arenas.jit import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

EE_SPEED, YAW_SPEED, JOINT_SPEED = 0.6, 3.0, 2.0
"""What 1 means in an action: m/s of the tool, rad/s of its turn, rad/s of a joint."""
LEASH, YAW_LEASH = 0.06, 0.3
EE_DELTA, EE_DELTA6, JOINT_VEL, JOINT_DELTA = range(4)
OPEN_WIDTH = 0.08
"""How far fingers open, in m; a hand that is told to open less than all but 1 mm grips."""


@compiled
def wrapped(angle: float, ways: int) -> float:
    """The least turn that has the same effect, among `ways` equal ones in a full turn (0: none is needed)."""
    if ways == 0:
        return 0.0
    period = 2 * math.pi / ways
    return angle - period * math.floor(angle / period + 0.5)


@compiled
def to_matrix(quaternion_4: Floats, out_33: Floats) -> None:
    """Rotation matrix of a unit quaternion (x y z w)."""
    x, y, z, w = quaternion_4[0], quaternion_4[1], quaternion_4[2], quaternion_4[3]
    out_33[0, 0], out_33[0, 1], out_33[0, 2] = (
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
    )
    out_33[1, 0], out_33[1, 1], out_33[1, 2] = (
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
    )
    out_33[2, 0], out_33[2, 1], out_33[2, 2] = (
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    )


@compiled
def sense(
    q_NJ: Floats,
    qd_NJ: Floats,
    part_K13: Floats,
    before_J44: Floats,
    tool_44: Floats,
    base_N44: Floats,
    frame_NJ44: Floats,
    jacobian_N6J: Floats,
    tool_N44: Floats,
    speed_N3: Floats,
    turn_K33: Floats,
    radius_K: Floats,
    grips_N: Flags,
    holds_NK: Flags,
    near_NK: Flags,
) -> bool:
    """Frames of joints and tools, tools' speeds, parts' rotations; whether a hand that grips is near a part.

    `near_NK` says which; until the engine was asked for contacts nobody holds anything.
    """
    anything = False
    for i in range(q_NJ.shape[0]):
        follow(q_NJ[i], before_J44, tool_44, base_N44[i], frame_NJ44[i], jacobian_N6J[i], tool_N44[i])
        for a in range(3):
            speed_N3[i, a] = 0.0
            for j in range(q_NJ.shape[1]):
                speed_N3[i, a] += jacobian_N6J[i, a, j] * qd_NJ[i, j]
    for k in range(part_K13.shape[0]):
        to_matrix(part_K13[k, 3:7], turn_K33[k])
        for i in range(q_NJ.shape[0]):
            away = 0.0
            for a in range(3):
                away += (tool_N44[i, a, 3] - part_K13[k, a]) ** 2
            near_NK[i, k] = grips_N[i] and math.sqrt(away) < radius_K[k]
            anything = anything or near_NK[i, k]
            holds_NK[i, k] = False
    return anything


@compiled
def turn_by(vector_3: Floats, turn_44: Floats) -> None:
    """Rotate a frame in place by a small rotation vector (its length is the angle)."""
    angle = math.sqrt(vector_3[0] ** 2 + vector_3[1] ** 2 + vector_3[2] ** 2)
    if angle < 1e-12:
        return
    x, y, z = vector_3[0] / angle, vector_3[1] / angle, vector_3[2] / angle
    c, s = math.cos(angle), math.sin(angle)
    for column in range(3):
        u, v, w = turn_44[0, column], turn_44[1, column], turn_44[2, column]
        along = (x * u + y * v + z * w) * (1 - c)
        turn_44[0, column] = u * c + (y * w - z * v) * s + x * along
        turn_44[1, column] = v * c + (z * u - x * w) * s + y * along
        turn_44[2, column] = w * c + (x * v - y * u) * s + z * along


@compiled
def yaw_of(tool_44: Floats) -> float:
    """Yaw of a tool: of its x."""
    return math.atan2(tool_44[1, 0], tool_44[0, 0])


@compiled
def aim(mode: int, action_A: Floats, base_44: Floats, tool_44: Floats, target_44: Floats, dt: float) -> None:
    """Move the tool's target by an action, on a leash: what is out of reach does not pile up."""
    for a in range(3):
        target_44[a, 3] += (
            EE_SPEED
            * dt
            * (base_44[a, 0] * action_A[0] + base_44[a, 1] * action_A[1] + base_44[a, 2] * action_A[2])
        )
    lead = 0.0
    for a in range(3):
        lead += (target_44[a, 3] - tool_44[a, 3]) ** 2
    lead = math.sqrt(lead)
    if lead > LEASH:
        for a in range(3):
            target_44[a, 3] = tool_44[a, 3] + (target_44[a, 3] - tool_44[a, 3]) * LEASH / lead
    turn_3 = np.zeros(3)
    if mode == EE_DELTA:
        ahead = wrapped(yaw_of(target_44) - yaw_of(tool_44), 1)
        turn_3[2] = min(max(ahead + YAW_SPEED * dt * action_A[3], -YAW_LEASH), YAW_LEASH) - ahead
    else:
        for a in range(3):
            for b in range(3):
                turn_3[a] += YAW_SPEED * dt * base_44[a, b] * action_A[3 + b]
    turn_by(turn_3, target_44)


@compiled
def servo(
    mode: int,
    to_home: float,
    dt: float,
    active_N: Flags,
    action_NA: Floats,
    q_NJ: Floats,
    goal_NJ: Floats,
    base_N44: Floats,
    tool_N44: Floats,
    target_N44: Floats,
    jacobian_N6J: Floats,
    home_J: Floats,
    low_J: Floats,
    high_J: Floats,
    speed_J: Floats,
    qd_NJ: Floats,
    open_N: Floats,
    grips_N: Flags,
) -> None:
    """Joint velocities of each arm for its action, zeros where it has stopped, and how far its hand opens."""
    joints, grip = q_NJ.shape[1], action_NA.shape[1] - 1
    twist_6, rest_J = np.empty(6), np.empty(joints)
    for i in range(q_NJ.shape[0]):
        open_N[i] = 0.5 * OPEN_WIDTH * (action_NA[i, grip] + 1)
        grips_N[i] = open_N[i] < OPEN_WIDTH - 0.001
        if not active_N[i]:
            for j in range(joints):
                qd_NJ[i, j] = 0.0
            continue
        if mode in {EE_DELTA, EE_DELTA6}:
            aim(mode, action_NA[i], base_N44[i], tool_N44[i], target_N44[i], dt)
            twist_to(tool_N44[i], target_N44[i], dt, twist_6)
            for j in range(joints):
                rest_J[j] = to_home * (home_J[j] - q_NJ[i, j])
            damped(jacobian_N6J[i], twist_6, rest_J, qd_NJ[i])
        elif mode == JOINT_VEL:
            for j in range(joints):
                qd_NJ[i, j] = JOINT_SPEED * action_NA[i, j]
        else:
            most = JOINT_SPEED * dt
            for j in range(joints):
                goal = goal_NJ[i, j] + most * action_NA[i, j]
                goal_NJ[i, j] = min(max(goal, q_NJ[i, j] - 2 * most), q_NJ[i, j] + 2 * most)
                qd_NJ[i, j] = PULL * (goal_NJ[i, j] - q_NJ[i, j]) / dt
        within(q_NJ[i], low_J, high_J, speed_J, dt, qd_NJ[i])
