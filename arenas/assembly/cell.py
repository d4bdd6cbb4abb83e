"""A robot cell: the world with what is sensed, servoed and judged in each control step.

Axes: N arms, J joints, K parts, M mates, A action, O observation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from arenas.assembly.kernel import motion
from arenas.assembly.kernel.bound import bound
from arenas.assembly.kernel.entry import entries
from arenas.assembly.kernel.kinematics import TO_HOME
from arenas.assembly.physics.scene import Body, Scene
from arenas.assembly.physics.world import World
from arenas.assembly.product import boxes
from arenas.assembly.robots import ROBOTS
from arenas.assembly.stages import ring

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from arenas.assembly.options import AssemblyOptions
    from arenas.assembly.physics.scene import Look
    from arenas.assembly.plan import Plan
    from arenas.assembly.product import Product

    Floats = NDArray[np.float64]

MODES = {
    "ee_delta": motion.EE_DELTA,
    "ee_delta6": motion.EE_DELTA6,
    "joint_vel": motion.JOINT_VEL,
    "joint_delta": motion.JOINT_DELTA,
}
GRIP_MARGIN = 0.03


class Cell:
    """The world of one match after another; all arrays are written in place."""

    def __init__(
        self,
        options: AssemblyOptions,
        product: Product | None,
        plan: Plan,
        sizes: tuple[int, int, int],
        *,
        look: Look,
    ) -> None:
        seats, action, observation = sizes
        parts = product.parts if product is not None else ()
        robot = ROBOTS[options.arm]
        self.world = World(
            Scene(
                robot=robot,
                base_N3=ring(options.arms),
                bodies=tuple(
                    Body(tuple(boxes(part, options.clearance)), part.mass, part.colour) for part in parts
                ),
                hz=options.hz,
                substeps=options.substeps,
                iterations=options.iterations,
                effort=options.effort,
                suction=options.arm == "kuka",
                look=look,
            )
        )
        self._entries = entries()
        self._seats, self._mode = seats, MODES[options.action]
        world, arms, joints = self.world, options.arms, len(robot.joints)
        self.home_J = np.array(robot.home_J)
        self.site_44 = np.eye(4)
        self.action_NA = np.zeros((arms, action))
        self.active_N = np.ones(arms, np.bool_)
        self.stopped = False
        self.holds_NK = np.zeros((arms, len(parts)), np.bool_)
        self.tool_N44, self.target_N44 = np.zeros((arms, 4, 4)), np.zeros((arms, 4, 4))
        self.speed_N3, self.turn_K33 = np.zeros((arms, 3)), np.zeros((len(parts), 3, 3))
        self.reach_N3 = np.zeros((arms, 3))
        self.goal_NJ, self.qd_NJ = np.zeros((arms, joints)), np.zeros((arms, joints))
        self.frame_NJ44, self.jacobian_N6J = np.zeros((arms, joints, 4, 4)), np.zeros((arms, 6, joints))
        mates = len(plan.mate_M)
        self.goal_M4, self.error_M4 = np.zeros((mates, 4)), np.zeros((mates, 4))
        self.done_M, self.seated_M, self.active_M = (np.zeros(mates, np.bool_) for _ in range(3))
        self.current_K = np.zeros(len(parts), np.int64)
        self.potential_M = np.zeros(mates)
        self.tally_N6 = np.zeros((arms, 6))
        self.observation_NO = np.zeros((arms, observation), np.float32)
        # Beyond it, or where a part is fixed, no hand holds.
        radius_K = np.array([_grip_radius(body) for body in world.scene.bodies])
        self._near_NK = np.zeros((arms, len(parts)), np.bool_)
        self._open_N, self._grips_N = np.zeros(arms), np.zeros(arms, np.bool_)
        chain = world.chain
        speed_J = np.array(robot.speed_J)
        sensed = (
            world.q_NJ,
            world.qd_NJ,
            world.part_K13,
            chain.before_J44,
            chain.tool_44,
            world.base_N44,
            self.frame_NJ44,
            self.jacobian_N6J,
            self.tool_N44,
            self.speed_N3,
            self.turn_K33,
            radius_K,
            self._grips_N,
            self.holds_NK,
            self._near_NK,
        )
        self._servoed = bound(
            (
                self.active_N,
                self.action_NA,
                world.q_NJ,
                self.goal_NJ,
                world.base_N44,
                self.tool_N44,
                self.target_N44,
                self.jacobian_N6J,
                self.home_J,
                chain.low_J,
                chain.high_J,
                speed_J,
                self.qd_NJ,
                self._open_N,
                self._grips_N,
            )
        )
        judged = (
            plan.mate_M,
            plan.joint_I,
            plan.after_MM,
            self.site_44,
            world.part_K13,
            self.turn_K33,
            self.tool_N44,
            self.holds_NK,
            self.goal_M4,
            self.error_M4,
            self.done_M,
            self.seated_M,
            self.active_M,
            self.current_K,
            self.potential_M,
        )
        tallied = (
            plan.mate_M,
            self.seated_M,
            self.potential_M,
            world.part_K13,
            self.reach_N3,
            self.tool_N44,
            self.action_NA,
            self.tally_N6,
        )
        seen = (
            world.q_NJ,
            world.qd_NJ,
            world.width_N,
            self.active_N,
            self.holds_NK,
            self.action_NA,
            world.base_N44,
            self.tool_N44,
            self.speed_N3,
            self.target_N44,
            self.frame_NJ44,
            world.part_K13,
            self.turn_K33,
            plan.mate_M,
            plan.order_NK,
            self.goal_M4,
            self.done_M,
            self.active_M,
            self.current_K,
            self.reach_N3,
            self.observation_NO,
        )
        self._sensed, self._concluded = bound(sensed), bound((sensed, judged, tallied, seen))

    def begin(self, q_NJ: Floats, width_N: Floats, pose_K7: Floats) -> None:
        """Start from a state; mates that hold in it are done."""
        self.world.reset(q_NJ, width_N, pose_K7)
        self.active_N[:] = True
        self.stopped = False
        self.action_NA[:] = 0
        self.done_M[:] = False
        self._grips_N[:] = width_N < motion.OPEN_WIDTH - 0.001
        self._entries.sense(self._sensed)
        self.target_N44[:] = self.tool_N44
        self.goal_NJ[:] = q_NJ

    def act(self) -> None:
        """One control step with the actions in `action_NA`: last the grip, 1 open, -1 closed.

        `conclude` follows: servoing starts from what it senses.
        """
        world = self.world
        self._entries.servo(self._mode, TO_HOME, world.dt, self._servoed)
        for arm, (qd_J, width) in enumerate(zip(self.qd_NJ.tolist(), self._open_N.tolist(), strict=True)):
            world.drive(arm, qd_J, width)
        world.advance()

    def conclude(self, stage: int, time: float) -> None:
        """Where everything is, who holds what, which mates are done, and what everybody sees."""
        conclude = self._entries.conclude
        # Contacts are asked for only where an arm that grips is near a part.
        if conclude(self._seats, stage, time, False, self._concluded):
            for arm, part in np.argwhere(self._near_NK).tolist():
                self.holds_NK[arm, part] = self.world.pinches(arm, part)
            conclude(self._seats, stage, time, True, self._concluded)

    def stop(self, arm: int, *, drop: bool) -> None:
        """Brake an arm for good; it keeps what it holds, or drops it."""
        self.stopped = True
        self.active_N[arm] = False
        grip = 1.0 if drop else float(self.action_NA[arm, -1])
        self.action_NA[arm] = 0
        self.action_NA[arm, -1] = grip

    def state(self, seats: int, parts: int, time: float) -> NDArray[np.float32]:
        """World's frame: per seat 19 numbers, per part 14, the share of time; zeros for what is absent."""
        world, arms = self.world, len(self.active_N)
        arm_N19 = np.zeros((seats, 19), np.float32)
        arm_N19[:arms, :7] = world.q_NJ
        arm_N19[:arms, 7:10], arm_N19[:arms, 10:13] = self.tool_N44[:, :3, 3], self.speed_N3
        arm_N19[:arms, 13], arm_N19[:arms, 14] = world.width_N, self.holds_NK.any(1)
        arm_N19[:arms, 15], arm_N19[:arms, 16:] = self.active_N, self.reach_N3
        part_K14 = np.zeros((parts, 14), np.float32)
        for k, mate in enumerate(self.current_K.tolist()):
            part_K14[k, :10] = world.part_K13[k, :10]
            if mate >= 0:
                part_K14[k, 10:13], part_K14[k, 13] = self.goal_M4[mate, :3], self.done_M[mate]
        return np.concatenate([arm_N19.ravel(), part_K14.ravel(), np.array([time], np.float32)])

    def view(self) -> dict[str, Any]:
        """Poses for a replay, rounded to tenths of a millimetre."""
        arms, parts = self.world.poses()
        return {
            "arms": [[_short(pose) for pose in links] for links in arms],
            "widths": _short(self.world.width_N.tolist()),
            "parts": [_short(pose) for pose in parts],
        }


def _short(numbers: list[float]) -> list[float]:
    return [round(number, 4) for number in numbers]


def _grip_radius(body: Body) -> float:
    """How near a tool is that holds a part, at most; 0 where the part is fixed."""
    if body.mass == 0:
        return 0.0
    return GRIP_MARGIN + max(math.dist(centre, (0, 0, 0)) + math.hypot(*half) for half, centre in body.boxes)
