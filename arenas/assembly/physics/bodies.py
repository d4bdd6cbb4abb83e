"""What stands in a world: the table, arms and parts, and which of them may touch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from arenas.assembly.physics.engine import data_folder
from arenas.assembly.physics.light import light_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arenas.assembly.physics.scene import Scene

ENV, ARM, PART, BASE = 1, 2, 4, 8
"""Groups of what may touch what; an arm's base never meets the table it stands on."""
MEETS = {ENV: ARM | PART, ARM: ENV | ARM | PART | BASE, PART: ENV | ARM | PART | BASE, BASE: ARM | PART}
PART_FRICTION, TABLE_FRICTION = 1.0, 0.6
TABLE_HALF = (1.0, 1.0, 0.05)


def add_table(p: Any, client: int, scene: Scene) -> int:  # noqa: ANN401  # the engine, here and below
    """A table whose top is at z = 0."""
    half, at = TABLE_HALF, (0.0, 0.0, -TABLE_HALF[2])
    shape = p.createCollisionShape(p.GEOM_BOX, halfExtents=half, physicsClientId=client)
    look = -1
    if scene.look != "none":
        look = p.createVisualShape(
            p.GEOM_BOX, halfExtents=half, rgbaColor=(0.82, 0.8, 0.76, 1), physicsClientId=client
        )
    body = p.createMultiBody(0, shape, look, at, physicsClientId=client)
    p.changeDynamics(body, -1, lateralFriction=TABLE_FRICTION, physicsClientId=client)
    p.setCollisionFilterGroupMask(body, -1, ENV, MEETS[ENV], physicsClientId=client)
    return int(body)


def add_arms(p: Any, client: int, scene: Scene) -> list[int]:  # noqa: ANN401
    """The arms of the scene, where they stand."""
    file = Path(data_folder()) / scene.robot.urdf
    if scene.look != "light":
        return [_add_arm(p, client, scene, file, base_3) for base_3 in scene.base_N3]
    with light_file(file) as urdf:
        # The engine would keep meshes by the names of their files, for all worlds and for good.
        p.setPhysicsEngineParameter(enableFileCaching=0, physicsClientId=client)
        arms = [_add_arm(p, client, scene, urdf, base_3) for base_3 in scene.base_N3]
        p.setPhysicsEngineParameter(enableFileCaching=1, physicsClientId=client)
    return arms


def _add_arm(p: Any, client: int, scene: Scene, urdf: Path, base_3: tuple[float, float, float]) -> int:  # noqa: ANN401
    """An arm whose base stands at x, y and is turned by a yaw."""
    robot, (x, y, yaw) = scene.robot, base_3
    arm = p.loadURDF(
        str(urdf),
        (x, y, 0),
        p.getQuaternionFromEuler((0, 0, yaw)),
        useFixedBase=True,
        flags=p.URDF_IGNORE_VISUAL_SHAPES if scene.look == "none" else 0,
        physicsClientId=client,
    )
    for link in range(-1, p.getNumJoints(arm, physicsClientId=client)):
        p.changeDynamics(arm, link, linearDamping=0, angularDamping=0, physicsClientId=client)
    for joint, speed in zip(robot.joints, robot.speed_J, strict=True):
        p.changeDynamics(arm, joint, maxJointVelocity=speed, physicsClientId=client)
    if robot.fingers and scene.gear:
        # Without it the held part slides along the closing axis: each finger has a motor of its own.
        left, right = robot.fingers
        gear = p.createConstraint(
            arm, left, arm, right, p.JOINT_GEAR, (1, 0, 0), (0, 0, 0), (0, 0, 0), physicsClientId=client
        )
        p.changeConstraint(gear, gearRatio=-1, erp=0.3, maxForce=100, physicsClientId=client)
    return int(arm)


def add_part(p: Any, client: int, scene: Scene, number: int) -> int:  # noqa: ANN401
    """A part of the scene, beside the table until it is placed."""
    body = scene.bodies[number]
    halves, centres = [list(box[0]) for box in body.boxes], [list(box[1]) for box in body.boxes]
    kinds = [p.GEOM_BOX] * len(halves)
    shape = p.createCollisionShapeArray(
        shapeTypes=kinds,
        halfExtents=halves,
        collisionFramePositions=centres,
        physicsClientId=client,
    )
    look = -1
    if scene.look != "none":
        look = p.createVisualShapeArray(
            shapeTypes=kinds,
            halfExtents=halves,
            visualFramePositions=centres,
            rgbaColors=[[*body.colour, 1]] * len(halves),
            physicsClientId=client,
        )
    part = p.createMultiBody(body.mass, shape, look, (2.0 + number, 0, 1), physicsClientId=client)
    if look >= 0:
        p.changeVisualShape(part, -1, rgbaColor=(*body.colour, 1), physicsClientId=client)
    p.changeDynamics(
        part,
        -1,
        lateralFriction=PART_FRICTION,
        linearDamping=0,
        angularDamping=0,
        physicsClientId=client,
    )
    return int(part)


def set_masks(p: Any, client: int, arms: Sequence[int], parts: Sequence[int], *, on: bool) -> None:  # noqa: ANN401
    """Let arms and parts touch what they may, or nothing."""
    for arm in arms:
        p.setCollisionFilterGroupMask(arm, -1, BASE, MEETS[BASE] if on else 0, physicsClientId=client)
        for link in range(p.getNumJoints(arm, physicsClientId=client)):
            p.setCollisionFilterGroupMask(arm, link, ARM, MEETS[ARM] if on else 0, physicsClientId=client)
    for part in parts:
        p.setCollisionFilterGroupMask(part, -1, PART, MEETS[PART] if on else 0, physicsClientId=client)
