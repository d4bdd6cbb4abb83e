"""The arms that PyBullet's own data bring: joints, limits, home, and the chain from base to tool.

Axes: J joints. The tool's z points out of the hand, its y is the direction in which fingers close.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Robot:
    """An arm: file within PyBullet's data, numbers of its links in the engine, its tool."""

    name: str
    urdf: str
    joints: tuple[int, ...]
    fingers: tuple[int, ...]
    hand: tuple[int, ...]
    """Links that may touch what is held."""
    home_J: tuple[float, ...]
    tool: tuple[float, float]
    """How far the tool's point lies before the last joint's frame, and its turn about that axis."""
    speed_J: tuple[float, ...]
    effort_J: tuple[float, ...]


PANDA = Robot(
    name="panda",
    urdf="franka_panda/panda.urdf",
    joints=tuple(range(7)),
    fingers=(9, 10),
    hand=(8, 9, 10),
    home_J=(0.0, -0.2652, 0.0, -2.4885, 0.0, 2.2232, math.pi / 4),
    tool=(0.107 + 0.105, -math.pi / 4),
    speed_J=(2.175,) * 4 + (2.61,) * 3,
    effort_J=(87.0,) * 4 + (12.0,) * 3,
)
KUKA = Robot(
    name="kuka",
    urdf="kuka_iiwa/model.urdf",
    joints=tuple(range(7)),
    fingers=(),
    hand=(6,),
    home_J=(0.0, 0.5, 0.0, -1.6, 0.0, 1.04, 0.0),
    tool=(0.06, math.pi),
    speed_J=(2.0,) * 7,
    effort_J=(300.0,) * 7,
)
ROBOTS = {robot.name: robot for robot in (PANDA, KUKA)}
FINGER_EFFORT = 20.0


@dataclass(frozen=True)
class Chain:
    """Fixed transforms before each joint (which turns about z), the tool's, and the joints' limits."""

    before_J44: Floats
    tool_44: Floats
    low_J: Floats
    high_J: Floats


@cache
def chain_of(robot: Robot, data_folder: str) -> Chain:
    """The chain from base to tool, read from the robot's file."""
    root = ET.parse(Path(data_folder) / robot.urdf).getroot()  # noqa: S314  # of an installed package
    joints = [joint for joint in root.findall("joint") if joint.get("type") == "revolute"]
    before, limits = [], []
    for joint in joints:
        origin, limit = joint.find("origin"), joint.find("limit")
        assert origin is not None
        assert limit is not None
        matrix_44 = np.eye(4)
        matrix_44[:3, :3] = _rotation([float(part) for part in origin.get("rpy", "0 0 0").split()])
        matrix_44[:3, 3] = [float(part) for part in origin.get("xyz", "0 0 0").split()]
        before.append(matrix_44)
        limits.append((float(limit.get("lower", 0)), float(limit.get("upper", 0))))
    tool_44 = np.eye(4)
    tool_44[:3, :3] = _rotation([0.0, 0.0, robot.tool[1]])
    tool_44[2, 3] = robot.tool[0]
    low_J, high_J = np.array(limits).T
    return Chain(np.ascontiguousarray(before), tool_44, np.ascontiguousarray(low_J), high_J.copy())


def _rotation(rpy: list[float]) -> Floats:
    """Rotation by roll, pitch, yaw about fixed x, y, z, as URDF has it."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )
