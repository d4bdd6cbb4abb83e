"""Cameras: from where a world is looked at, and pictures by the engine's software renderer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NEAR, FAR = 0.1, 6.0
ARM_EYE, ARM_TARGET, ARM_ANGLE = (0.15, -0.65, 0.75), (0.48, 0.0, 0.18), 45.0
"""In an arm's base frame: its camera stands at its right shoulder and looks at its hand; angle in degrees."""
LIGHT = (0.6, -0.8, 1.6)


@dataclass(frozen=True)
class Camera:
    """From where one looks, at what. `light` is the way to it, `angle` the height of the view (degrees)."""

    eye: Sequence[float]
    target: Sequence[float]
    light: Sequence[float]
    angle: float

    def shoot(self, p: Any, client: int, width: int, height: int, *, shadow: bool) -> NDArray[np.uint8]:  # noqa: ANN401  # the engine
        """An image (height, width, 3)."""
        image = p.getCameraImage(
            width,
            height,
            p.computeViewMatrix(self.eye, self.target, (0, 0, 1)),
            p.computeProjectionMatrixFOV(self.angle, width / height, NEAR, FAR),
            lightDirection=self.light,
            shadow=int(shadow),
            flags=p.ER_NO_SEGMENTATION_MASK,
            renderer=p.ER_TINY_RENDERER,
            physicsClientId=client,
        )[2]
        return np.asarray(image, np.uint8).reshape(height, width, 4)[:, :, :3].copy()


SPECTATOR = Camera((0.826915, -1.180957, 1.050863), (0.0, 0.0, 0.15), LIGHT, 45.0)
"""From where people look."""


def camera_of(base_44: Floats) -> Camera:
    """The camera of an arm, by the frame of its base: all arms have the same view of their places."""
    eye, target, light = (base_44[:3, :3] @ np.array(way) for way in (ARM_EYE, ARM_TARGET, LIGHT))
    foot = base_44[:3, 3]
    return Camera((foot + eye).tolist(), (foot + target).tolist(), light.tolist(), ARM_ANGLE)
