"""The task: observations, rewards, ends and faults of the assembly arena."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="the physics engine has no wheel for this Python")

from pettingzoo.test.parallel_test import parallel_api_test
from pettingzoo.test.seed_test import parallel_seed_test

from arenas.assembly import Assembly, preset, read_product
from arenas.assembly.kernel.layout import slices_of
from marl.errors import ActionError, ConfigError, UnknownNameError
from tests.arenas.assembly.driving import demonstrated, described, matches, random_moves

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from arenas.assembly.physics.world import World

    Row = NDArray[np.float32]

pytestmark = pytest.mark.timeout(900)  # numba compiles the kernel in a fresh checkout


def part_of(arena: Assembly, row: Row, name: str) -> Row:
    """A named part of an observation."""
    first, last = slices_of(arena.room, arena.part_room, arena.action_size)[name]
    return row[first:last]


def still(arena: Assembly) -> dict[str, Row]:
    """Zero motion with open hands."""
    action = np.zeros(arena.action_size, np.float32)
    action[-1] = 1
    return dict.fromkeys(arena.agents, action)


def test_pettingzoo_takes_it() -> None:
    """Property 15: PettingZoo's own tests of parallel environments and of seeds pass."""
    arena = Assembly(**preset("lift", max_steps=5))
    parallel_api_test(arena, num_cycles=12)
    parallel_seed_test(  # type: ignore[no-untyped-call]
        lambda: Assembly(**preset("lift", max_steps=5)), num_cycles=6
    )
    arena.close()


def test_the_table_of_observations_is_right() -> None:
    """Property 4: each named span holds what the world holds, in the arm's own frame; all is finite."""
    options = preset("bridge", seats=3, parts=4)
    arena = Assembly(**options)
    spec = described(arena, options)
    assert dict(spec.roles[0].slices) == slices_of(3, 4, 5)
    arena.reset(seed=3)
    for move in demonstrated(options, 3, 30):
        seen = arena.step(move)[0]
    world, cell = arena.cell.world, arena.cell
    for i, row in enumerate(seen.values()):
        assert row.dtype == np.float32
        assert np.isfinite(row).all()
        assert row.shape == arena.observation_space(f"arm_{i}").shape
        turn_33, base_3 = world.base_N44[i, :3, :3], world.base_N44[i, :3, 3]

        def near(name: str, expected: float | NDArray[np.float64], row: Row = row) -> None:
            np.testing.assert_allclose(part_of(arena, row, name), expected, atol=1e-5, err_msg=name)

        near("q", world.q_NJ[i])
        near("qd", world.qd_NJ[i])
        near("width", world.width_N[i])
        near("tool", turn_33.T @ (world.tool(i)[:3, 3] - base_3))
        near("holding", 1.0)
        near("other_0.tool", turn_33.T @ (world.tool(1 - i)[:3, 3] - base_3))
        near("other_0.active", 1.0)
        near("other_1.active", 0.0)
        own, other, beam = i, 1 - i, 2  # a pillar each, seen first and last; between them what both carry
        for place, k in enumerate((own, beam, other)):
            near(f"part_{place}.position", turn_33.T @ (world.part_K13[k, :3] - base_3))
            near(f"part_{place}.present", 1.0)
        near("part_0.held", 1.0)
        near("part_0.mine", 1.0)
        near("part_2.held", 1.0)
        near("part_2.mine", 0.0)
        near("part_0.to_goal", turn_33.T @ (cell.goal_M4[own, :3] - world.part_K13[own, :3]))
        near("part_3.present", 0.0)
        assert not any(part_of(arena, row, name).any() for name in slices_of(3, 4, 5) if "part_3" in name)
        near("stage", np.eye(7)[6])
        near("time", 30 / arena.max_steps)
    assert arena.state().shape == (3 * 19 + 4 * 14 + 1,)
    arena.close()


@pytest.mark.parametrize("arms", [1, 2, 4])
def test_zero_action_stays(arms: int) -> None:
    """Property 5: told nothing, the tools drift less than 2 mm in 5 s."""
    arena = Assembly(**preset("lift", arms=arms, max_steps=200))
    arena.reset(seed=2)
    before = arena.cell.tool_N44[:, :3, 3].copy()
    for _ in range(100):
        arena.step(still(arena))
    drift = np.linalg.norm(arena.cell.tool_N44[:, :3, 3] - before, axis=1)
    assert drift.max() < 0.002
    arena.close()


@pytest.mark.parametrize("arm", ["panda", "kuka"])
@pytest.mark.parametrize("action", ["ee_delta", "ee_delta6", "joint_vel", "joint_delta"])
def test_joints_keep_their_limits(action: str, arm: str) -> None:
    """Property 6: whatever is asked, joints stay in their ranges and below their speeds."""
    arena = Assembly(**preset("reach", action=action, arm=arm, max_steps=200))
    arena.reset(seed=1)
    chain, speed_J = arena.cell.world.chain, np.array(arena.cell.world.scene.robot.speed_J)
    sign = 1.0
    for step in range(60):
        sign = -sign if step % 20 == 0 else sign
        before_NJ = arena.cell.world.q_NJ.copy()
        arena.step({seat: np.full(arena.action_size, sign, np.float32) for seat in arena.agents})
        q_NJ, qd_NJ = arena.cell.world.q_NJ, arena.cell.world.qd_NJ
        asked_NJ = before_NJ + arena.cell.world.dt * arena.cell.qd_NJ  # the engine would stop them, but hard
        assert (asked_NJ > chain.low_J - 0.02).all()
        assert (asked_NJ < chain.high_J + 0.02).all()
        assert (q_NJ > chain.low_J - 0.02).all()
        assert (q_NJ < chain.high_J + 0.02).all()
        assert (np.abs(arena.cell.qd_NJ) <= speed_J + 1e-9).all()
        assert (np.abs(qd_NJ) <= 1.01 * speed_J).all()
    arena.close()


@pytest.mark.parametrize("gamma", [1.0, 0.99])
def test_shaping_telescopes(gamma: float) -> None:
    """Property 9: discounted, what shaping pays is the last potential less the first, whatever was done."""
    arena = Assembly(**preset("stack", gamma=gamma, max_steps=60))
    arena.reset(seed=4)
    first = arena._potential_N[0]
    total, discount = 0.0, 1.0
    moves = demonstrated(preset("stack"), 4, 40)
    for move in moves:
        reward = arena.step(move)[1]["arm_0"]
        paid = reward + 0.001 * float((move["arm_0"] ** 2).sum())
        paid += 0.05 * (arena.cell.world.clashes()[0] > 0)
        total += discount * paid
        discount *= gamma
    assert total == pytest.approx(10 * (discount * arena._potential_N[0] - first), abs=1e-3)
    arena.close()


def test_progress_grows_to_success() -> None:
    """The team's progress is 1 at success, near 0 at the start, and pays 10 points more for success."""
    arena = Assembly(**preset("insert"))
    arena.reset(seed=1)
    assert arena._potential_N[0] < 0.3
    for move in demonstrated(preset("insert"), 1):
        reward = arena.step(move)[1]
    assert arena._success
    assert arena._potential_N[0] == 1.0
    assert reward["arm_0"] > 9
    assert arena.scores() == {"arm_0": 1.0, "arm_1": 1.0}
    arena.close()


@pytest.mark.parametrize("drop", [False, True])
def test_an_arm_that_stopped_is_an_obstacle(drop: bool) -> None:
    """Property 11: it is out of the match, does not move, keeps or drops what it holds, and others see it."""
    options = preset("carry", gone_gripper="drop" if drop else "keep", max_steps=120)
    arena = Assembly(**options)
    arena.reset(seed=5)
    moves = demonstrated(options, 5, 24)
    for move in moves[:-4]:
        arena.step(move)
    assert arena.cell.holds_NK.all()
    arena._fault = (arena._steps, 0)
    _, _, terminated, _, info = arena.step(moves[-1])
    assert terminated == {"arm_0": True, "arm_1": True}  # the other cannot carry alone
    assert info["arm_1"]["reason"] == "arms gone"
    before = arena.cell.world.q_NJ[0].copy()
    arena.cell.action_NA[1, :-1] = 0  # the other one stays where it is
    for _ in range(20):
        arena.cell.act()
        arena.cell.conclude(arena.stage_number, 0.5)
    assert np.abs(arena.cell.world.q_NJ[0] - before).max() < 0.01
    assert arena.cell.holds_NK[0, 0] == (not drop)
    assert part_of(arena, arena.cell.observation_NO[1], "other_0.active") == 0
    arena.close()


def test_the_others_go_on() -> None:
    """Property 11: where the rest can finish, they do; the actions of the one that left are refused."""
    arena = Assembly(**preset("insert", max_steps=60))
    arena.reset(seed=1)
    arena._fault = (2, 1)
    for step in range(4):
        live = still(arena)
        arena.step(live)
        assert ("arm_1" in arena.agents) == (step < 2)
    with pytest.raises(ActionError, match="arm_1"):
        arena.step(dict.fromkeys(("arm_0", "arm_1"), live["arm_0"]))
    arena.close()


def test_arms_leave_when_they_are_done() -> None:
    """Stage reach: who is at its target leaves, the others go on; all there is success."""
    options = preset("reach", leave_on_done=True)
    outcome = next(matches("scripted", options, [3]))
    assert outcome.success
    arena = Assembly(**options)
    arena.reset(seed=3)
    counts = []
    for move in demonstrated(options, 3):
        arena.step({seat: move[seat] for seat in arena.agents})
        counts.append(len(arena.agents))
    assert counts[-1] == 0
    arena.close()


def test_a_collision_may_end_the_match() -> None:
    """With `on_collision = terminate` pressing on the table ends it, and says so; a limit stops the arm."""
    down = np.array([0, 0, -1, 0, -1], np.float32)
    for changed, reason in (
        ({"on_collision": "terminate"}, "collision"),
        ({"force_limit": 20.0}, "arms gone"),
    ):
        arena = Assembly(**preset("reach", **changed))
        arena.reset(seed=1)
        info: dict[str, Any] = {}
        while arena.agents:
            info = arena.step(dict.fromkeys(arena.agents, down))[4]
        assert info["arm_0"]["reason"] == reason
        arena.close()


def touching(world: World) -> bool:
    """Whether an arm above its foot is in the table, a part or another arm; forces are known after a step."""
    arms = world._arms
    return any(
        point[3] > 0
        for arm in arms
        for other in (world._table, *world._parts, *arms)
        if other != arm
        for point in world._p.getClosestPoints(arm, other, 0.0, physicsClientId=world._c)
    )


@pytest.mark.parametrize("name", ["lift", "carry", "bridge"])
def test_hands_begin_on_their_way(name: str) -> None:
    """At 1 they are at their first grasps, touching nothing; at 0 anywhere between there and home."""

    def gaps(**changed: float) -> list[float]:
        arena = Assembly(**preset(name, **changed))
        begin, end = arena.slices["arm"]["part_0.to_grasp"]
        found = []
        for seed in range(6):
            found.append(float(np.linalg.norm(arena.reset(seed=seed)[0]["arm_0"][begin:end])))
            assert not arena.cell.holds_NK.any()
            assert not touching(arena.cell.world)
        arena.close()
        return found

    home, there, between = gaps(), gaps(near=1.0), gaps(near=0.0)
    assert max(there) < 0.002
    assert all(a > b for a, b in zip(home, between, strict=True))
    assert max(between) > 0.05
    assert all(outcome.success for outcome in matches("scripted", preset(name, near=1.0), range(2)))


def test_classic_pays_the_distance() -> None:
    """The classic preset: 17 numbers, minus the distance, 10 points at the target."""
    arena = Assembly(**preset("classic"))
    seen, _ = arena.reset(seed=1)
    assert seen["arm_0"].shape == (17,)
    for move in demonstrated_classic(1):
        seen, reward, *_ = arena.step(move)
        way = seen["arm_0"][14:]
        near = math.sqrt(float(way @ way))
        assert reward["arm_0"] == pytest.approx(-near + 10 * (near < 0.05), abs=1e-5)
    assert near < 0.05
    arena.close()


def demonstrated_classic(seed: int) -> list[dict[str, Row]]:
    """A match of the scripted classic arm."""
    from agents.scripted.assembly import ClassicArm

    arena = Assembly(**preset("classic"))
    player = ClassicArm(described(arena, preset("classic")))
    seen, _ = arena.reset(seed=seed)
    moves = []
    while arena.agents:
        moves.append({"arm_0": player.act(seen["arm_0"], None)})
        seen = arena.step(moves[-1])[0]
    arena.close()
    return moves


def test_pictures_and_replays() -> None:
    """A picture has pixels of more than one colour; a view is plain, short, and names every link's pose."""
    import json

    arena = Assembly(render_mode="rgb_array", **preset("bridge"))
    arena.reset(seed=1)
    picture = arena.render()
    assert picture.shape == (480, 640, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10
    shown = arena.view()
    assert len(shown["shapes"]) == len(shown["parts"]) == 3
    arena.step(random_moves(arena, 1, 0)[0])
    text = json.dumps(arena.view())
    assert len(text) < 4000
    assert [len(links) for links in json.loads(text)["arms"]] == [12, 12]
    arena.close()


def test_a_product_of_ones_own(tmp_path: Path) -> None:
    """A product is a file: a wrong name in it is told, a right one is built without code."""
    text = """
name = "pair"
arms = 1
[[parts]]
name = "base"
start = [-0.15, 0.1, 0.02]
[[parts.blocks]]
size = [0.04, 0.04, 0.04]
[[mates]]
part = "base"
[[mates.hands]]
arm = 0
ways = 4
[[mates.joints]]
at = [-0.1, -0.1, 0.02]
"""
    file = tmp_path / "pair.toml"
    file.write_text(text, encoding="utf-8")
    options = {"stage": "product", "product": str(file), "arms": 1}
    assert next(matches("scripted", options, [1])).success
    file.write_text(text.replace('part = "base"', 'part = "bass"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="bass"):
        read_product(str(file))
    file.write_text(text.replace("ways = 4", "weighs = 4"), encoding="utf-8")
    with pytest.raises(UnknownNameError, match="weighs"):
        read_product(str(file))
