"""What each option and constant of the assembly arena does to rewards, ends, and the physics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="the physics engine has no wheel for this Python")

from arenas.assembly import Assembly, preset
from arenas.assembly.kernel.kinematics import solve_pose
from arenas.assembly.kernel.layout import slices_of
from tests.arenas.assembly.driving import demonstrated, matches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Row = NDArray[np.float32]

pytestmark = pytest.mark.timeout(900)  # numba compiles the kernel in a fresh checkout

HOME, OPEN = (0.0, -0.2652, 0.0, -2.4885, 0.0, 2.2232, math.pi / 4), 0.08
DOWN = np.array([0, 0, -1, 0, -1], np.float32)


def gaps(arena: Assembly) -> list[float]:
    """Stage reach: how far each tool is from its target."""
    cell = arena.cell
    return [math.dist(cell.world.tool(i)[:3, 3], cell.reach_N3[i]) for i in range(arena.options.arms)]


def test_the_shaped_reward_is_what_the_data_sheet_says() -> None:
    """10 (gamma P' - P), less 0.05 with a contact and 0.001 |action|^2, to the last term."""
    arena = Assembly(**preset("reach", gamma=0.9))
    arena.reset(seed=1)
    before = np.mean([1 - math.tanh(5 * gap) for gap in gaps(arena)])
    touched = []
    for step in range(25):
        down = {"arm_0": DOWN, "arm_1": np.array([0, 0, 0.1, 0, 0.5], np.float32)}
        reward = arena.step(down)[1]
        now = np.mean([1 - math.tanh(5 * gap) for gap in gaps(arena)])
        gain = 10 * (0.9 * now - before)
        before = now
        touched.append(bool(arena.cell.world.clashes()[0] > 0))
        assert reward["arm_0"] == pytest.approx(gain - 0.05 * touched[-1] - 0.001 * 2, abs=1e-5), step
        assert reward["arm_1"] == pytest.approx(gain - 0.001 * 0.26, abs=1e-5), step
    assert 5 < sum(touched) < 20
    arena.close()


def test_a_team_weight_mixes_own_progress_in() -> None:
    """At 0 an arm is paid for its own block alone, at 1 both for both, at 0.3 the mixture of these."""
    moves = [{**move, "arm_1": np.zeros(5, np.float32)} for move in demonstrated(preset("lift"), 1, 18)]

    def paid(weight: float) -> NDArray[np.float64]:
        arena = Assembly(**preset("lift", team_weight=weight))
        arena.reset(seed=1)
        rewards = [arena.step(move)[1] for move in moves]
        arena.close()
        return np.array([[row["arm_0"], row["arm_1"]] for row in rewards])

    own, team = paid(0.0), paid(1.0)
    np.testing.assert_allclose(paid(0.3), 0.3 * team + 0.7 * own, atol=1e-6)
    effort_T = np.array([0.001 * float((move["arm_0"] ** 2).sum()) for move in moves])
    np.testing.assert_allclose(team[:, 0] + effort_T, team[:, 1], atol=1e-6)
    np.testing.assert_allclose((own[:, 0] + effort_T + own[:, 1]) / 2, team[:, 1], atol=1e-6)
    assert own[:, 0].sum() > 3
    assert abs(own[:, 1].sum()) < 0.3


def test_sparse_pays_success_alone() -> None:
    """Nothing until the last step, then 1 for both arms; and nothing at all where the match is lost."""
    options = preset("lift", reward="sparse")
    moves = demonstrated(options, 1)
    arena = Assembly(**options)
    arena.reset(seed=1)
    paid = [arena.step(move)[1] for move in moves]
    assert arena.scores() == {"arm_0": 1.0, "arm_1": 1.0}
    assert paid == [{"arm_0": 0.0, "arm_1": 0.0}] * (len(moves) - 1) + [{"arm_0": 1.0, "arm_1": 1.0}]
    arena.reset(seed=1)
    assert not any(any(arena.step(dict.fromkeys(arena.agents, DOWN))[1].values()) for _ in range(10))
    arena.close()


@pytest.mark.parametrize("name", ["reach", "lift"])
def test_success_must_last_five_steps(name: str) -> None:
    """A match is won in the fifth step in a row that all is as it should be, not before."""
    held, ends = [0], []

    def watch(arena: Assembly) -> None:
        cell = arena.cell
        if name == "reach":
            well = max(gaps(arena)) < 0.02
        else:
            well = bool((cell.world.part_K13[:, 2] > 0.1).all()) and all(
                cell.world.pinches(arm, arm) for arm in range(2)
            )
        held[0] = held[0] + 1 if well else 0
        if not arena.agents:
            ends.append(held[0])

    won = [outcome.success for outcome in matches("scripted", preset(name), range(3), watch)]
    assert won == [True] * 3
    assert ends == [5] * 3


@pytest.mark.parametrize(("effort", "least", "most"), [(1.0, 300, 500), (0.3, 60, 120)])
def test_arms_of_little_force_hold_themselves_up(effort: float, least: float, most: float) -> None:
    """A share of its force is for what an arm presses: it does not sink, and presses less on the table."""
    arena = Assembly(**preset("lift", effort=effort, max_steps=200))
    arena.reset(seed=2)
    before = arena.cell.tool_N44[:, :3, 3].copy()
    for _ in range(40):
        arena.step(dict.fromkeys(arena.agents, np.array([0, 0, 0, 0, 1], np.float32)))
    assert np.linalg.norm(arena.cell.tool_N44[:, :3, 3] - before, axis=1).max() < 0.002
    pressed = []
    for _ in range(40):
        arena.step({"arm_0": DOWN, "arm_1": np.array([0, 0, 0, 0, 1], np.float32)})
        pressed.append(arena.cell.world.clashes()[0])
    assert least < np.mean(pressed[-15:]) < most
    arena.close()


def test_a_third_of_the_force_is_enough_for_a_peg() -> None:
    """The cap of 30 % that is meant for insertion lets scripted arms insert."""
    assert all(outcome.success for outcome in matches("scripted", preset("insert", effort=0.3), range(2)))


def test_the_engine_is_told_how_finely_to_solve() -> None:
    """`iterations` and `hz` are the engine's own settings, and iterations matter where something is held."""
    moves, found = demonstrated(preset("lift", arms=1), 3, 18), []
    for iterations, hz in ((50, 240), (10, 240), (10, 480)):
        arena = Assembly(**preset("lift", arms=1, iterations=iterations, hz=hz))
        arena.reset(seed=3)
        world = arena.cell.world
        told = world._p.getPhysicsEngineParameters(world._c)
        assert told["numSolverIterations"] == iterations
        assert told["fixedTimeStep"] == pytest.approx(1 / hz)
        for move in moves:
            arena.step(move)
        found.append(world.part_K13[0].tobytes())
        arena.close()
    assert len(set(found)) == 3


@pytest.mark.parametrize(("place", "lost"), [((0.93, 0.0), False), ((0.97, 0.0), True), ((0.7, -0.7), True)])
def test_a_part_out_of_reach_is_lost(place: tuple[float, float], lost: bool) -> None:
    """A part 0.95 m from the centre is out of every arm's reach: the match is over, and says why."""
    arena = Assembly(**preset("lift"))
    arena.reset(seed=1)
    cell = arena.cell
    pose_K7 = cell.world.part_K13[:, :7].copy()
    pose_K7[0, :2] = place
    cell.begin(cell.world.q_NJ.copy(), np.full(2, OPEN), pose_K7)
    _, reward, terminated, _, info = arena.step(dict.fromkeys(arena.agents, np.zeros(5, np.float32)))
    assert terminated == {"arm_0": lost, "arm_1": lost}
    assert [row.get("reason") for row in info.values()] == ["part lost" if lost else None] * 2
    assert reward["arm_0"] < 5
    arena.close()


@pytest.mark.parametrize(("speed", "rests"), [(0.018, True), (0.022, False)])
def test_a_seated_part_rests(speed: float, rests: bool) -> None:
    """What moves at 2 cm/s is not seated."""
    arena = Assembly(**preset("stack"))
    arena.reset(seed=1)
    assert seated(arena, speed=speed, away=0.2) is rests
    arena.close()


@pytest.mark.parametrize(("away", "clear"), [(0.058, False), (0.062, True)])
def test_a_hand_must_have_left(away: float, clear: bool) -> None:
    """A part in its place is seated when the hand that set it is 6 cm away."""
    arena = Assembly(**preset("stack"))
    arena.reset(seed=1)
    assert seated(arena, speed=0.0, away=away) is clear
    arena.close()


def seated(arena: Assembly, *, speed: float, away: float) -> bool:
    """Whether the first block is seated at its goal, moving so fast, with its arm's tool so far above it."""
    cell, world = arena.cell, arena.cell.world
    pose_K7 = world.part_K13[:, :7].copy()
    x, y, z, yaw = cell.goal_M4[0].tolist()
    pose_K7[0] = (x, y, z, 0, 0, math.sin(yaw / 2), math.cos(yaw / 2))
    target_44 = np.eye(4)
    target_44[:3, :3] = np.diag([1.0, -1.0, -1.0])
    target_44[:3, 3] = (x, y, z + away)
    chain, q_NJ = world.chain, world.q_NJ.copy()
    q_NJ[0] = solve_pose(np.array(HOME), target_44, chain.before_J44, chain.tool_44, world.base_N44[0])
    cell.begin(q_NJ, np.full(2, OPEN), pose_K7)
    world.part_K13[0, 7] = speed
    cell.conclude(arena.stage_number, 0.0)
    return bool(cell.seated_M[0])


def test_the_target_stays_on_its_leash() -> None:
    """However long an arm presses on the table, its target is 6 cm ahead, and it comes up at once."""
    arena = Assembly(**preset("reach"))
    first, last = slices_of(2, 0, 5)["lead"]
    arena.reset(seed=1)
    leads: list[float] = []
    for _ in range(30):
        seen = arena.step(dict.fromkeys(arena.agents, DOWN))[0]
        leads.append(float(np.linalg.norm(seen["arm_0"][first:last])))
    assert max(leads) == pytest.approx(0.06, abs=0.004)
    assert np.mean(leads[-10:]) > 0.05
    low = arena.cell.tool_N44[0, 2, 3]
    for _ in range(4):
        arena.step(dict.fromkeys(arena.agents, -DOWN))
    assert arena.cell.tool_N44[0, 2, 3] > low + 0.03
    arena.close()


def test_a_fault_rate_is_a_chance() -> None:
    """Arms stop in all matches at 1, in none at 0, in about half at 0.5; either arm, at any step."""

    def faults(rate: float) -> list[tuple[int, str]]:
        arena = Assembly(**preset("insert", fault_rate=rate, max_steps=8))
        found = []
        for seed in range(24):
            arena.reset(seed=seed)
            while arena.agents:
                info = arena.step(dict.fromkeys(arena.agents, np.zeros(5, np.float32)))[4]
                reasons = {row["reason"] for row in info.values() if row}
                if reasons & {"fault", "arms gone"}:  # of the arm without a hand in it, or of the other
                    found.append((arena._steps, max(reasons - {"time"})))
                    break
        arena.close()
        return found

    always = faults(1.0)
    assert len(always) == 24
    assert {reason for _, reason in always} == {"fault", "arms gone"}
    assert len({step for step, _ in always}) >= 5
    assert faults(0.0) == []
    assert 6 <= len(faults(0.5)) <= 18
