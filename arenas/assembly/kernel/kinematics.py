"""Where the arms are and how they move: forward kinematics, Jacobians, damped least squares.

All in the world's frame. Axes: N arms, J joints (7), 3 x y z, 6 linear and angular velocity.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from arenas.jit import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DAMPING = 4e-4
"""Square of the damping of the least squares."""
TO_HOME = 1.0
"""Pull to the home posture in the null space, 1/s."""
PULL = 0.8
"""Share of the way to the target that is covered in a control step."""


@compiled
def follow(
    q_J: Floats,
    before_J44: Floats,
    tool_44: Floats,
    base_44: Floats,
    frame_J44: Floats,
    jacobian_6J: Floats,
    tool_out_44: Floats,
) -> None:
    """Frames of all joints, the tool's frame and its Jacobian (linear rows first)."""
    at_44 = base_44.copy()
    step_44 = np.empty((4, 4))
    for j in range(q_J.shape[0]):
        c, s = math.cos(q_J[j]), math.sin(q_J[j])
        for row in range(4):
            x = y = z = w = 0.0
            for k in range(4):
                x += at_44[row, k] * before_J44[j, k, 0]
                y += at_44[row, k] * before_J44[j, k, 1]
                z += at_44[row, k] * before_J44[j, k, 2]
                w += at_44[row, k] * before_J44[j, k, 3]
            step_44[row, 0] = x * c + y * s
            step_44[row, 1] = y * c - x * s
            step_44[row, 2] = z
            step_44[row, 3] = w
        at_44[:] = step_44
        frame_J44[j] = at_44
    for row in range(4):
        for column in range(4):
            total = 0.0
            for k in range(4):
                total += at_44[row, k] * tool_44[k, column]
            tool_out_44[row, column] = total
    for j in range(q_J.shape[0]):
        ax, ay, az = frame_J44[j, 0, 2], frame_J44[j, 1, 2], frame_J44[j, 2, 2]
        rx = tool_out_44[0, 3] - frame_J44[j, 0, 3]
        ry = tool_out_44[1, 3] - frame_J44[j, 1, 3]
        rz = tool_out_44[2, 3] - frame_J44[j, 2, 3]
        jacobian_6J[0, j] = ay * rz - az * ry
        jacobian_6J[1, j] = az * rx - ax * rz
        jacobian_6J[2, j] = ax * ry - ay * rx
        jacobian_6J[3, j], jacobian_6J[4, j], jacobian_6J[5, j] = ax, ay, az


@compiled
def solve_positive(square_66: Floats, want_6: Floats) -> None:
    """Solve a symmetric positive system of which the lower half is given, in place, by Cholesky."""
    size = want_6.shape[0]
    for a in range(size):
        for b in range(a + 1):
            total = square_66[a, b]
            for k in range(b):
                total -= square_66[a, k] * square_66[b, k]
            square_66[a, b] = math.sqrt(total) if a == b else total / square_66[b, b]
    for a in range(size):
        for k in range(a):
            want_6[a] -= square_66[a, k] * want_6[k]
        want_6[a] /= square_66[a, a]
    for a in range(size - 1, -1, -1):
        for k in range(a + 1, size):
            want_6[a] -= square_66[k, a] * want_6[k]
        want_6[a] /= square_66[a, a]


@compiled
def damped(jacobian_6J: Floats, twist_6: Floats, rest_J: Floats, out_J: Floats) -> None:
    """Joint velocities of least squares for a twist, with `rest_J` in the null space."""
    joints = rest_J.shape[0]
    square_66 = np.empty((6, 6))
    want_6 = np.empty(6)
    for a in range(6):
        want_6[a] = twist_6[a]
        for j in range(joints):
            want_6[a] -= jacobian_6J[a, j] * rest_J[j]
        for b in range(a + 1):
            total = 0.0
            for j in range(joints):
                total += jacobian_6J[a, j] * jacobian_6J[b, j]
            square_66[a, b] = total
        square_66[a, a] += DAMPING
    solve_positive(square_66, want_6)
    for j in range(joints):
        out_J[j] = rest_J[j]
        for a in range(6):
            out_J[j] += jacobian_6J[a, j] * want_6[a]


@compiled
def within(q_J: Floats, low_J: Floats, high_J: Floats, speed_J: Floats, dt: float, qd_J: Floats) -> None:
    """Slow all joints alike to the fastest one's limit, and stop each at the end of its range."""
    most = 1.0
    for j in range(q_J.shape[0]):
        most = max(most, abs(qd_J[j]) / speed_J[j])
    for j in range(q_J.shape[0]):
        qd_J[j] = min(max(qd_J[j] / most, (low_J[j] - q_J[j]) / dt), (high_J[j] - q_J[j]) / dt)
        qd_J[j] = min(max(qd_J[j], -speed_J[j]), speed_J[j])


@compiled
def twist_to(tool_44: Floats, target_44: Floats, dt: float, twist_6: Floats) -> None:
    """The velocity that covers a share of the way from a frame to another within a control step."""
    for a in range(3):
        twist_6[a] = PULL * (target_44[a, 3] - tool_44[a, 3]) / dt
        twist_6[3 + a] = 0.0
    for k in range(3):  # half the sum of cross products: the rotation's axis times the sine of its angle
        x0, x1, x2 = tool_44[0, k], tool_44[1, k], tool_44[2, k]
        y0, y1, y2 = target_44[0, k], target_44[1, k], target_44[2, k]
        twist_6[3] += PULL * 0.5 * (x1 * y2 - x2 * y1) / dt
        twist_6[4] += PULL * 0.5 * (x2 * y0 - x0 * y2) / dt
        twist_6[5] += PULL * 0.5 * (x0 * y1 - x1 * y0) / dt


def solve_pose(
    q_J: Floats, target_44: Floats, before_J44: Floats, tool_44: Floats, base_44: Floats, steps: int = 60
) -> Floats:
    """Joint angles near `q_J` whose tool's frame is the target: damped least squares from there."""
    joints = len(q_J)
    found_J = q_J.copy()
    frame_J44, jacobian_6J, now_44 = np.empty((joints, 4, 4)), np.empty((6, joints)), np.empty((4, 4))
    twist_6, qd_J = np.empty(6), np.empty(joints)
    for _ in range(steps):
        follow(found_J, before_J44, tool_44, base_44, frame_J44, jacobian_6J, now_44)
        twist_to(now_44, target_44, 1.0, twist_6)
        damped(jacobian_6J, twist_6, np.zeros(joints), qd_J)
        found_J = found_J + qd_J
    return found_J
