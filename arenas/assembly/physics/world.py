"""Arms around a table and parts on it: put in a state, driven, stepped, read and felt.

Axes: N arms, J joints, F fingers, K parts.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import numpy as np

from arenas.assembly.kernel.kinematics import follow
from arenas.assembly.physics.bodies import add_arms, add_part, add_table, set_masks
from arenas.assembly.physics.camera import SPECTATOR, camera_of
from arenas.assembly.physics.engine import data_folder, engine
from arenas.assembly.physics.suction import Suction
from arenas.assembly.robots import FINGER_EFFORT, chain_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from arenas.assembly.physics.scene import Scene

    Floats = NDArray[np.float64]

FINGER_GAIN = 0.1
ANY = -2
"""For the engine, any link of a body."""
IDENTITY = (0.0, 0.0, 0.0, 1.0)


class World:
    """Arms around a table, and parts on it. `q_NJ`, `qd_NJ`, `width_N`, `part_K13` are as of the last step.

    `part_K13`: position, quaternion (x y z w), linear and angular velocity.
    """

    def __init__(self, scene: Scene) -> None:
        self._p = p = engine()
        self.scene = scene
        self.dt = scene.substeps / scene.hz
        self.chain = chain_of(scene.robot, data_folder())
        self._c = p.connect(p.DIRECT)
        p.setPhysicsEngineParameter(
            fixedTimeStep=1 / scene.hz,
            numSolverIterations=scene.iterations,
            deterministicOverlappingPairs=1,
            physicsClientId=self._c,
        )
        p.setGravity(0, 0, -9.81, physicsClientId=self._c)
        arms, joints = len(scene.base_N3), len(scene.robot.joints)
        # One block, so that a state is written at once.
        self._block = np.zeros(2 * arms * joints + arms + 13 * len(scene.bodies))
        self._pack = struct.Struct(f"{len(self._block)}d").pack_into
        ends = np.cumsum([arms * joints, arms * joints, arms])
        q, qd, self.width_N, part = np.split(self._block, ends)
        self.q_NJ, self.qd_NJ = q.reshape(arms, joints), qd.reshape(arms, joints)
        self.part_K13 = part.reshape(-1, 13)
        self.base_N44 = np.stack([_base_matrix(*base) for base in scene.base_N3])
        self._table = add_table(p, self._c, scene)
        self._arms = add_arms(p, self._c, scene)
        self._cameras = [camera_of(base_44) for base_44 in self.base_N44]
        self._parts = [add_part(p, self._c, scene, k) for k in range(len(scene.bodies))]
        hands = Suction(p, self._c, scene, self._arms, self._parts)
        self._suction = hands if scene.suction else None
        robot = scene.robot
        self._all_joints = [*robot.joints, *robot.fingers]
        fingers = len(robot.fingers)
        self._efforts = [scene.effort * effort for effort in robot.effort_J] + [FINGER_EFFORT] * fingers
        self._gains = ([0.0] * joints + [FINGER_GAIN] * fingers, [1.0] * (joints + fingers))

    def close(self) -> None:
        """Give the engine's memory back; safe to call twice."""
        if self._c >= 0:
            self._p.disconnect(self._c)
            self._c = -1

    def reset(self, q_NJ: Floats, width_N: Floats, pose_K7: Floats) -> None:
        """Put everything in a state, leaving no trace of the past: what follows is the same to the bit.

        PyBullet's restoreState is not enough: contacts cached between fingers and parts survive it, and any
        teleport. Masks off, a collision pass, and masks on again destroy them.
        """
        p, c = self._p, self._c
        if self._suction is not None:
            self._suction.drop()
        set_masks(p, c, self._arms, self._parts, on=False)
        idle = [0.0] * len(self._all_joints)
        for arm, q_J, width in zip(self._arms, q_NJ, width_N, strict=True):
            p.setJointMotorControlArray(
                arm,
                self._all_joints,
                p.VELOCITY_CONTROL,
                targetVelocities=idle,
                forces=idle,
                physicsClientId=c,
            )
            fingers = [width / 2] * len(self.scene.robot.fingers)
            p.resetJointStatesMultiDof(
                arm, self._all_joints, [[q] for q in [*q_J.tolist(), *fingers]], physicsClientId=c
            )
        self._place([(3.0 + i, 0.0, 1.0, *IDENTITY) for i in range(len(self._parts))])
        p.performCollisionDetection(physicsClientId=c)
        p.stepSimulation(c)
        set_masks(p, c, self._arms, self._parts, on=True)
        for arm, q_J, width in zip(self._arms, q_NJ, width_N, strict=True):
            fingers = [width / 2] * len(self.scene.robot.fingers)
            states = [[q] for q in [*q_J.tolist(), *fingers]]
            p.resetJointStatesMultiDof(
                arm, self._all_joints, states, [[0.0]] * len(states), physicsClientId=c
            )
        self._place(pose_K7.tolist())
        self.read()

    def _place(self, poses: Sequence[Sequence[float]]) -> None:
        p, c = self._p, self._c
        for part, pose in zip(self._parts, poses, strict=True):
            p.resetBasePositionAndOrientation(part, pose[:3], pose[3:7], physicsClientId=c)
            p.resetBaseVelocity(part, (0, 0, 0), (0, 0, 0), physicsClientId=c)

    def drive(self, arm: int, qd_J: Sequence[float], width: float) -> None:
        """Set an arm's motors: joint velocities, and how far the fingers open (suction: > 0.04 lets go)."""
        p, c, robot = self._p, self._c, self.scene.robot
        fingers = [width / 2] * len(robot.fingers)
        # One call for all: a position's gain of 0 makes it a motor of velocity.
        p.setJointMotorControlArray(
            self._arms[arm],
            self._all_joints,
            p.POSITION_CONTROL,
            [0.0] * len(qd_J) + fingers,
            [*qd_J, *([0.0] * len(fingers))],
            self._efforts,
            *self._gains,
            c,
        )
        if self._suction is not None:
            self._suction.open(arm, wide=width > 0.04)

    def advance(self) -> None:
        """One control step: all substeps, then read."""
        if self._suction is not None:
            self._suction.work(self.tool, self.part_K13)
        self.simulate()
        self.read()

    def simulate(self) -> None:
        """The engine's own steps of one control step."""
        step, c = self._p.stepSimulation, self._c
        if self.scene.effort < 1:
            self._simulate_borne()
            return
        for _ in range(self.scene.substeps):
            step(c)

    def _simulate_borne(self) -> None:
        """The same with the arms' own weight borne, as controllers of real arms do.

        Under a share of their force motors could not even hold the arm up; the share is for what they press.
        """
        p, c, joints = self._p, self._c, self._all_joints
        still = [0.0] * len(joints)
        weight_N = []
        for arm in self._arms:
            q = [state[0] for state in p.getJointStates(arm, joints, physicsClientId=c)]
            weight_N.append(p.calculateInverseDynamics(arm, q, still, still, physicsClientId=c))
        for _ in range(self.scene.substeps):
            for arm, weight in zip(self._arms, weight_N, strict=True):  # the engine forgets it after a step
                p.setJointMotorControlArray(arm, joints, p.TORQUE_CONTROL, forces=weight, physicsClientId=c)
            p.stepSimulation(c)

    def read(self) -> None:
        """Take the state from the engine."""
        # By position, and written at once: keywords and arrays would cost as much as the engine's answers.
        p, c, joints = self._p, self._c, len(self.scene.robot.joints)
        q: list[float] = []
        qd: list[float] = []
        rest: list[float] = []
        for arm in self._arms:
            angles, speeds, _, _ = zip(*p.getJointStates(arm, self._all_joints, c), strict=True)
            q += angles[:joints]
            qd += speeds[:joints]
            rest.append(sum(angles[joints:]))
        for part in self._parts:
            for three in (*p.getBasePositionAndOrientation(part, c), *p.getBaseVelocity(part, c)):
                rest += three
        self._pack(self._block.data, 0, *q, *qd, *rest)

    def pinches(self, arm: int, part: int) -> bool:
        """Whether an arm holds a part: between both fingers, or by suction."""
        if self._suction is not None:
            return self._suction.holds(arm, part)
        touch, c = self._p.getContactPoints, self._c
        body, other = self._arms[arm], self._parts[part]
        left, right = self.scene.robot.fingers
        return bool(touch(body, other, left, physicsClientId=c)) and bool(
            touch(body, other, right, physicsClientId=c)
        )

    def clashes(self) -> list[float]:
        """Force in N with which each arm presses on other arms and the table."""
        touch, c, arms = self._p.getContactPoints, self._c, self._arms
        force_N = [0.0] * len(arms)
        for i, arm in enumerate(arms):
            for point in touch(arm, self._table, ANY, ANY, c):
                force_N[i] += point[9]
            for j in range(i):
                for point in touch(arm, arms[j], ANY, ANY, c):
                    force_N[i] += point[9]
                    force_N[j] += point[9]
        return force_N

    def press(self, arm: int) -> float:
        """Force in N of all that touches an arm."""
        points = self._p.getContactPoints(self._arms[arm], physicsClientId=self._c)
        return float(sum(point[9] for point in points))

    def penetration(self) -> float:
        """How deep parts are in each other, at most."""
        deepest = 0.0
        for i, part in enumerate(self._parts):
            for other in self._parts[:i]:
                for point in self._p.getContactPoints(part, other, physicsClientId=self._c):
                    deepest = max(deepest, -point[8])
        return deepest

    def counts(self) -> tuple[int, int]:
        """Bodies and constraints that the engine holds."""
        p = self._p
        return p.getNumBodies(physicsClientId=self._c), p.getNumConstraints(physicsClientId=self._c)

    def tool(self, arm: int) -> Floats:
        """The tool's frame, from the joint angles."""
        tool_44 = np.empty((4, 4))
        joints = len(self.q_NJ[arm])
        follow(
            self.q_NJ[arm],
            self.chain.before_J44,
            self.chain.tool_44,
            self.base_N44[arm],
            np.empty((joints, 4, 4)),
            np.empty((6, joints)),
            tool_44,
        )
        return tool_44

    def poses(self) -> tuple[list[list[list[float]]], list[list[float]]]:
        """Poses (x y z, quaternion) of every link of every arm, and of every part: what a replay draws."""
        p, c = self._p, self._c
        arms = []
        for arm in self._arms:
            links = list(range(p.getNumJoints(arm, physicsClientId=c)))
            states = p.getLinkStates(arm, links, computeForwardKinematics=1, physicsClientId=c)
            arms.append([[*state[4], *state[5]] for state in states])
        return arms, [part[:7] for part in self.part_K13.tolist()]

    def picture(self, width: int, height: int) -> NDArray[np.uint8]:
        """The whole table as people look at it, (height, width, 3)."""
        return SPECTATOR.shoot(self._p, self._c, width, height, shadow=True)

    def seen_by(self, arm: int, side: int) -> NDArray[np.uint8]:
        """An arm's place by its camera, (side, side, 3); without shadows, which would double its price."""
        return self._cameras[arm].shoot(self._p, self._c, side, side, shadow=False)


def _base_matrix(x: float, y: float, yaw: float) -> Floats:
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0, x], [s, c, 0, y], [0, 0, 1, 0], [0, 0, 0, 1.0]])
