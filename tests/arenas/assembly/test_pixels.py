"""Pixels as observations: the same to the bit from a seed, and through the whole stack."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="the physics engine has no wheel for this Python")

from agents import make_policy
from arenas import full_spec
from arenas.assembly import Assembly, preset
from arenas.assembly.kernel.layout import slices_of
from arenas.assembly.pixels import SIDE, pixel_slices
from marl.errors import SpecError
from marl.hosting import make_pool
from marl.loading import ArenaRef
from marl.policy import Rows
from marl.spaces import to_json
from marl.spec import Spec, Ticket
from marl.testing import check_arena
from marl.testing.traces import Tracer, same
from tests.arenas.assembly.driving import ARENA, demonstrated, described, random_moves

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.arenas.assembly.driving import Actions

    Image = NDArray[np.uint8]

pytestmark = pytest.mark.timeout(900)  # numba compiles the kernel in a fresh checkout

RED, BLUE = (0.85, 0.33, 0.2), (0.2, 0.5, 0.8)


def seeing(name: str, **options: Any) -> Assembly:
    """An arena whose arms see pixels."""
    return Assembly(**preset(name, observation="pixels", **options))


def watched(arena: Assembly, seed: int, moves: Sequence[Actions]) -> Iterator[bytes]:
    """The images of all arms in a match under given actions, to the bit, step by step."""
    seen, _ = arena.reset(seed=seed)
    yield b"".join(row["pixels"].tobytes() for row in seen.values())
    for move in moves:
        seen = arena.step(move)[0]
        yield b"".join(row["pixels"].tobytes() for row in seen.values())


def blotch(image: Image, colour: tuple[float, float, float]) -> int:
    """How many pixels have a hue: brightness is the light's."""
    image_HW3 = image.astype(np.float64) / np.maximum(image.max(2, keepdims=True), 1)
    hue_3 = np.array(colour) / max(colour)
    return int((np.abs(image_HW3 - hue_3).max(2) < 0.1).sum())


def test_a_seed_gives_the_same_images() -> None:
    """Bit-equal after another match, and in a second arena that is stepped in turns with the first."""
    moves = demonstrated(preset("lift"), 5, 16)
    arena, second, other = seeing("lift"), seeing("lift"), seeing("stack")
    alone = list(watched(arena, 5, moves))
    assert len(set(alone)) > len(alone) / 2, "images that never change would prove nothing"
    list(watched(arena, 6, random_moves(arena, 8, 6)))
    turns = zip(watched(arena, 5, moves), watched(second, 5, moves), watched(other, 9, moves), strict=True)
    for expected, (first_seen, second_seen, _) in zip(alone, turns, strict=True):
        assert first_seen == expected
        assert second_seen == expected
    for each in (arena, second, other):
        each.close()


PROGRAM = """
import sys; sys.path.insert(0, sys.argv[1])
import hashlib
from arenas.assembly import preset
from tests.arenas.assembly.driving import demonstrated
from tests.arenas.assembly.test_pixels import seeing, watched
moves = demonstrated(preset("lift"), 5, 12)
print(hashlib.sha256(b"".join(watched(seeing("lift"), 5, moves))).hexdigest())
"""


def test_a_new_process_gives_the_same_images(root: Path) -> None:
    """The same match, to the bit, in another process."""
    arena = seeing("lift")
    seen = b"".join(watched(arena, 5, demonstrated(preset("lift"), 5, 12)))
    arena.close()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root)], capture_output=True, text=True, timeout=600, check=True
    )
    assert done.stdout.split()[-1] == hashlib.sha256(seen).hexdigest()


@pytest.mark.parametrize(("name", "arm"), [("lift", "panda"), ("stack", "panda"), ("lift", "kuka")])
def test_looks_change_nothing_else(name: str, arm: str) -> None:
    """The arm's and the task's numbers, rewards and state are those of the full observation, bit for bit."""
    plain, arena = Assembly(**preset(name, arm=arm)), seeing(name, arm=arm)
    moves = demonstrated(preset(name, arm=arm), 3, 22)
    full, own = slices_of(2, 2, 5), pixel_slices(5)
    shared = [field for field in own if field != "site"]
    assert set(own) - set(full) == {"site"}
    rows, seen = plain.reset(seed=3)[0], arena.reset(seed=3)[0]
    for move in moves:
        for seat, row in rows.items():
            for field in shared:
                expected = row[slice(*full[field])]
                np.testing.assert_array_equal(seen[seat]["own"][slice(*own[field])], expected, field)
        (rows, paid, *_), (seen, paid_too, *_) = plain.step(move), arena.step(move)
        assert paid == paid_too
        assert plain.state().tobytes() == arena.state().tobytes()
    plain.close()
    arena.close()


def test_only_the_image_says_where_parts_are() -> None:
    """A part elsewhere: the same numbers to the bit, another image."""
    arena = seeing("insert")
    before = arena.reset(seed=2)[0]
    cell, world = arena.cell, arena.cell.world
    pose_K7 = world.part_K13[:, :7].copy()
    pose_K7[:, 0] += 0.05
    cell.begin(world.q_NJ.copy(), world.width_N.copy(), pose_K7)
    cell.conclude(arena.stage_number, 0.0)
    for seat in arena.agents:
        after = arena.observe(seat)
        assert after["own"].tobytes() == before[seat]["own"].tobytes()
        assert (after["pixels"] != before[seat]["pixels"]).any(2).sum() > 10
    arena.close()


def test_the_site_is_in_the_arms_own_frame() -> None:
    """Where to build: drawn with the match, told to each arm as seen from its base."""
    arena = seeing("carry", arms=4)
    seen, _ = arena.reset(seed=2)
    site = slice(*pixel_slices(5)["site"])
    x, y = arena.cell.site_44[:2, 3]
    assert abs(x) > 1e-3
    np.testing.assert_allclose(seen["arm_0"]["own"][site], (x + 0.68, y), atol=1e-6)
    np.testing.assert_allclose(seen["arm_1"]["own"][site], (y + 0.68, -x), atol=1e-6)
    arena.close()


@pytest.mark.parametrize("arm", ["panda", "kuka"])
@pytest.mark.parametrize("arms", [1, 2, 4])
def test_an_arm_sees_its_block_from_the_start(arms: int, arm: str) -> None:
    """Of its block at least eight pixels, whatever the seed, and the table around it."""
    arena = seeing("lift", arms=arms, arm=arm)
    for seed in range(8):
        seen, _ = arena.reset(seed=seed)
        for seat, colour in zip(("arm_0", "arm_1")[:arms], (RED, BLUE), strict=False):
            image = seen[seat]["pixels"]
            assert image.shape == (SIDE, SIDE, 3)
            assert blotch(image, colour) >= 8, f"seed {seed}, {seat}"
            assert blotch(image, (0.82, 0.8, 0.76)) > SIDE * SIDE / 4
    arena.close()


@pytest.mark.parametrize("arms", [2, 3, 4])
def test_arms_in_the_same_posture_see_the_same(arms: int) -> None:
    """The room turned by one place looks the same to the next arm, but for rounding at edges."""
    arena = seeing("reach", arms=arms)
    arena.reset(seed=1)
    cell = arena.cell
    q_NJ = np.repeat(cell.world.q_NJ[:1], arms, 0)
    cell.begin(q_NJ, cell.world.width_N.copy(), np.zeros((0, 7)))
    first, *others = [arena.observe(seat)["pixels"].astype(int) for seat in arena.agents]
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 20
    for other in others:
        differs_HW = np.abs(other - first).max(2) > 8
        # The table is square: three arms do not see it the same at its rim.
        assert differs_HW.mean() < (0.06 if arms == 3 else 0.01)
    arena.close()


def test_pictures_for_people_show_what_is_loaded() -> None:
    """Where arms see pixels, films show coarse meshes, too; elsewhere robots as their maker has them."""
    stock = Assembly(render_mode="rgb_array", **preset("reach", arms=1))
    light = Assembly(render_mode="rgb_array", **preset("reach", arms=1, observation="pixels"))
    shown = []
    for arena in (stock, light):
        arena.reset(seed=1)
        shown.append(arena.render().astype(int))
        assert shown[-1].shape == (480, 640, 3)
        arena.close()
    differs_HW = np.abs(shown[0] - shown[1]).max(2) > 8
    assert 0.005 < differs_HW.mean() < 0.2, "the same scene, other meshes"


def test_scripted_arms_refuse_pixels() -> None:
    """They read where parts are: one error that says so. Those that look at nothing play."""
    arena = seeing("lift")
    options = preset("lift", observation="pixels")
    spec = described(arena, options)
    with pytest.raises(SpecError, match=r"scripted arm.*\n?.*pixels.*\n?.*observation full") as caught:
        make_policy("scripted", spec)
    assert caught.value.remedy
    seen, _ = arena.reset(seed=1)
    rows = Rows(
        np.zeros(2, np.int64), np.zeros(2, np.uint64), np.arange(2, dtype=np.int32), np.zeros(2, np.int32)
    )
    leaves = [np.stack([seen[seat][leaf] for seat in arena.agents]) for leaf in ("own", "pixels")]
    empty = (np.zeros((2, 0), np.uint8), np.zeros((2, 0), np.float32))
    for name in ("random", "hold_still"):
        made = make_policy(name, spec).act(spec.roles[0], leaves, *empty, rows, greedy=True)
        assert made.action_RK.shape == (2, 5)
    arena.close()


def test_what_it_is_travels_as_data() -> None:
    """The spec says image and numbers, survives JSON, and has a hash of its own."""
    options = preset("lift", observation="pixels")
    arena, plain = Assembly(**options), Assembly(**preset("lift"))
    spec = described(arena, options)
    assert Spec.from_json(spec.to_json()) == spec
    assert spec.hash != described(plain, preset("lift")).hash
    role = spec.roles[0]
    assert [(leaf.path, leaf.shape, leaf.dtype) for leaf in role.observation] == [
        ("own", (max(last for _, last in role.slices.values()),), "f4"),
        ("pixels", (SIDE, SIDE, 3), "u1"),
    ]
    assert role.observation_space == to_json(arena.observation_space("arm_1"))
    arena.close()
    plain.close()


@pytest.mark.parametrize(
    "options",
    [{"max_steps": 2, "arms": 1, "seats": 2}, {"max_steps": 3, "fault_rate": 1.0, "iterations": 10}],
    ids=str,
)
def test_it_keeps_the_contract(options: dict[str, Any]) -> None:
    """The whole suite, PettingZoo's own test included: with absent arms, and with arms that leave early."""
    check_arena(ArenaRef(full_spec("assembly"), preset("lift", observation="pixels", **options)))


def test_a_host_process_gives_the_same() -> None:
    """Frames of an environment process are those of this process, bit for bit."""
    ref = ArenaRef(ARENA, preset("lift", observation="pixels", max_steps=3, seats=3))
    found = []
    for hosts in (0, 1):
        pool = make_pool(ref, copies=2, groups=1, hosts=hosts)
        try:
            found.append(Tracer(pool).play([[Ticket(0, 4), Ticket(1, 5)], [Ticket(2, 6)]]))
        finally:
            pool.close()
    same(found[0], found[1], "hosted and local")


def test_ppo_learns_from_pixels() -> None:
    """Two thousand actions go through: play, convolutions over the image beside the numbers, updates."""
    pytest.importorskip("torch", reason="learners need the extra torch")
    from agents.images import pictures_of
    from tests.learning.practice import Practice

    options = preset("reach", arms=1, observation="pixels", substeps=4)
    practice = Practice("assembly", 0, {"epochs": 1, "minibatch": 128}, options=options, copies=8, rollout=32)
    own = practice.spec.roles[0].observation[0].size
    seen = pictures_of(practice.spec.roles[0])
    assert [(picture.start, picture.chw) for picture in seen] == [(own, (3, SIDE, SIDE))]
    weights = practice.learner.policy.nets["arm"].state_dict()
    before = {name: weight.clone() for name, weight in weights.items() if ".eyes." in name}
    assert before
    practice.run(8)
    assert sum(fragment.decisions for fragment in practice.fragments) == 8 * 32
    assert np.isfinite(list(practice.last.values())).all()
    assert not any(weights[name].equal(weight) for name, weight in before.items()), "all filters learn"
