"""Compiled: which mates hold, whose turn it is, and how far each has come.

World's frame. Axes: N arms, K parts, M mates, I joints of mates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from arenas.assembly.kernel.motion import wrapped
from arenas.jit import compiled

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Mate = Any  # a record of `plan.MATE`, as numba sees it

REST_SPEED, CLEAR = 0.02, 0.06
"""A part rests below this speed (m/s); a hand has left when it is so far from where it grasped (m)."""
LOST_RADIUS, LOST_DEPTH = 0.95, -0.05
"""A part farther from the centre, or deeper, is where no arm can take it (m)."""
XY, Z, YAW, TILT = range(4)


@compiled
def place_goal(
    mate: Mate,
    joint_I: NDArray[np.void],
    want_I3: Floats,
    turn_33: Floats,
    yaw: float,
    now: float,
    goal_4: Floats,
) -> None:
    """Where a part's origin should be so that its points are where they should be, upright and turned.

    A part that hangs askew in the hand is led by the points that must meet, not by its centre.
    """
    c, s, c_now, s_now = math.cos(yaw), math.sin(yaw), math.cos(now), math.sin(now)
    goal_4[:3] = 0.0
    for i in range(mate.first, mate.first + mate.joints):
        point = joint_I[i].point
        x, y = (
            (c_now - c) * point[0] - (s_now - s) * point[1],
            (s_now - s) * point[0] + (c_now - c) * point[1],
        )
        goal_4[0] += (want_I3[i, 0] + x) / mate.joints
        goal_4[1] += (want_I3[i, 1] + y) / mate.joints
        goal_4[2] += want_I3[i, 2] / mate.joints
        for a in range(3):
            for b in range(3):
                goal_4[a] -= turn_33[a, b] * point[b] / mate.joints


@compiled
def goals(
    mate_M: NDArray[np.void],
    joint_I: NDArray[np.void],
    part_K13: Floats,
    turn_K33: Floats,
    site_44: Floats,
    goal_M4: Floats,
    error_M4: Floats,
) -> None:
    """Where each mate wants its part (x y z yaw), and how far it is from there (XY, Z, YAW, TILT)."""
    want_I3 = np.empty((joint_I.shape[0], 3))
    anchor_33 = np.empty((3, 3))
    for m in range(mate_M.shape[0]):
        mate = mate_M[m]
        k, first, last = mate.part, mate.first, mate.first + mate.joints
        for e in range(4):
            error_M4[m, e] = 0.0
        yaw_anchor = 0.0
        for i in range(first, last):
            joint = joint_I[i]
            if joint.onto < 0:
                anchor_33[:] = site_44[:3, :3]
            else:
                anchor_33[:] = turn_K33[joint.onto]
            miss_3 = np.zeros(3)
            for a in range(3):
                origin = site_44[a, 3] if joint.onto < 0 else part_K13[joint.onto, a]
                want_I3[i, a] = origin
                miss_3[a] = part_K13[k, a]
                for b in range(3):
                    want_I3[i, a] += anchor_33[a, b] * joint.at[b]
                    miss_3[a] += turn_K33[k, a, b] * joint.point[b]
                miss_3[a] -= want_I3[i, a]
            x = y = z = lean = 0.0
            for a in range(3):
                x += anchor_33[a, 0] * miss_3[a]
                y += anchor_33[a, 1] * miss_3[a]
                z += anchor_33[a, 2] * miss_3[a]
                lean += anchor_33[a, 2] * turn_K33[k, a, 2]
            error_M4[m, XY] = max(error_M4[m, XY], math.sqrt(x * x + y * y))
            error_M4[m, Z] = max(error_M4[m, Z], abs(z))
            error_M4[m, TILT] = max(error_M4[m, TILT], math.acos(min(max(lean, -1.0), 1.0)))
            yaw_anchor = math.atan2(anchor_33[1, 0], anchor_33[0, 0])
        if mate.joints == 1:
            yaw = yaw_anchor + mate.turn
        else:
            far, near = joint_I[first + 1], joint_I[first]
            yaw = math.atan2(
                want_I3[first + 1, 1] - want_I3[first, 1], want_I3[first + 1, 0] - want_I3[first, 0]
            ) - math.atan2(far.point[1] - near.point[1], far.point[0] - near.point[0])
        now = math.atan2(turn_K33[k, 1, 0], turn_K33[k, 0, 0])
        left = wrapped(yaw - now, mate.ways)
        yaw = now + left
        error_M4[m, YAW] = abs(left)
        goal_M4[m, 3] = yaw
        place_goal(mate, joint_I, want_I3, turn_K33[k], yaw, now, goal_M4[m])


@compiled
def grasp_of(mate: Mate, arm: int, part_K13: Floats, turn_K33: Floats, out_3: Floats) -> None:
    """Where an arm grasps a mate's part."""
    for a in range(3):
        out_3[a] = part_K13[mate.part, a]
        for b in range(3):
            out_3[a] += turn_K33[mate.part, a, b] * mate.grasp[arm, b]


@compiled
def fits(mate: Mate, error_4: Floats, height: float, slack: float) -> bool:
    """Whether a part is where its mate wants it, within so many tolerances."""
    if mate.above > 0:
        return bool(height > mate.above / slack)
    return bool(
        error_4[XY] < mate.xy * slack
        and error_4[Z] < mate.z * slack
        and error_4[YAW] < mate.yaw * slack
        and error_4[TILT] < mate.tilt * slack
    )


@compiled
def judge(
    mate_M: NDArray[np.void],
    joint_I: NDArray[np.void],
    after_MM: Flags,
    site_44: Floats,
    part_K13: Floats,
    turn_K33: Floats,
    tool_N44: Floats,
    holds_NK: Flags,
    goal_M4: Floats,
    error_M4: Floats,
    done_M: Flags,
    seated_M: Flags,
    active_M: Flags,
    current_K: NDArray[np.int64],
    potential_M: Floats,
) -> None:
    """Which mates hold, which are done, whose turn it is, and how far each has come (0 to 1).

    A mate that a later one of the same part follows is done once and for all; the last of its part is done
    while it holds, and forgets that only beyond twice the tolerances.
    """
    goals(mate_M, joint_I, part_K13, turn_K33, site_44, goal_M4, error_M4)
    arms = tool_N44.shape[0]
    grasp_3 = np.empty(3)
    for k in range(current_K.shape[0]):
        current_K[k] = -1
    for m in range(mate_M.shape[0]):
        mate = mate_M[m]
        k = mate.part
        speed = math.sqrt(part_K13[k, 7] ** 2 + part_K13[k, 8] ** 2 + part_K13[k, 9] ** 2)
        holds = free = True
        for i in range(arms):
            holds = holds and (holds_NK[i, k] or not mate.hand[i])
            free = free and not holds_NK[i, k]
            if mate.hand[i]:
                grasp_of(mate, i, part_K13, turn_K33, grasp_3)
                gap = 0.0
                for a in range(3):
                    gap += (tool_N44[i, a, 3] - grasp_3[a]) ** 2
                free = free and math.sqrt(gap) > CLEAR
        let_go = holds if mate.keep else free and speed < REST_SPEED
        seated_M[m] = let_go and fits(mate, error_M4[m], part_K13[k, 2], 1.0)
        latched = done_M[m] and not mate.last
        stays = done_M[m] and fits(mate, error_M4[m], part_K13[k, 2], 2.0)
        active_M[m] = True
        for other in range(m):
            active_M[m] = active_M[m] and (done_M[other] or not after_MM[m, other])
        done_M[m] = latched or stays or (seated_M[m] and active_M[m])
        if current_K[k] < 0 and (not done_M[m] or mate.last):
            current_K[k] = m
    for m in range(mate_M.shape[0]):
        mate = mate_M[m]
        if done_M[m]:
            potential_M[m] = 1.0
        elif not active_M[m] or current_K[mate.part] != m:
            potential_M[m] = 0.0
        else:
            potential_M[m] = progress(mate, part_K13, turn_K33, tool_N44, holds_NK, goal_M4[m], error_M4[m])


@compiled
def progress(
    mate: Mate,
    part_K13: Floats,
    turn_K33: Floats,
    tool_N44: Floats,
    holds_NK: Flags,
    goal_4: Floats,
    error_4: Floats,
) -> float:
    """0.15 reach + 0.15 grasp + 0.3 transport + 0.2 align; of several hands the least.

    Beyond a tilt of 30 degrees only the reach counts.
    """
    k = mate.part
    reach, grasp = 1.0, 1.0
    grasp_3 = np.empty(3)
    for i in range(tool_N44.shape[0]):
        if mate.hand[i]:
            grasp_of(mate, i, part_K13, turn_K33, grasp_3)
            gap = 0.0
            for a in range(3):
                gap += (tool_N44[i, a, 3] - grasp_3[a]) ** 2
            reach = min(reach, 1 - math.tanh(5 * math.sqrt(gap)))
            grasp = min(grasp, 1.0 if holds_NK[i, k] else 0.0)
    if error_4[TILT] > math.pi / 6:
        return float(0.15 * reach)
    far = 0.0
    for a in range(3):
        far += (goal_4[a] - part_K13[k, a]) ** 2
    if mate.above > 0:
        ahead = min(max(part_K13[k, 2] / mate.above, 0.0), 1.0)
        return float(0.15 * reach + 0.15 * grasp + 0.5 * ahead)
    transport = 1 - math.tanh(5 * math.sqrt(far))
    align = (1 - math.tanh(error_4[XY] / 0.02)) * (1 - math.tanh(error_4[YAW] / 0.3))
    return float(0.15 * reach + 0.15 * grasp + 0.3 * transport + 0.2 * align)


@compiled
def any_lost(part_K13: Floats) -> bool:
    """Whether a part is where no arm can take it."""
    for k in range(part_K13.shape[0]):
        x, y, z = part_K13[k, 0], part_K13[k, 1], part_K13[k, 2]
        if z < LOST_DEPTH or x * x + y * y > LOST_RADIUS**2:
            return True
    return False


@compiled
def all_seated(mate_M: NDArray[np.void], seated_M: Flags) -> bool:
    """Whether all mates hold that the finished product consists of."""
    seated = True
    for m in range(mate_M.shape[0]):
        seated = seated and (seated_M[m] or not mate_M[m]["last"])
    return seated


@compiled
def tally(
    mate_M: NDArray[np.void],
    seated_M: Flags,
    potential_M: Floats,
    part_K13: Floats,
    reach_N3: Floats,
    tool_N44: Floats,
    action_NA: Floats,
    out_N6: Floats,
) -> None:
    """Distance to the target, squared action, own progress, the team's, any part lost (0 or 1), all seated.

    Without mates progress is 1 - tanh(5 distance); an arm that has a hand in no mate has the team's.
    """
    arms, team = tool_N44.shape[0], 0.0
    for i in range(arms):
        gap = effort = own = 0.0
        for a in range(3):
            gap += (reach_N3[i, a] - tool_N44[i, a, 3]) ** 2
        for a in range(action_NA.shape[1]):
            effort += action_NA[i, a] ** 2
        hands = 0
        for m in range(mate_M.shape[0]):
            if mate_M[m].hand[i]:
                own += potential_M[m]
                hands += 1
        gap = math.sqrt(gap)
        out_N6[i, 0], out_N6[i, 1] = gap, effort
        out_N6[i, 2] = own / hands if hands else -1.0
        if mate_M.shape[0] == 0:
            out_N6[i, 2] = 1 - math.tanh(5 * gap)
            team += out_N6[i, 2] / arms
    if mate_M.shape[0] > 0:
        team = potential_M.sum() / mate_M.shape[0]
    lost = 1.0 if any_lost(part_K13) else 0.0
    seated = 1.0 if all_seated(mate_M, seated_M) else 0.0
    for i in range(arms):
        out_N6[i, 3], out_N6[i, 4], out_N6[i, 5] = team, lost, seated
        if out_N6[i, 2] < 0:
            out_N6[i, 2] = team
