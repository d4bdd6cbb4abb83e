"""The assembly arena: what arms see, what is paid, and when a match is over.

Axes: N arms, K parts, M mates, O observation.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from arenas.assembly.kernel import layout
from arenas.assembly.options import AssemblyOptions
from arenas.assembly.physics.engine import engine
from arenas.assembly.pixels import pixel_slices, pixel_space, seen_by
from arenas.assembly.plan import plan_of
from arenas.assembly.product import Product, read_product
from arenas.assembly.stages import BUILDS
from arenas.assembly.starts import draw_start
from marl.arena import Arena, Step
from marl.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from arenas.assembly.cell import Cell
    from arenas.assembly.physics.scene import Look

ACTION_SIZES = {"ee_delta": 5, "ee_delta6": 7, "joint_vel": 8, "joint_delta": 8}
HOLD_STEPS = 5
"""A success must last so many steps."""
DEEPEST = 4e-4
"""Parts that are deeper in each other (m) while it lasts have cheated: a peg that is 1 mm too large is 0.5 mm
deep in each wall."""
REACH_TOLERANCE, REACH_STEPS = 0.02, 100
SHAPING, SUCCESS, CONTACT, EFFORT = 10.0, 10.0, 0.05, 0.001
REFERENCE_SUBSTEPS, REFERENCE_HZ = 12, 240


class Assembly(Arena):
    """One to four arms around a table build what a stage asks for; one seat an arm, all in one team.

    Observation (float32, own base frame, SI units): `arenas.assembly.kernel.layout` names every number.
    `pixels`: a Dict of an image (84, 84, 3) of bytes and, `own`, what an arm knows of itself and the task.
    Action (float32 in -1..1), last number the grip (1 open, -1 closed): `ee_delta` x, y, z (0.6 m/s), yaw
    (3 rad/s); `ee_delta6` with roll and pitch; `joint_vel` (2 rad/s) and `joint_delta`. KUKA's joint modes
    have no grip in stage reach.
    Reward `shaped`: 10 (gamma P' - P) for progress P in 0..1, 10 for success, -0.05 in contact with another
    arm or the table, -0.001 |action|^2. `sparse`: 1 for success. `classic`: -distance, +10 at the target.
    Score: 1 for success, 0 otherwise. Ends: success, a part lost, no arm left that could go on, a collision
    (option); the info's `reason` says which. Seats whose arm stops leave; their arm stays as an obstacle.
    """

    Options = AssemblyOptions
    options: AssemblyOptions
    version = "2"
    higher_is = "1 for success, 0 otherwise"

    def __init__(self, render_mode: str | None = None, **options: Any) -> None:
        if render_mode not in {None, "rgb_array"}:
            raise SpecError("assembly: render_mode", got=repr(render_mode), expected="None or 'rgb_array'")
        super().__init__(**options)
        self.render_mode = render_mode
        self.metadata["render_modes"] = ["rgb_array"]
        self.metadata["render_fps"] = round(self.options.hz / self.options.substeps)

    def declare(self) -> None:
        """Read the product, and fix the spaces."""
        engine()  # says at once where PyBullet is missing
        options = self.options
        self.product = self._product()
        self.room = options.seats or options.arms
        here = len(self.product.parts) if self.product is not None else 0
        self.part_room = here if options.parts is None else options.parts
        if here > self.part_room:
            raise SpecError(
                f"assembly: option parts = {self.part_room}",
                got=f"{here} parts in stage {options.stage}",
                expected="room for all of them",
            )
        self.plan = plan_of(
            self.product, options.arms, suction=options.arm == "kuka", tolerance=options.tolerance
        )
        self._hand_MN: NDArray[np.int64] = self.plan.mate_M["hand"][:, : options.arms]
        self.seats = tuple(f"arm_{i}" for i in range(self.room))
        self._number = {seat: arm for arm, seat in enumerate(self.seats)}
        self.teams = {"arms": self.seats}
        self.action_size = ACTION_SIZES[options.action]
        if options.arm == "kuka" and options.stage == "reach" and options.action.startswith("joint"):
            self.action_size = 7
        self.action = spaces.Box(-1, 1, (self.action_size,), np.float32)
        self._declare_observation()
        steps = REACH_STEPS if self.product is None else self.product.max_steps
        scale = options.hz / REFERENCE_HZ * REFERENCE_SUBSTEPS / options.substeps
        self.max_steps = options.max_steps or math.ceil(steps * scale)
        self.stage_number = layout.STAGES.index(options.stage.removesuffix("_held"))
        self.tolerance = options.tolerance or REACH_TOLERANCE

    def _declare_observation(self) -> None:
        kind, action = self.options.observation, self.action_size
        if kind == "pixels":
            self.observation, self.slices = pixel_space(action), {"arm": pixel_slices(action)}
            return
        size = 17 if kind == "classic" else layout.size_of(self.room, self.part_room, action)
        if kind == "full":
            self.slices = {"arm": layout.slices_of(self.room, self.part_room, action)}
        self.observation = spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def _product(self) -> Product | None:
        options = self.options
        if options.stage == "reach":
            return None
        if options.stage != "product":
            return BUILDS[options.stage](options.arms)
        product = read_product(options.product)
        if product.arms > options.arms:
            raise SpecError(
                f"assembly: product {product.name!r}",
                got=f"arms = {options.arms}",
                expected=f"{product.arms} arms or more",
                remedy=f"Set the option arms = {product.arms}.",
            )
        return product

    @cached_property
    def cell(self) -> Cell:
        """The robot cell, built when it is first needed."""
        from arenas.assembly.cell import Cell  # compiles or loads the kernel

        size = layout.size_of(self.room, self.part_room, self.action_size)
        look: Look = "light" if self.options.observation == "pixels" else "none"
        if look == "none" and self.render_mode is not None:
            look = "stock"
        return Cell(
            self.options,
            self.product,
            self.plan,
            (self.room, self.action_size, size),
            look=look,
        )

    def present(self) -> tuple[str, ...]:
        """The seats that have an arm."""
        return self.seats[: self.options.arms]

    def setup(self, rng: np.random.Generator) -> None:
        """Draw a start, and put the cell into it."""
        cell = self.cell
        draw_start(cell, self.options, self.product, self.plan, rng)
        self._held_steps = 0
        self._clean = True
        self._success = False
        self._reached_N = [0] * self.options.arms
        self._fault = (-1, -1)
        if rng.random() < self.options.fault_rate:
            self._fault = (int(rng.integers(self.max_steps)), int(rng.integers(self.options.arms)))
        cell.conclude(self.stage_number, 0.0)
        weight = self.options.team_weight
        self._potential_N = [_potential(row, weight) for row in cell.tally_N6.tolist()]

    def observe(self, seat: str) -> Any:  # noqa: ANN401  # numbers, or numbers and an image
        """What an arm sees."""
        arm, kind = self._number[seat], self.options.observation
        row_O: NDArray[np.float32] = self.cell.observation_NO[arm]
        if kind == "full":
            return row_O
        if kind == "pixels":
            return seen_by(self.cell, arm)
        return np.concatenate([row_O[:14], row_O[-3:]])

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """One control step."""
        cell, options = self.cell, self.options
        live = [self._number[seat] for seat in actions]
        gone: dict[int, str] = {}
        for arm, action in zip(live, actions.values(), strict=True):
            cell.action_NA[arm] = action
        if self._steps == self._fault[0] and self._fault[1] in live:
            gone[self._fault[1]] = "fault"
            cell.stop(self._fault[1], drop=options.gone_gripper == "drop")
        cell.act()
        cell.conclude(self.stage_number, (self._steps + 1) / self.max_steps)
        clash_N = cell.world.clashes()
        if options.force_limit > 0:
            self._stop_pressed(live, gone)
        tally = cell.tally_N6.tolist()
        if self.product is None:
            self._leave(live, gone, tally)
        self._success = self._succeeds(tally)
        reason = self._reason(clash_N, lost=tally[0][4] > 0)
        reward = dict(zip(actions, self._rewards(live, clash_N, tally), strict=True))
        if reason:
            return self._step(reward, dict.fromkeys(live, reason), ends=live)
        if self._steps + 1 >= self.max_steps:
            return self._step(reward, dict.fromkeys(live, "time") | gone, ends=gone)
        return self._step(reward, gone, ends=gone) if gone else Step(reward)

    def _step(self, reward: Mapping[str, float], reasons: Mapping[int, str], *, ends: Iterable[int]) -> Step:
        """A step with which matches of some arms end, or may end."""
        seats = self.seats
        info = {seats[arm]: {"reason": reason, "success": self._success} for arm, reason in reasons.items()}
        return Step(reward, {seats[arm]: True for arm in ends}, info=info)

    def _stop_pressed(self, live: list[int], gone: dict[int, str]) -> None:
        for arm in live:
            if arm not in gone and self.cell.world.press(arm) > self.options.force_limit:
                gone[arm] = "protective stop"
                self.cell.stop(arm, drop=self.options.gone_gripper == "drop")

    def _leave(self, live: list[int], gone: dict[int, str], tally: list[list[float]]) -> None:
        """Stage reach: count how long each arm is at its target; those that may, leave."""
        for arm in live:
            self._reached_N[arm] = self._reached_N[arm] + 1 if tally[arm][0] < self.tolerance else 0
            if self.options.leave_on_done and self._reached_N[arm] >= HOLD_STEPS and arm not in gone:
                gone[arm] = "done"
                self.cell.stop(arm, drop=False)

    def _succeeds(self, tally: list[list[float]]) -> bool:
        if self.product is None:
            if self.options.reward == "classic":
                return all(row[0] < self.tolerance for row in tally)
            return min(self._reached_N) >= HOLD_STEPS
        seated = tally[0][5] > 0 and self.cell.world.penetration() < DEEPEST
        self._held_steps = self._held_steps + 1 if seated else 0
        return self._held_steps >= HOLD_STEPS

    def _reason(self, clash_N: list[float], *, lost: bool) -> str:
        """Why the match is over; empty while it goes on."""
        if self._success:
            return "success"
        if lost:
            return "part lost"
        if self.options.on_collision == "terminate" and max(clash_N) > 0:
            return "collision"
        if self.cell.stopped:
            if self.product is None:
                done_N = np.array(self._reached_N) >= HOLD_STEPS
            else:
                done_N = ~np.asarray(self._hand_MN[~self.cell.done_M].any(0))
            if not (done_N | self.cell.active_N).all():
                return "arms gone"
        return ""

    def _rewards(self, live: list[int], clash_N: list[float], tally: list[list[float]]) -> list[float]:
        kind = self.options.reward
        if kind == "sparse":
            return [float(self._success)] * len(live)
        if kind == "classic":
            return [-tally[arm][0] + (10.0 if tally[arm][0] < self.tolerance else 0.0) for arm in live]
        options, bonus, paid = self.options, SUCCESS * self._success, []
        for arm in live:
            now = _potential(tally[arm], options.team_weight)
            gain = options.gamma * now - self._potential_N[arm]
            paid.append(SHAPING * gain + bonus - CONTACT * (clash_N[arm] > 0) - EFFORT * tally[arm][1])
            self._potential_N[arm] = now
        return paid

    def state(self) -> NDArray[np.float32]:
        """The world in its own frame: 19 numbers a seat, 14 a part, the share of time."""
        return self.cell.state(self.room, self.part_room, self._steps / self.max_steps)

    def scores(self) -> Mapping[str, float]:
        """1 for success, 0 otherwise, for everybody."""
        return dict.fromkeys(self.present(), float(self._success))

    def view(self) -> dict[str, Any]:
        """Poses of links and parts, and what is done; `shapes` of the parts in the first view of a match."""
        cell = self.cell
        shown: dict[str, Any] = {
            **cell.view(),
            "done": cell.done_M.tolist(),
            "active": cell.active_N.tolist(),
        }
        if self._steps == 0:
            shown["shapes"] = [
                {"boxes": body.boxes, "colour": body.colour} for body in cell.world.scene.bodies
            ]
            shown["robot"] = cell.world.scene.robot.urdf
        return shown

    def render(self) -> Any:  # noqa: ANN401  # an image
        """A picture (480, 640, 3) where render_mode is "rgb_array"; of coarse meshes if arms see pixels."""
        if self.render_mode is None:
            return None
        return self.cell.world.picture(640, 480)

    def close(self) -> None:
        """Give the physics client back."""
        cell = self.__dict__.pop("cell", None)
        if cell is not None:
            cell.world.close()


def _potential(row: list[float], weight: float) -> float:
    """Progress of a seat, 0 to 1: the team's, mixed with that of the mates it has a hand in."""
    return weight * row[3] + (1 - weight) * row[2]
