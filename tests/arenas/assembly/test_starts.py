"""Matches that begin in reverse, near their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="the physics engine has no wheel for this Python")

from arenas.assembly import PRESETS, Assembly, preset
from tests.arenas.assembly.driving import matches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

pytestmark = pytest.mark.timeout(900)  # numba compiles the kernel in a fresh checkout

BUILDING = [name for name, options in PRESETS.items() if options.get("stage", "reach") != "reach"]
SUCTION = [{"stage": stage, "arm": "kuka"} for stage in ("lift", "stack")]
RING = """
name = "ring"
arms = 1
[[parts]]
name = "ring"
start = [-0.15, 0.1, 0.02]
[[parts.blocks]]
size = [0.06, 0.05, 0.04]
[[parts.blocks.holes]]
at = 0.0
width = 0.03
[[mates]]
part = "ring"
[[mates.hands]]
arm = 0
[[mates.joints]]
at = [-0.1, -0.1, 0.02]
"""


def gripped(options: Mapping[str, Any], seeds: range) -> set[int]:
    """The mates that matches in reverse begin with; each time all of its hands must come to hold the part."""
    arena = Assembly(**options)
    grip = np.zeros(arena.action_size, np.float32)
    grip[-1] = -1
    found = set()
    for seed in seeds:
        arena.reset(seed=seed)
        cell = arena.cell
        mate = int(cell.done_M.sum())
        found.add(mate)
        row = arena.plan.mate_M[mate]
        for _ in range(2):
            arena.step(dict.fromkeys(arena.agents, grip))
        assert cell.holds_NK[row["hand"][: len(cell.holds_NK)] > 0, row["part"]].all(), f"seed {seed}"
        assert not arena._success
    arena.close()
    return found


@pytest.mark.parametrize(
    "options", [*(preset(name) for name in BUILDING if name[0] != "s" or name == "stack"), *SUCTION], ids=str
)
def test_a_part_begins_in_its_hands(options: Mapping[str, Any]) -> None:
    """Whatever mate a match begins with, its part is in the hands, and the match is not won."""
    assert len(gripped({**options, "reverse": 1.0}, range(10))) >= min(
        2, len(Assembly(**options).plan.mate_M)
    )


def test_a_ring_is_held_by_its_rim(tmp_path: Path) -> None:
    """A part that is grasped over its hole begins in a hand that is as open as it is wide there."""
    file = tmp_path / "ring.toml"
    file.write_text(RING, encoding="utf-8")
    options: dict[str, Any] = {"stage": "product", "product": str(file), "arms": 1, "reverse": 1.0}
    gripped(options, range(3))
    arena = Assembly(**options)
    arena.reset(seed=1)
    assert arena.cell.world.width_N[0] == pytest.approx(0.05)
    arena.close()


@pytest.mark.parametrize(
    ("name", "across"), [("lift", 0.04), ("insert", 0.03), ("bridge", 0.04), ("bridge_cap", 0.05)]
)
def test_fingers_begin_on_the_walls(name: str, across: float) -> None:
    """Fingers begin as far apart as the part is wide where they pass it: a pillar's foot, not its pin."""
    arena = Assembly(**preset(name, reverse=1.0))
    widths = set()
    for seed in range(12):
        arena.reset(seed=seed)
        widths |= set(arena.cell.world.width_N.round(4).tolist())
    arena.close()
    assert across in widths
    assert widths <= {0.08, 0.05, 0.045, 0.04, 0.03}


@pytest.mark.parametrize("name", ["lift", "stack", "insert", "insert_held", "bridge"])
def test_reverse_starts_are_near_the_end(name: str) -> None:
    """Scripted arms finish from there, and sooner than from home."""
    forward = np.mean([outcome.steps for outcome in matches("scripted", preset(name), range(2))])
    found = list(matches("scripted", preset(name, reverse=1.0), range(4)))
    assert sum(outcome.success for outcome in found) >= 3
    assert np.mean([outcome.steps for outcome in found if outcome.success]) < forward


@pytest.mark.parametrize("name", ["lift", "insert", "handover"])
def test_from_reverse_starts_nothing_falls_into_place(name: str) -> None:
    """Neither an open hand that holds still nor random arms win where the part begins close to its goal."""
    options = preset(name, reverse=1.0, max_steps=60)
    for player, count in (("hold_still", 3), ("random", 6)):
        assert not any(outcome.success for outcome in matches(player, options, range(count)))
