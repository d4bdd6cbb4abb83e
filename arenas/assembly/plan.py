"""A product as arrays: what the kernel reads of its mates.

Axes: N arms, K parts, M mates, I their joints. Hands have room for as many arms as there can be, so that one
compiled kernel serves all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
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
    """Mates and joints as records, which mates go before which, and in what order arms see parts."""

    mate_M: NDArray[Any]
    joint_I: NDArray[Any]
    after_MM: NDArray[np.bool_]
    order_NK: NDArray[np.int64]


def plan_of(product: Product | None, arms: int, *, suction: bool, tolerance: float | None) -> Plan:
    """The arrays of a product; None: nothing is built. `tolerance` (m) replaces that of all mates across."""
    mates = product.mates if product is not None else ()
    mate_M = np.zeros(len(mates), MATE)
    joint_I = np.zeros(sum(len(mate.joints) for mate in mates), JOINT)
    after_MM = np.zeros((len(mates), len(mates)), np.bool_)
    if product is None:
        return Plan(mate_M, joint_I, after_MM, np.zeros((arms, 0), np.int64))
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
    return Plan(mate_M, joint_I, after_MM, _orders(mate_M, arms, len(product.parts)))


def _orders(mate_M: NDArray[Any], arms: int, parts: int) -> NDArray[np.int64]:
    """For each arm its own parts as it comes to move them, then its next neighbour's, fixed ones last.

    So one policy is right for all arms: what is first is what it is to move.
    """

    def rank(arm: int, part: int) -> tuple[int, int, int]:
        mate, hand = np.nonzero(mate_M["hand"] * (mate_M["part"] == part)[:, None])
        turns = zip(((hand - arm) % arms).tolist(), mate.tolist(), strict=True)
        return (*min(turns, default=(arms, 0)), part)

    orders = [sorted(range(parts), key=partial(rank, arm)) for arm in range(arms)]
    return np.array(orders, np.int64).reshape(arms, parts)


def _top(part: Part, x: float, y: float) -> float:
    """Height of a part's surface above its origin at a place: there suction takes it."""
    under: Sequence[float] = [
        centre[2] + half[2]
        for half, centre in boxes(part, 0.0)
        if abs(x - centre[0]) <= half[0] and abs(y - centre[1]) <= half[1]
    ]
    return max(under, default=0.0)
