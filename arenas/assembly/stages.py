"""What the stages of the curriculum ask for, as products for any number of arms.

Arms stand on a ring and face its centre; `_before` is a place as an arm sees it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from arenas.assembly.product import Block, Hand, Hole, Joint, Mate, Part, Product

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIDE = 0.04
COLOURS = ((0.85, 0.33, 0.2), (0.2, 0.5, 0.8), (0.35, 0.65, 0.3), (0.85, 0.7, 0.2))
WOOD, STEEL = (0.75, 0.55, 0.35), (0.55, 0.58, 0.62)


def ring(arms: int) -> tuple[tuple[float, float, float], ...]:
    """x, y and yaw of each arm's base."""
    radius = 0.6 if arms <= 2 else 0.68
    angles = [2 * math.pi * i / arms for i in range(arms)]
    return tuple((-radius * math.cos(a), -radius * math.sin(a), a) for a in angles)


def _before(arm: int, arms: int, ahead: float, left: float, height: float) -> tuple[float, float, float]:
    x, y, yaw = ring(arms)[arm]
    c, s = math.cos(yaw), math.sin(yaw)
    return (x + c * ahead - s * left, y + s * ahead + c * left, height)


def _cube(arm: int, arms: int, ahead: float, left: float, spread: float) -> Part:
    return Part(
        name=f"block_{arm}",
        blocks=(Block(size=(SIDE, SIDE, SIDE)),),
        mass=0.08,
        colour=COLOURS[arm],
        start=_before(arm, arms, ahead, left, SIDE / 2),
        turn=ring(arms)[arm][2],
        spread=spread,
        turn_spread=0.4,
    )


def lift(arms: int) -> Product:
    """S1: each arm lifts its own block."""
    parts = tuple(_cube(arm, arms, 0.47, 0.0, 0.05) for arm in range(arms))
    mates = tuple(
        Mate(
            part=part.name,
            hands=(Hand(arm=arm, ways=4),),
            joints=(Joint(at=(part.start[0], part.start[1], 0.15)),),
            ways=0,
            after=(),
            keep=True,
            above=0.1,
        )
        for arm, part in enumerate(parts)
    )
    return Product(name="lift", arms=arms, parts=parts, mates=mates, max_steps=100)


def stack(arms: int) -> Product:
    """S2: a tower of everybody's blocks at the centre."""
    parts = tuple(_cube(arm, arms, 0.45, 0.1, 0.04) for arm in range(arms))
    mates = tuple(
        Mate(
            part=part.name,
            hands=(Hand(arm=arm, ways=4),),
            joints=(
                Joint(at=(0, 0, SIDE / 2)) if arm == 0 else Joint(onto=f"block_{arm - 1}", at=(0, 0, SIDE)),
            ),
            ways=4,
            xy=0.02,
            yaw=0.4,
        )
        for arm, part in enumerate(parts)
    )
    return Product(
        name="stack", arms=arms, parts=parts, mates=mates, site_spread=0.03, max_steps=150 * max(arms, 2)
    )


def handover(arms: int) -> Product:
    """S3: a bar goes from the reach of arm 0 through the air to a goal before the arm across."""
    other, length = arms // 2, 0.26
    end = length / 2 - 0.04
    bar = Part(
        name="bar",
        blocks=(Block(size=(length, 0.03, 0.03)),),
        colour=WOOD,
        start=_before(0, arms, 0.42, 0.08, 0.015),
        spread=0.03,
        turn_spread=0.2,
    )
    far = _before(other, arms, 0.4, 0.0, 0.015)
    turn = ring(arms)[other][2] - math.pi
    # It reaches the other arm with its far end ahead, turned half of what the goal asks for.
    mates = (
        Mate(
            part="bar",
            hands=(Hand(arm=0, at=(-end, 0, 0)),),
            joints=(Joint(at=(0, 0, 0.25)),),
            keep=True,
            xy=0.02,
            z=0.02,
            tilt=0.2,
        ),
        Mate(
            part="bar",
            hands=(Hand(arm=other, at=(end, 0, 0)),),
            joints=(Joint(at=far),),
            turn=turn,
            xy=0.03,
            z=0.01,
        ),
    )
    return Product(name="handover", arms=arms, parts=(bar,), mates=mates, max_steps=400)


def carry(arms: int) -> Product:
    """S4: all arms carry a bar (2), a T (3) or a cross (4) to a place in the air."""
    wide, high, reach = 0.03, 0.03, 0.19
    ends = {
        1: [(0.0, 0.0)],
        2: [(-reach, 0.0), (reach, 0.0)],
        3: [(-reach, 0.0), (0.05, -reach), (0.05, reach)],
        4: [(-reach, 0.0), (0.0, -reach), (reach, 0.0), (0.0, reach)],
    }[arms]
    blocks = {
        1: [Block(size=(0.2, wide, high))],
        2: [Block(size=(0.5, wide, high))],
        3: [
            Block(size=(0.3, wide, high), at=(-0.1, 0, 0)),
            Block(size=(wide, 0.46, high), at=(0.05, 0, 0)),
        ],
        4: [Block(size=(0.46, wide, high)), Block(size=(wide, 0.46, high))],
    }[arms]
    load = Part(
        name="load",
        blocks=tuple(blocks),
        mass=0.2,
        colour=WOOD,
        start=(0.0, -0.12 if arms <= 2 else -0.03, high / 2),
        spread=0.03,
        turn_spread=0.1,
    )
    mate = Mate(
        part="load",
        hands=tuple(
            Hand(arm=arm, at=(x, y, 0), turn=math.pi / 2 if abs(y) > abs(x) else 0.0)
            for arm, (x, y) in enumerate(ends)
        ),
        joints=(Joint(at=(0.0, 0.1 if arms <= 2 else 0.04, 0.16)),),
        keep=True,
        xy=0.03,
        z=0.03,
        yaw=0.15,
        tilt=math.radians(10),
    )
    return Product(name="carry", arms=arms, parts=(load,), mates=(mate,), site_spread=0.02, max_steps=250)


PEG, PEG_LENGTH = 0.03, 0.1


def _peg(arms: int) -> Part:
    return Part(
        name="peg",
        blocks=(Block(size=(PEG, PEG, PEG_LENGTH)),),
        colour=COLOURS[0],
        start=_before(0, arms, 0.42, 0.1, PEG_LENGTH / 2),
        spread=0.04,
        turn_spread=0.3,
    )


def _insertion(socket_at: tuple[float, float, float], z: float) -> Mate:
    return Mate(
        part="peg",
        hands=(Hand(arm=0, at=(0, 0, 0.03), ways=4),),
        joints=(Joint(onto="socket", point=(0, 0, -PEG_LENGTH / 2), at=socket_at),),
        ways=4,
        xy=0.006,
        z=z,
        yaw=0.3,
        tilt=math.radians(6),
    )


def insert(arms: int) -> Product:
    """S5: arm 0 puts a peg more than 30 mm deep into a socket on the table."""
    socket = Part(
        name="socket",
        blocks=(Block(size=(0.1, 0.1, 0.05), holes=(Hole(at=0, width=PEG),)),),
        mass=0,
        colour=STEEL,
        start=(0, 0, 0.025),
        spread=0.03,
    )
    return Product(
        name="insert",
        arms=arms,
        parts=(_peg(arms), socket),
        mates=(_insertion((0, 0, -0.025), 0.02),),
        max_steps=300,
    )


def insert_held(arms: int) -> Product:
    """S5: likewise, into a socket that the arm across holds in the air."""
    other = arms // 2
    x, y, _ = _before(other, arms, 0.4, 0.12, 0)
    socket = Part(
        name="socket",
        blocks=(  # as heavy before the grasp as behind it, so that it does not sag
            Block(size=(0.3, 0.06, 0.04), at=(-0.07, 0, 0.005), holes=(Hole(at=-0.1, width=PEG),)),
            Block(size=(0.06, 0.06, 0.01), at=(-0.17, 0, -0.02)),
            Block(size=(0.04, 0.06, 0.05), at=(0.1, 0, 0)),
        ),
        mass=0.15,
        colour=STEEL,
        start=(x, y, 0.025),
        turn=ring(arms)[other][2] - math.pi,
        spread=0.03,
        turn_spread=0.2,
    )
    held = Mate(
        part="socket",
        hands=(Hand(arm=other),),
        joints=(Joint(at=(0.17, 0, 0.2)),),
        turn=0.0,
        keep=True,
        xy=0.02,
        z=0.02,
        tilt=0.15,
    )
    return Product(
        name="insert_held",
        arms=arms,
        parts=(_peg(arms), socket),
        mates=(held, _insertion((-0.17, 0, -0.015), 0.01)),
        max_steps=300,
    )


BUILDS: Mapping[str, Callable[[int], Product]] = {
    "lift": lift,
    "stack": stack,
    "handover": handover,
    "carry": carry,
    "insert": insert,
    "insert_held": insert_held,
}
"""A stage's product, for a number of arms; handovers and held sockets need two."""
