"""The physics: reproducible to the bit, without leaks, and as nature has it."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="the physics engine has no wheel for this Python")

from arenas.assembly import Assembly, preset
from arenas.assembly.kernel.kinematics import follow, solve_pose
from arenas.assembly.physics.scene import Body, Scene
from arenas.assembly.physics.world import World
from arenas.assembly.robots import KUKA, PANDA
from arenas.assembly.stages import ring
from tests.arenas.assembly.driving import demonstrated, random_moves, trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from arenas.assembly.robots import Robot

pytestmark = pytest.mark.timeout(900)  # numba compiles the kernel in a fresh checkout

CUBE = Body((((0.02, 0.02, 0.02), (0.0, 0.0, 0.0)),), 0.1, (1.0, 0.0, 0.0))


@pytest.fixture
def lone() -> Iterator[World]:
    """One Panda, well away from one cube."""
    world = World(Scene(PANDA, ring(1), (CUBE,)))
    yield world
    world.close()


def homes(world: World) -> NDArray[np.float64]:
    """All arms at home."""
    return np.array([world.scene.robot.home_J] * len(world.scene.base_N3))


@pytest.mark.parametrize("name", ["lift", "bridge"])
def test_a_seed_says_it_all_whatever_was_before(name: str) -> None:
    """Property 1: after pasts with held parts a seed gives the same bits, as in a second client."""
    options = preset(name)
    moves = demonstrated(options, 7, 40)
    arena, fresh = Assembly(**options), Assembly(**options)
    expected = trace(fresh, 7, moves)
    assert trace(arena, 7, moves) == expected
    for past in (1, 2):
        trace(arena, past, demonstrated(options, past, 22 + 5 * past))  # ends with parts in the hands
        assert trace(arena, 7, moves) == expected
    trace(arena, 3, random_moves(arena, 25, 3))
    assert trace(arena, 7, moves) == expected
    arena.close()
    fresh.close()


def test_suction_leaves_no_trace() -> None:
    """Property 1 for suction: a match that ended with parts on the tool changes nothing."""
    options = preset("stack", arm="kuka")
    arena = Assembly(**options)
    moves = demonstrated(options, 7, 28)
    expected = trace(arena, 7, moves)
    assert arena.cell.holds_NK.any()
    trace(arena, 1, demonstrated(options, 1, 26))
    assert trace(arena, 7, moves) == expected
    arena.close()


PROGRAM = """
import sys; sys.path.insert(0, sys.argv[1])
import hashlib
from arenas.assembly import Assembly, preset
from tests.arenas.assembly.driving import demonstrated, trace
options = preset("lift")
print(hashlib.sha256(trace(Assembly(**options), 5, demonstrated(options, 5, 20))).hexdigest())
"""


def test_a_new_process_gives_the_same(root: Path) -> None:
    """Property 1 across processes: the same match to the bit."""
    options = preset("lift")
    arena = Assembly(**options)
    here = hashlib.sha256(trace(arena, 5, demonstrated(options, 5, 20))).hexdigest()
    arena.close()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root)], capture_output=True, text=True, timeout=600, check=True
    )
    assert done.stdout.split()[-1] == here


def test_two_worlds_do_not_meet() -> None:
    """Property 2: two arenas stepped in turns give what each gives alone."""
    options = preset("lift")
    first, second = Assembly(**options), Assembly(**preset("stack"))
    moves, other = random_moves(first, 15, 1), random_moves(second, 15, 2)
    alone = trace(first, 4, moves)
    seen, _ = first.reset(seed=4)
    second.reset(seed=9)
    mixed = [row.tobytes() for row in seen.values()]
    for mine, yours in zip(moves, other, strict=True):
        mixed += [row.tobytes() for row in first.step(mine)[0].values()]
        second.step(yours)
    assert b"".join(mixed) == alone
    first.close()
    second.close()


@pytest.mark.parametrize("robot", [PANDA, KUKA], ids=lambda robot: robot.name)
@pytest.mark.parametrize("arms", [1, 2, 3, 4])
def test_the_jacobian_is_the_derivative(robot: Robot, arms: int) -> None:
    """Property 3: for every base's yaw it agrees with differences, and the tool with the engine's link."""
    world = World(Scene(robot, ring(arms), ()))
    rng = np.random.default_rng(arms)
    q_NJ = homes(world) + rng.uniform(-0.3, 0.3, (arms, 7))
    world.reset(q_NJ, np.full(arms, 0.08), np.zeros((0, 7)))
    frame_J44, jacobian_6J, tool_44 = np.empty((7, 4, 4)), np.empty((6, 7)), np.empty((4, 4))
    chain, eps = world.chain, 1e-6

    def tool(arm: int, q_J: NDArray[np.float64]) -> NDArray[np.float64]:
        follow(q_J, chain.before_J44, chain.tool_44, world.base_N44[arm], frame_J44, jacobian_6J, tool_44)
        return tool_44.copy()

    for arm in range(arms):
        here, rates = tool(arm, q_NJ[arm]), jacobian_6J.copy()
        for j in range(7):
            ahead = tool(arm, q_NJ[arm] + eps * np.eye(7)[j])
            spin_33 = (ahead[:3, :3] - here[:3, :3]) @ here[:3, :3].T / eps
            turn = (spin_33[2, 1], spin_33[0, 2], spin_33[1, 0])
            np.testing.assert_allclose(rates[:3, j], (ahead[:3, 3] - here[:3, 3]) / eps, atol=1e-5)
            np.testing.assert_allclose(rates[3:, j], turn, atol=1e-5)
        link = 11 if robot is PANDA else 6
        there = world._p.getLinkState(
            world._arms[arm], link, computeForwardKinematics=1, physicsClientId=world._c
        )[4]
        beyond = 0.0 if robot is PANDA else 0.06
        np.testing.assert_allclose(here[:3, 3] - beyond * here[:3, 2], there, atol=1e-5)
    world.close()


def test_home_is_a_posture_of_the_inverse() -> None:
    """Inverse kinematics brings the tool to a pose within a tenth of a millimetre."""
    world = World(Scene(PANDA, ring(1), ()))
    target_44 = np.eye(4)
    target_44[:3, :3] = np.diag([1.0, -1.0, -1.0])
    target_44[:3, 3] = (-0.1, 0.12, 0.2)
    chain = world.chain
    q_J = solve_pose(np.array(PANDA.home_J), target_44, chain.before_J44, chain.tool_44, world.base_N44[0])
    world.reset(q_J[None], np.array([0.08]), np.zeros((0, 7)))
    np.testing.assert_allclose(world.tool(0), target_44, atol=1e-4)
    world.close()


def resident_mb() -> float:
    """Resident memory of this process."""
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123  # not a path of ours
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


@pytest.mark.parametrize(
    "resets", [60, pytest.param(1000, marks=pytest.mark.slow)], ids=["60 resets", "1,000 resets"]
)
def test_resets_leak_nothing(resets: int) -> None:
    """Property 8: gears, bodies and memory stay as they were over many resets with held parts between."""
    options = preset("lift", arm="kuka")
    arena = Assembly(**options)
    moves = demonstrated(options, 0, 14)
    trace(arena, 0, moves)
    held = arena.cell.world.counts()
    arena.reset(seed=0)
    bare, before = arena.cell.world.counts(), resident_mb()
    assert held[1] > bare[1] == 0
    for seed in range(resets):
        if seed % 20 == 0:
            trace(arena, seed, moves[:12])
        arena.reset(seed=seed)
    assert arena.cell.world.counts() == bare
    assert resident_mb() - before < 4
    arena.close()
    panda = Assembly(**preset("lift", arms=2))
    panda.reset(seed=0)
    assert panda.cell.world.counts()[1] == 2  # the gears
    panda.close()


def test_free_fall(lone: World) -> None:
    """Property 13: a part falls as it should, within the error of the engine's own integrator."""
    lone.reset(homes(lone), np.array([0.08]), np.array([[0.5, 0.5, 0.9, 0, 0, 0, 1.0]]))
    lone.drive(0, [0.0] * 7, 0.08)
    for _ in range(5):
        lone.advance()
    steps = 5 * 12
    exact = -9.81 * (1 / 240) ** 2 * steps * (steps + 1) / 2
    assert lone.part_K13[0, 2] - 0.9 == pytest.approx(exact, rel=1e-3)
    assert exact == pytest.approx(-0.5 * 9.81 * 0.25**2, rel=0.02)


@pytest.mark.parametrize(("angle", "slides"), [(25, False), (37, True)])
def test_friction_holds_up_to_its_angle(angle: float, slides: bool) -> None:
    """Property 13: on the table (friction 0.6) a block slides where the slope's tangent exceeds it."""
    world = World(Scene(PANDA, ring(1), (CUBE,)))
    world.reset(homes(world), np.array([0.08]), np.array([[0.5, 0.5, 0.02, 0, 0, 0, 1.0]]))
    world.drive(0, [0.0] * 7, 0.08)
    tilt = math.radians(angle)
    world._p.setGravity(9.81 * math.sin(tilt), 0, -9.81 * math.cos(tilt), physicsClientId=world._c)
    for _ in range(10):
        world.advance()
    assert bool(world.part_K13[0, 0] - 0.5 > 0.02) is slides
    world.close()


@pytest.mark.parametrize(("gear", "stays"), [(True, True), (False, False)])
def test_a_held_part_stays_in_the_hand(gear: bool, stays: bool) -> None:
    """Property 12: along a fast move it stays within 3 mm of the hand; without the gear it slides."""
    world = World(Scene(PANDA, ring(1), (CUBE,), gear=gear))
    chain, base_44 = world.chain, world.base_N44[0]
    target_44 = np.eye(4)
    target_44[:3, :3] = np.diag([1.0, -1.0, -1.0])
    target_44[:3, 3] = (-0.12, 0.0, 0.25)
    start_J = solve_pose(np.array(PANDA.home_J), target_44, chain.before_J44, chain.tool_44, base_44)
    world.reset(start_J[None], np.array([0.042]), np.array([[-0.12, 0.0, 0.25, 0, 0, 0, 1.0]]))
    jacobian_6J = np.empty((6, 7))
    worst, offset = 0.0, None
    for step in range(40):
        follow(
            world.q_NJ[0],
            chain.before_J44,
            chain.tool_44,
            base_44,
            np.empty((7, 4, 4)),
            jacobian_6J,
            np.empty((4, 4)),
        )
        speed = 0.0 if step < 6 else 0.6 * (1 if step % 10 < 5 else -1)  # across, along the closing axis
        qd_J = np.linalg.pinv(jacobian_6J) @ np.array([0, speed, 0, 0, 0, 0])
        world.drive(0, qd_J.tolist(), 0.0)
        world.advance()
        tool_44 = world.tool(0)
        local = tool_44[:3, :3].T @ (world.part_K13[0, :3] - tool_44[:3, 3])
        if step == 5:
            offset = local
        if offset is not None:
            worst = max(worst, float(np.linalg.norm(local - offset)))
    assert (worst < 0.003) is stays, f"{1000 * worst:.1f} mm"
    world.close()
