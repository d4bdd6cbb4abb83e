"""Every preset of the assembly arena keeps the contract of arenas, and says so where PyBullet is missing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from arenas import full_spec, make
from arenas.assembly import PRESETS, Assembly, preset
from arenas.assembly.kernel.layout import size_of
from arenas.assembly.physics.engine import way_to_engine
from arenas.assembly.product import Block, Hole, Part, boxes
from marl.errors import ConfigError, MarlError, MissingExtraError
from marl.loading import ArenaRef, build
from marl.testing import check_arena

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

pytest.importorskip("pybullet", reason="the physics engine has no wheel for this Python")

QUICK = ("classic", "lift", "s6_4mm")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", QUICK)
def test_presets_keep_the_contract(name: str) -> None:
    """A preset of each kind, with short matches, passes the whole suite."""
    check_arena(ArenaRef(full_spec("assembly"), preset(name, max_steps=6)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [name for name in PRESETS if name not in QUICK])
def test_all_presets_keep_the_contract(name: str) -> None:
    """Each other preset passes the whole suite, too."""
    check_arena(ArenaRef(full_spec("assembly"), preset(name, max_steps=6)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "changed",
    [
        {"action": "ee_delta6"},
        {"action": "joint_vel"},
        {"action": "joint_delta"},
        {"arm": "kuka"},
        {"fault_rate": 1.0},
        {"force_limit": 5.0, "gone_gripper": "drop"},
        {"on_collision": "terminate"},
        {"reverse": 1.0},
        {"reward": "sparse"},
        {"team_weight": 0.5},
    ],
    ids=str,
)
def test_options_keep_the_contract(changed: Mapping[str, Any]) -> None:
    """Every option that changes actions, ends or rewards passes the whole suite."""
    check_arena(ArenaRef(full_spec("assembly"), preset("lift", max_steps=8, **changed)))


def test_a_curriculum_keeps_its_spaces() -> None:
    """All stages of the curriculum of two arms fit one pool."""
    pool = build(ArenaRef(full_spec("assembly"), preset("s0_10cm"), preset("s6_4mm")))
    for name in ("s1", "s2", "s3", "s4", "s5_1mm", "s5_held", "s6_1mm"):
        assert pool.add_variant(preset(name)) > 0
    pool.close()


def test_absent_arms_are_dead_seats() -> None:
    """Where spaces have room for four, two arms play; the other two are never alive."""
    arena = Assembly(**preset("lift", seats=4, parts=5))
    seen, _ = arena.reset(seed=1)
    assert arena.possible_agents == ["arm_0", "arm_1", "arm_2", "arm_3"]
    assert sorted(seen) == arena.agents == ["arm_0", "arm_1"]
    assert seen["arm_0"].shape == (size_of(4, 5, 5),)
    arena.close()


def test_without_the_engine_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyBullet the arena is a clear error that names the extra, or the Python that can have it."""
    monkeypatch.setitem(sys.modules, "pybullet", None)
    said = r"physics" if sys.version_info < (3, 12) else r"Python 3\.11"
    with pytest.raises(MissingExtraError, match=said):
        Assembly()
    assert way_to_engine((3, 11)) == ""
    assert way_to_engine((3, 13)) == "Use Python 3.11: PyBullet has no wheels for 3.13."


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"arms": 5}, "arms"),
        ({"arms": 3, "seats": 2}, "room"),
        ({"stage": "product", "product": "bridge", "arms": 1}, "2 arms or more"),
        ({"stage": "product", "product": "brigde"}, "bridge"),
        ({"stage": "carry", "arm": "kuka"}, "suction"),
        ({"stage": "lift", "parts": 1}, "2 parts"),
        ({"stage": "insert", "clearance": 0.02, "reward": "classic"}, "reach"),
        ({"stage": "reach", "near": 0.5}, "parts to grasp"),
        ({"stage": "reach", "reverse": 0.5}, "parts to grasp"),
        ({"stage": "lift", "product": "table"}, "stage product"),
        ({"stage": "insert", "effort": 0.2}, "0.3"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told(options: Mapping[str, Any], said: str) -> None:
    """Options that contradict each other are one error that names what would fit."""
    with pytest.raises(MarlError, match=said):
        make("assembly", **options)


def test_walls_are_needed() -> None:
    """A clearance that leaves no wall beside a hole is refused before anything moves."""
    block = Block(size=(0.1, 0.04, 0.03), holes=(Hole(at=0.0, width=0.03),))
    part = Part(name="plate", blocks=(block,), start=(0.0, 0.0, 0.015))
    assert len(boxes(part, 0.004)) == 4
    with pytest.raises(ConfigError, match="walls"):
        boxes(part, 0.01)
