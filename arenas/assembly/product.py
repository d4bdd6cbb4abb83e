"""What is built, as data: parts made of boxes, and mates in their order.

Lengths in m, angles in rad, masses in kg. A part's own frame has its origin at its centre of mass; x, y lie
in the table's plane and z points up while it stands as it starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from marl.errors import ConfigError, UnknownNameError
from marl.settings import Settings, read_toml

FOLDER = Path(__file__).parent / "products"
TABLE = "table"

Vector = Annotated[tuple[float, float, float], Field(strict=False)]
Colour = Annotated[tuple[float, float, float], Field(strict=False)]


class Hole(Settings):
    """A square hole right through a block, along z."""

    at: float = Field(description="Where its centre is along the block's long side, from the block's centre.")
    width: float = Field(gt=0, description="Width of what goes in; the option `clearance` is added to it.")


class Block(Settings):
    """A box of a part, with holes in a row if need be."""

    size: Vector = Field(description="Full lengths of its sides.")
    at: Vector = Field((0.0, 0.0, 0.0), description="Its centre in the part's frame.")
    along: Literal["x", "y"] = Field("x", description="The side along which its holes lie.")
    holes: tuple[Hole, ...] = Field((), description="Holes along that side.")


class Part(Settings):
    """A rigid part."""

    name: str = Field(min_length=1, description="What mates call it.")
    blocks: tuple[Block, ...] = Field(min_length=1, description="The boxes that it is made of.")
    mass: float = Field(0.1, ge=0, description="0: it is fixed to the table.")
    colour: Colour = Field((0.8, 0.5, 0.2), description="Red, green, blue from 0 to 1.")
    start: Vector = Field(description="Where its origin is at the start; table top is z = 0.")
    turn: float = Field(0.0, description="Its yaw at the start.")
    spread: float = Field(0.0, ge=0, description="The start's x and y are drawn from so much on either side.")
    turn_spread: float = Field(0.0, ge=0, description="Likewise its yaw.")


class Hand(Settings):
    """Where an arm grasps the part."""

    arm: int = Field(ge=0, description="The arm's number.")
    at: Vector = Field((0.0, 0.0, 0.0), description="Grasp point in the part's frame.")
    turn: float = Field(0.0, description="Direction in which the fingers close, against the part's y.")
    ways: int = Field(2, ge=1, description="Equal ways to grasp in a full turn: 2, or 4 of a square part.")


class Joint(Settings):
    """A point of the part that comes to lie on a point of another."""

    onto: str = Field(TABLE, description="A part's name, or table: then `at` is a place on the table.")
    point: Vector = Field((0.0, 0.0, 0.0), description="In the part's frame.")
    at: Vector = Field(description="In the frame of `onto`.")


class Mate(Settings):
    """One step of the assembly: a part comes to its place, in the hands of one or more arms."""

    part: str = Field(description="The part that is moved.")
    hands: tuple[Hand, ...] = Field(min_length=1, description="Who grasps it, and where.")
    joints: tuple[Joint, ...] = Field(min_length=1, description="What must meet; all of them at once.")
    turn: float = Field(0.0, description="Yaw against what it stands on (one joint only).")
    ways: int = Field(1, ge=0, description="Orientations in a full turn that will do; 0: any.")
    after: tuple[int, ...] | None = Field(
        None, description="Numbers of the mates that come before; none given: the one above."
    )
    keep: bool = Field(False, description="The hands keep it; otherwise all must have let go.")
    above: float | None = Field(None, description="It will do to have lifted the origin so high.")
    xy: float = Field(0.01, gt=0, description="Tolerance of each joint across.")
    z: float = Field(0.006, gt=0, description="Tolerance of each joint along z.")
    yaw: float = Field(0.15, gt=0, description="Tolerance of the yaw.")
    tilt: float = Field(0.1, gt=0, description="Tolerance of the tilt.")


class Product(Settings):
    """Parts, and the mates that make a product of them."""

    name: str = Field(min_length=1, description="What it is called.")
    arms: int = Field(ge=1, le=4, description="How many arms build it.")
    parts: tuple[Part, ...] = Field(min_length=1, description="The parts.")
    mates: tuple[Mate, ...] = Field(min_length=1, description="The steps.")
    site_spread: float = Field(
        0.0, ge=0, description="All places on the table are moved together by up to so much, in x and y."
    )
    max_steps: int = Field(600, ge=1, description="Time limit at 20 Hz.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names) or TABLE in names:
            raise ValueError(f"names of parts must differ, and none may be {TABLE!r}")
        for number, mate in enumerate(self.mates):
            known = {mate.part, *(joint.onto for joint in mate.joints)} - {TABLE}
            if not known <= set(names):
                raise ValueError(f"mate {number} names {sorted(known - set(names))}; parts are {names}")
            if any(hand.arm >= self.arms for hand in mate.hands):
                raise ValueError(f"mate {number} needs an arm beyond the {self.arms} of the product")
            if any(not 0 <= other < number for other in mate.after or ()):
                raise ValueError(f"mate {number} may only come after mates above it, not {mate.after}")
        return self

    def before(self, number: int) -> tuple[int, ...]:
        """The mates that must hold before this one begins."""
        after = self.mates[number].after
        return (number - 1,) if after is None and number else after or ()


def read_product(name: str) -> Product:
    """A product of ours by name, or anybody's by the path of its TOML file."""
    if name.endswith(".toml"):
        return Product.read(name, read_toml(Path(name)))
    ours = sorted(path.stem for path in FOLDER.glob("*.toml"))
    if name not in ours:
        raise UnknownNameError("product", name, [*ours, "a path that ends in .toml"])
    return Product.read(f"product {name!r}", read_toml(FOLDER / f"{name}.toml"))


def boxes(part: Part, clearance: float) -> list[tuple[Vector, Vector]]:
    """The boxes of a part as (half lengths, centre): holes wider by `clearance` than what goes in.

    A block with holes becomes solid lengths, and two strips beside each hole. ConfigError where the holes
    leave no wall.
    """
    found: list[tuple[Vector, Vector]] = []
    for block in part.blocks:
        if not block.holes:
            found.append((_half(block.size), block.at))
            continue
        length, breadth = block.size[:2] if block.along == "x" else block.size[1::-1]
        reached = -length / 2
        pieces: list[
            tuple[float, float, float, float]
        ] = []  # centre and length along, centre and breadth across
        for hole in sorted(block.holes, key=lambda hole: hole.at):
            width = hole.width + clearance
            strip, left, right = (breadth - width) / 2, hole.at - width / 2, hole.at + width / 2
            if strip <= 0 or left <= reached or width <= 0:
                raise ConfigError(
                    f"part {part.name!r}: hole at {hole.at}",
                    got=f"a width of {width:g} with the clearance",
                    expected=f"room for walls in a block of {length:g} x {breadth:g}",
                    remedy="Choose a smaller clearance, or a larger block.",
                )
            pieces.append(((reached + left) / 2, left - reached, 0.0, breadth))
            pieces += [(hole.at, width, side * (breadth - strip) / 2, strip) for side in (-1, 1)]
            reached = right
        pieces.append(((reached + length / 2) / 2, length / 2 - reached, 0.0, breadth))
        for centre, long, aside, broad in pieces:
            if long <= 0:
                raise ConfigError(
                    f"part {part.name!r}", got="a hole beyond the block's end", expected="walls all round"
                )
            across = (centre, aside) if block.along == "x" else (aside, centre)
            sides = (long, broad) if block.along == "x" else (broad, long)
            at = (block.at[0] + across[0], block.at[1] + across[1], block.at[2])
            found.append((_half((*sides, block.size[2])), at))
    return found


def _half(size: Vector) -> Vector:
    return (size[0] / 2, size[1] / 2, size[2] / 2)
