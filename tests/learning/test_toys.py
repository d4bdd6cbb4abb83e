"""PPO solves toys with one difficulty each, in seconds, and fails where what they need is taken away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.learning.practice import Practice

TOYS = "tests.learning.toys"


@pytest.mark.parametrize("kind", [{}, {"separate": True}, {"memory": 16}, {"critic": "state"}], ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_identity_is_solved(seed: int, kind: dict[str, Any]) -> None:
    """At least 9.5 of 10 after 25 updates: parameters shared or separate, memory, a central critic."""
    settings = {"gamma": 0.5, "lr": 0.003, "epochs": 4, "minibatch": 256, **kind}
    practice = Practice("identity", seed, settings, options={"seats": 2})
    practice.run(25)
    assert practice.examine() >= 9.5
    assert practice.examine(greedy=False) >= 9.0


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_a_cue_is_remembered(seed: int, *, separate: bool) -> None:
    """Shown at step 0, answered at step 3: memory solves it."""
    settings = {"gamma": 0.95, "lr": 0.01, "epochs": 4, "minibatch": 256, "memory": 16, "separate": separate}
    practice = Practice(f"{TOYS}:Recall", seed, settings)
    practice.run(40)
    assert practice.examine() >= 0.95


def test_without_memory_the_cue_is_forgotten() -> None:
    """The same without memory stays at chance: the toy does need it."""
    practice = Practice(f"{TOYS}:Recall", 0, {"gamma": 0.95, "lr": 0.01, "epochs": 4, "minibatch": 256})
    practice.run(40)
    assert 0.35 < practice.examine() < 0.65


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("memory", "least", "most"), [(32, 475.0, 500.0), (0, 0.0, 150.0)])
def test_a_pole_is_balanced_by_memory_of_where_it_was(memory: int, least: float, most: float) -> None:
    """CartPole without velocities: 475 of 500 and more after 60,000 steps with a GRU; without, never."""
    settings = {"gamma": 0.98, "lam": 0.9, "lr": 3e-3, "epochs": 6, "minibatch": 256, "hidden": [32]}
    settings |= {"memory": memory, "entropy": 0.0, "anneal_decisions": 60_000, "lr_end": 0.1}
    practice = Practice(f"{TOYS}:Pole", 0, settings, copies=16, rollout=64)
    practice.run(60)
    assert least <= practice.examine(50) <= most


@pytest.mark.parametrize("seed", range(3))
def test_a_central_critic_sees_what_a_local_one_cannot(seed: int) -> None:
    """Explained variance 1 against 0, and with it the score: solved, against little better than chance."""
    found = {}
    for critic in ("own", "state"):
        settings = {"critic": critic, "lr": 5e-3, "epochs": 4, "minibatch": 64}
        practice = Practice(f"{TOYS}:Weather", seed, settings, rollout=8)
        practice.run(30)
        found[critic] = practice.last["explained_variance"], practice.examine(greedy=False)
    assert found["state"][0] > 0.99
    assert abs(found["own"][0]) < 0.1
    assert found["state"][1] > 0.95
    assert found["own"][1] < 0.8


@pytest.mark.parametrize("kind", [{}, {"box": "squashed"}, {"spread": "state"}], ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_boxes_are_aimed(seed: int, kind: dict[str, Any]) -> None:
    """A target in [-0.1, 0.1] is met: 0.99 of 1 where a uniform aim gets 0.33 and the middle 0.67."""
    settings = {"gamma": 0.0, "lr": 0.01, "epochs": 4, "minibatch": 128, "entropy": 0.0, **kind}
    settings |= {"lr_end": 0.05, "anneal_decisions": 20_000}
    practice = Practice(f"{TOYS}:Aim", seed, settings)
    practice.run(80)
    assert practice.examine() >= 0.99
