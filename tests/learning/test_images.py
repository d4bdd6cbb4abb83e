"""Every kind of learner sees: a light in a picture, together with a plain number, says which action pays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.learning.practice import Practice

TOY = "tests.learning.toys:Lookout"
SEEN: dict[str, Any] = {"gamma": 0.0, "epochs": 4, "minibatch": 128, "hidden": [32], "lr": 3e-3}
REPLAY: dict[str, Any] = {
    "hidden": [32],
    "batch": 64,
    "every": 16,
    "warmup": 256,
    "capacity": 20_000,
    "lr": 1e-3,
    "gamma": 0.0,
    "explore_steps": 2000,
}
JOINT: dict[str, Any] = {
    **{key: value for key, value in REPLAY.items() if key != "explore_steps"},
    "batch": 128,
    "lr": 2e-3,
}


@pytest.mark.parametrize(
    ("name", "settings", "updates"),
    [
        ("ppo", SEEN, 8),
        ("ppo", {**SEEN, "separate": True}, 10),
        ("ppo", {**SEEN, "memory": 8}, 8),
        ("dqn", REPLAY, 10),
        ("vdn", {**REPLAY, "team": "all"}, 14),
        ("iddpg", JOINT, 16),
        pytest.param("maddpg", JOINT, 24, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_pictures_are_seen(name: str, settings: dict[str, Any], updates: int) -> None:
    """At least 0.95 of 1, where blind play gets 0.5."""
    practice = Practice(TOY, 0, settings, learner=name)
    practice.run(updates)
    assert practice.examine() >= 0.95
