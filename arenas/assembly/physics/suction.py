"""Suction: a hand that grips takes what its tool's point is near to, and holds it by a constraint."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from arenas.assembly.physics.scene import Scene

    Floats = NDArray[np.float64]

SUCTION_REACH, SUCTION_FORCE = 0.015, 150.0


class Suction:
    """The hands of all arms of a world; `arms` and `parts` are the engine's numbers of their bodies."""

    def __init__(self, p: Any, client: int, scene: Scene, arms: Sequence[int], parts: Sequence[int]) -> None:  # noqa: ANN401  # the engine
        self._p, self._c, self._scene, self._arms, self._parts = p, client, scene, arms, parts
        self._held: list[tuple[int, int] | None] = [None] * len(arms)
        self._open = [False] * len(arms)

    def open(self, arm: int, *, wide: bool) -> None:
        """Tell a hand to let go (wide), or to take what comes near."""
        self._open[arm] = wide

    def holds(self, arm: int, part: int) -> bool:
        """Whether a hand holds a part."""
        held = self._held[arm]
        return held is not None and held[0] == part

    def work(self, tool: Callable[[int], Floats], part_K13: Floats) -> None:
        """Let go and take, before a control step; `tool`: the frame of an arm's tool."""
        for arm, opened in enumerate(self._open):
            if opened:
                self._let_go(arm)
            elif self._held[arm] is None:
                part = self._near(tool(arm)[:3, 3], part_K13)
                if part is not None:
                    self._take(arm, part, part_K13[part])

    def drop(self) -> None:
        """Let all hands go."""
        for arm in range(len(self._arms)):
            self._let_go(arm)

    def _let_go(self, arm: int) -> None:
        held = self._held[arm]
        if held is not None:
            self._p.removeConstraint(held[1], physicsClientId=self._c)
            self._meet(arm, held[0], on=True)
            self._held[arm] = None

    def _near(self, tool_3: Floats, part_K13: Floats) -> int | None:
        for k, body in enumerate(self._scene.bodies):
            if body.mass > 0:
                local = matrix_of(part_K13[k, 3:7]).T @ (tool_3 - part_K13[k, :3])
                for half, centre in body.boxes:
                    beyond = np.maximum(np.abs(local - centre) - half, 0)
                    if math.sqrt(float(beyond @ beyond)) < SUCTION_REACH:
                        return k
        return None

    def _take(self, arm: int, part: int, place_13: Floats) -> None:
        p, c, link = self._p, self._c, self._scene.robot.hand[-1]
        # The pose of the hand's centre of mass, in which the engine wants the constraint's frame.
        place, turn = p.getLinkState(self._arms[arm], link, physicsClientId=c)[:2]
        inverse = p.invertTransform(place, turn)
        at, orientation = p.multiplyTransforms(*inverse, place_13[:3].tolist(), place_13[3:7].tolist())
        held = p.createConstraint(
            self._arms[arm],
            link,
            self._parts[part],
            -1,
            p.JOINT_FIXED,
            (0, 0, 0),
            at,
            (0, 0, 0),
            orientation,
            physicsClientId=c,
        )
        p.changeConstraint(held, maxForce=SUCTION_FORCE, physicsClientId=c)
        self._meet(arm, part, on=False)
        self._held[arm] = (part, held)

    def _meet(self, arm: int, part: int, *, on: bool) -> None:
        for link in self._scene.robot.hand:
            self._p.setCollisionFilterPair(
                self._arms[arm], self._parts[part], link, -1, int(on), physicsClientId=self._c
            )


def matrix_of(quaternion: Floats) -> Floats:
    """The rotation matrix of a unit quaternion (x y z w)."""
    x, y, z, w = quaternion.tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
