"""Scripted arms for `arenas.assembly`: each sees and acts as a learner does, and knows nothing else.

An arm moves the part that is `mine`; what it must wait for it reads from its observation: who holds the
part, whether it is placed. Vectors are in its own base frame, in m and rad.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from marl.errors import SpecError
from marl.policy import PerRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from numpy.typing import NDArray

    from marl.policy import Policy
    from marl.spec import Spec

    Floats = NDArray[np.float64]

EE_SPEED, YAW_SPEED = 0.6, 3.0
"""What 1 means in an action: m/s, rad/s."""
HOVER, TRAVEL, CLEAR, AWAY = 0.1, 0.24, 0.06, 0.12
"""Heights over a grasp, over the table while far, over a goal, and after letting go."""
ENTRY, LOOSE, TIGHT = 0.05, 0.004, 0.001
"""Higher than this over a goal a part must be above it to within a millimetre, lower to within four."""
HOME = np.array([0.42, 0.0, 0.32])
OPEN, CLOSED = 1.0, -1.0
FIRM_S, PATIENCE_S, STUCK_S = 0.15, 0.8, 0.4
"""How long to squeeze before lifting, to wait for a grasp, and to press before letting go."""


class Seen:
    """An observation by the names of its parts."""

    def __init__(self, slices: Mapping[str, tuple[int, int]], values: NDArray[np.float32]) -> None:
        self._slices, self._values = slices, values.astype(np.float64)

    def vector(self, name: str) -> Floats:
        """Some numbers."""
        first, last = self._slices[name]
        return self._values[first:last]

    def number(self, name: str) -> float:
        """One number."""
        return float(self._values[self._slices[name][0]])


class Arm:
    """One arm, for all stages.

    `grips`: whether its hand ever closes (a negative control does not).
    """

    def __init__(self, spec: Spec, *, grips: bool = True) -> None:
        options, role = spec.options, spec.roles[0]
        if options["action"] not in {"ee_delta", "ee_delta6"} or options["observation"] != "full":
            raise SpecError(
                f"scripted arm in {spec.arena}",
                got=f"action = {options['action']}, observation = {options['observation']}",
                expected="action ee_delta or ee_delta6, observation full",
                remedy="It reads where parts are in numbers; for the classic preset there is the "
                "player `classic`.",
            )
        self._slices, self._size = role.slices, role.action_size
        self._parts = sum(name.endswith(".present") for name in role.slices)
        self._step_s = float(options["substeps"]) / float(options["hz"])
        self._grips = grips

    def reset(self, seat: str, seed: int) -> None:
        """A match begins."""
        del seat, seed
        self._grip = OPEN
        self._waited_s = self._firm_s = self._stuck_s = 0.0
        self._lifted_from: float | None = None
        self._leave_to: float | None = None

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.uint8] | None) -> NDArray[np.float32]:
        """The action for what it sees."""
        del mask
        seen = Seen(self._slices, observation)
        if seen.vector("stage")[0] > 0:
            return self._go(seen, seen.vector("to_target"), 0.0)
        if self._leave_to is not None:
            return self._leave(seen)
        mine = [k for k in range(self._parts) if seen.number(f"part_{k}.mine") > 0]
        if seen.number("holding") > 0:
            self._waited_s = 0.0
            return self._move(seen, f"part_{mine[0]}") if mine else self._hand_over(seen)
        self._firm_s, self._stuck_s, self._lifted_from = 0.0, 0.0, None
        return self._fetch(seen, f"part_{mine[0]}") if mine else self._park(seen)

    def _fetch(self, seen: Seen, part: str) -> NDArray[np.float32]:
        """Go above the grasp, down to it, and close."""
        gap, turn = seen.vector(f"{part}.to_grasp"), seen.number(f"{part}.turn_to_grasp")
        across = math.hypot(gap[0], gap[1])
        if self._grip == CLOSED:
            self._waited_s += self._step_s
            if self._waited_s > PATIENCE_S:
                return self._let_go(seen)
            return self._go(seen, np.zeros(3), 0.0)
        if across > 0.006 or abs(turn) > 0.04:
            height = gap[2] + HOVER
            if across > 0.05:
                height = max(height, TRAVEL - seen.vector("tool")[2])
            # Up before aside, so that nothing is swept off the table.
            aside = 1.0 if across < 0.02 or height < 0.05 else 0.3
            low = gap[2] > -0.7 * HOVER and across > 0.012
            return self._go(seen, np.array([*(gap[:2] * (0.0 if low else aside)), height]), turn)
        if math.hypot(*gap) < 0.006:
            self._grip, self._waited_s = CLOSED if self._grips else OPEN, 0.0
            return self._go(seen, np.zeros(3), 0.0)
        return self._go(seen, gap, turn, most=1.0 if gap[2] < -0.04 else 0.4)

    def _move(self, seen: Seen, part: str) -> NDArray[np.float32]:
        """Carry what is held to its goal, with all who hold it, and let go there unless it is to be kept."""
        ready = seen.number(f"{part}.held") == seen.number(f"{part}.hands")
        # All who hold it see this in the same step, and so begin together.
        self._firm_s = self._firm_s + self._step_s if ready else 0.0
        if self._firm_s < FIRM_S:
            return self._go(seen, np.zeros(3), 0.0)
        way, turn = seen.vector(f"{part}.to_goal").copy(), seen.number(f"{part}.turn_to_goal")
        keep = seen.number(f"{part}.keep") > 0
        height = seen.vector(f"{part}.position")[2]
        if self._lifted_from is None:
            self._lifted_from = height
        across = math.hypot(way[0], way[1])
        most = 0.8
        if keep:
            if height < self._lifted_from + 0.05 and way[2] > 0:
                way[:2], turn = 0.0, 0.0
        elif across > (LOOSE if -way[2] < ENTRY else TIGHT) or abs(turn) > 0.03:
            rise = way[2] + CLEAR
            if -way[2] > 0.6 * CLEAR or across < 0.015:
                # Close to the goal in height already, and nearly above it: correct, but go no lower.
                way[2] = rise if across > 0.03 else max(rise, 0.0) if -way[2] < 0.01 else 0.0
            else:
                way[:2], turn, way[2] = 0.0, 0.0, rise
        else:
            self._stuck_s = self._stuck_s + self._step_s if way[2] > -0.015 else 0.0
            if way[2] > -0.002 or self._stuck_s > STUCK_S:
                return self._let_go(seen)
            most = 0.2
        arm = seen.vector("tool") - seen.vector(f"{part}.position")
        turn = min(max(turn, -0.1), 0.1)
        way[:2] += turn * np.array([-arm[1], arm[0]])
        return self._go(seen, way, turn, most=most)

    def _hand_over(self, seen: Seen) -> NDArray[np.float32]:
        """Holding what others are to move: let go as soon as they have it."""
        shared = any(seen.number(f"part_{k}.held") >= 2 for k in range(self._parts))
        self._stuck_s = self._stuck_s + self._step_s if shared else 0.0
        if self._stuck_s > FIRM_S:
            return self._let_go(seen)
        return self._go(seen, np.zeros(3), 0.0)

    def _let_go(self, seen: Seen) -> NDArray[np.float32]:
        self._grip, self._stuck_s, self._firm_s, self._waited_s = OPEN, 0.0, 0.0, 0.0
        self._leave_to = float(seen.vector("tool")[2]) + AWAY
        return self._go(seen, np.zeros(3), 0.0)

    def _leave(self, seen: Seen) -> NDArray[np.float32]:
        """Straight up, once the fingers are open."""
        assert self._leave_to is not None
        left = self._leave_to - seen.vector("tool")[2]
        if left < 0.01:
            self._leave_to, self._waited_s = None, 0.0
        self._waited_s += self._step_s
        if self._waited_s < FIRM_S:
            return self._go(seen, np.zeros(3), 0.0)
        return self._go(seen, np.array([0.0, 0.0, left]), 0.0, most=0.3 if left > 0.7 * AWAY else 1.0)

    def _park(self, seen: Seen) -> NDArray[np.float32]:
        """Out of the others' way, turned straight."""
        self._grip = OPEN
        column = seen.vector("tool_rotation")[:3]
        return self._go(seen, HOME - seen.vector("tool"), -math.atan2(column[1], column[0]))

    def _go(self, seen: Seen, way: Floats, turn: float, *, most: float = 1.0) -> NDArray[np.float32]:
        """Move by a vector and a turn: only what the servo is not about to do already."""
        speed = (way - seen.vector("lead")) / (EE_SPEED * self._step_s)
        fastest = float(np.sqrt(speed @ speed))
        if fastest > most:
            speed = speed * (most / fastest)
        spin = (turn - seen.number("lead_yaw")) / (YAW_SPEED * self._step_s)
        action_A = np.zeros(self._size, np.float32)
        action_A[:3] = np.clip(speed, -1, 1)
        action_A[self._size - 2] = min(max(spin, -most), most)
        action_A[-1] = self._grip
        return action_A


class ClassicArm:
    """The classic preset's arm: joint velocities towards the target, by the iiwa's own geometry."""

    def __init__(self, spec: Spec) -> None:
        options = spec.options
        if (options["arm"], options["action"], options["observation"]) != ("kuka", "joint_vel", "classic"):
            raise SpecError(
                f"classic arm in {spec.arena}", got=f"options {dict(options)}", expected="the preset classic"
            )
        self._step_s = float(options["substeps"]) / float(options["hz"])

    def reset(self, seat: str, seed: int) -> None:
        """Nothing to remember."""

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.uint8] | None) -> NDArray[np.float32]:
        """Damped least squares on the position's Jacobian, by differences."""
        del mask
        q_J, way = observation[:7].astype(np.float64), observation[14:17].astype(np.float64)
        here, eps = iiwa_tool(q_J), 1e-5
        jacobian_3J = np.stack([(iiwa_tool(q_J + eps * axis) - here) / eps for axis in np.eye(7)], axis=1)
        square_33 = jacobian_3J @ jacobian_3J.T + 1e-2 * np.eye(3)
        qd_J = jacobian_3J.T @ np.linalg.solve(square_33, 4 * way)
        return np.asarray(np.clip(qd_J / 2, -1, 1), np.float32)


def iiwa_tool(q_J: Floats) -> Floats:
    """Where a KUKA iiwa's tool is: shoulder at 0.36 m, upper arm 0.42 m, lower arm 0.4 m, tool 0.141 m."""
    point = np.array([0.0, 0.0, 0.081 + 0.06])
    for turn, bend, length in ((q_J[4], q_J[5], 0.4), (q_J[2], -q_J[3], 0.42), (q_J[0], q_J[1], 0.36)):
        c, s = math.cos(bend), math.sin(bend)
        point = np.array([c * point[0] + s * point[2], point[1], c * point[2] - s * point[0]])
        c, s = math.cos(turn), math.sin(turn)
        point = np.array([c * point[0] - s * point[1], s * point[0] + c * point[1], point[2] + length])
    return point


class Still:
    """Does nothing, with an open hand."""

    def __init__(self, spec: Spec) -> None:
        self._size = spec.roles[0].action_size

    def reset(self, seat: str, seed: int) -> None:
        """Nothing to remember."""

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.uint8] | None) -> NDArray[np.float32]:
        """Zeros."""
        del observation, mask
        return np.zeros(self._size, np.float32)


def _player(make: Callable[[Spec], Any], spec: Spec) -> Policy:
    make(spec)  # options that do not fit are told at once
    return PerRow(spec, partial(make, spec))


SCRIPTED: Mapping[str, Callable[[Spec], Policy]] = {
    "scripted": partial(_player, Arm),
    "classic": partial(_player, ClassicArm),
    "hold_still": partial(_player, Still),
    "never_closes": partial(_player, partial(Arm, grips=False)),
}
"""Name to factory(spec). The last two are negative controls, as is `random`."""
