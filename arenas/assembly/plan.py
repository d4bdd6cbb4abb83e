"""A product as arrays: what the kernel reads of its mates.

Axes: M mates, I their joints. Hands have room for as many arms as there can be, so that one compiled kernel
serves all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from arenas.assembly.options import MAX_ARMS
from arenas.assembly.product import TABLE, boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from arenas.assembly.product import Part, Product

MATE = np.dtype(
    [
        *((name, np.int64) for name in ("part", "first", "joints", "hands", "ways", "keep", "last")),
        *((name, np.float64) for name in ("turn", "above", "xy", "z", "yaw", "tilt")),
        ("hand", np.int64, MAX_ARMS),
        ("fold", np.int64, MAX_ARMS),
        ("grasp", np.float64, (MAX_ARMS, 4)),
    ]
)
JOINT = np.dtype([("onto", np.int64), ("point", np.float64, 3), ("at", np.float64, 3)])


@dataclass(frozen=True)
class Plan:
    """Mates and joints as records, and which mates must be done before which."""

    mate_M: NDArray[Any]
    joint_I: NDArray[Any]
    after_MM: NDArray[np.bool_]


def plan_of(product: Product | None, *, suction: bool, tolerance: float | None) -> Plan:
    """The arrays of a product; None: nothing is built. `tolerance` (m) replaces that of all mates across."""
    mates = product.mates if product is not None else ()
    mate_M = np.zeros(len(mates), MATE)
    joint_I = np.zeros(sum(len(mate.joints) for mate in mates), JOINT)
    after_MM = np.zeros((len(mates), len(mates)), np.bool_)
    if product is None:
        return Plan(mate_M, joint_I, after_MM)
    number = {part.name: k for k, part in enumerate(product.parts)} | {TABLE: -1}
    first = 0
    for m, mate in enumerate(mates):
        row = mate_M[m]
        row["part"], row["first"], row["joints"] = number[mate.part], first, len(mate.joints)
        row["hands"], row["ways"], row["keep"] = len(mate.hands), mate.ways, mate.keep
        row["last"] = all(later.part != mate.part for later in mates[m + 1 :])
        row["turn"], row["above"] = mate.turn, mate.above or 0.0
        row["xy"] = mate.xy if tolerance is None else tolerance
        row["z"], row["yaw"], row["tilt"] = mate.z, mate.yaw, mate.tilt
        for hand in mate.hands:
            x, y, z = hand.at
            row["hand"][hand.arm], row["fold"][hand.arm] = 1, hand.ways
            row["grasp"][hand.arm] = (
                x,
                y,
                _top(product.parts[number[mate.part]], x, y) if suction else z,
                hand.turn,
            )
        for joint in mate.joints:
            joint_I[first] = (number[joint.onto], joint.point, joint.at)
            first += 1
        after_MM[m, list(product.before(m))] = True
    return Plan(mate_M, joint_I, after_MM)


def _top(part: Part, x: float, y: float) -> float:
    """Height of a part's surface above its origin at a place: there suction takes it."""
    under: Sequence[float] = [
        centre[2] + half[2]
        for half, centre in boxes(part, 0.0)
        if abs(x - centre[0]) <= half[0] and abs(y - centre[1]) <= half[1]
    ]
    return max(under, default=0.0)
