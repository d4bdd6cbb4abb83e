"""All that is constant about a world, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from arenas.assembly.product import Colour, Vector
    from arenas.assembly.robots import Robot

Look = Literal["none", "light", "stock"]
"""Nothing can be drawn; robots as coarse meshes, for small pictures made often; as their maker has them."""


@dataclass(frozen=True)
class Body:
    """A part for the engine: boxes (half lengths, centre), mass (0: fixed), colour."""

    boxes: tuple[tuple[Vector, Vector], ...]
    mass: float
    colour: Colour


@dataclass(frozen=True)
class Scene:
    """All that is constant about a world."""

    robot: Robot
    base_N3: tuple[tuple[float, float, float], ...]
    """x, y and yaw of each arm's base; it stands at z = 0."""
    bodies: tuple[Body, ...]
    hz: int = 240
    substeps: int = 12
    iterations: int = 50
    effort: float = 1.0
    suction: bool = False
    look: Look = "none"
    gear: bool = True
