"""Learners from replay in self-play: frozen selves hold the other seats, and a run can be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from league import train

if TYPE_CHECKING:
    from pathlib import Path

SOON = {"warmup": 64, "every": 32, "batch": 32, "capacity": 4000, "hidden": [8]}


@pytest.mark.parametrize(
    ("name", "arena", "more"),
    [
        ("dqn", "matching_pennies", {}),
        ("dqn", "matching_pennies", {"separate": True, "keep_replay": False}),
        ("iddpg", "matching_pennies", {}),
        ("maddpg", "matching_pennies", {"separate": True}),
        ("qmix", "climbing", {}),
        ("dqn", "pettingzoo.classic.connect_four_v3", {}),
    ],
    ids=str,
)
def test_self_play_against_the_past_is_repeatable(
    name: str, arena: str, more: dict[str, Any], tmp_path: Path
) -> None:
    """Three tasks, the later ones against earlier snapshots too: twice the same snapshot, bit for bit."""
    found = [
        train(
            arena,
            learner=name,
            steps=1500,
            tasks=3,
            out=tmp_path / str(turn),
            settings={**SOON, **more},
            rollout=16,
            pool={"hosts": 0, "copies": 8},
        ).name
        for turn in range(2)
    ]
    assert found[0] == found[1]
