"""Learners find what is known exactly: values under time limits and early ends, and matrix games."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.learning.practice import Practice

TOYS = "tests.learning.toys"
SEATS = np.eye(2, dtype=np.float32)
"""What the two seats of a matrix game see."""
CAREFUL = {
    "gamma": 0.0,
    "lr": 5e-3,
    "epochs": 4,
    "minibatch": 128,
    "entropy": 0.1,
    "entropy_end": 0.01,
    "anneal_decisions": 40_000,
}
"""Settings that look around before they settle."""


@pytest.mark.parametrize(
    ("kind", "overlap"),
    [
        ({}, False),
        ({"separate": True}, False),
        ({"memory": 8}, False),
        ({"critic": "state"}, False),
        ({}, True),
    ],
    ids=str,
)
def test_a_time_limit_ends_no_value(kind: dict[str, Any], *, overlap: bool) -> None:
    """Reward 1 for ever, truncated every 10 steps, gamma 0.9: V = 10; 5.263 or 4.138 would be the limit's."""
    settings = {"gamma": 0.9, "lr": 3e-3, "epochs": 4, "minibatch": 64, "hidden": [16], **kind}
    practice = Practice(f"{TOYS}:Ticker", 0, settings, copies=8, overlap=overlap)
    practice.run(80)
    part = practice.learner._parts["clock"]
    (fragment,) = practice.fragments
    values, at_cuts = part.value(part.see(fragment), fragment)
    assert values == pytest.approx(10.0, abs=0.02)
    assert at_cuts == pytest.approx(10.0, abs=0.02)


@pytest.mark.parametrize("critic", ["own", "state"])
def test_seats_that_leave_early_keep_their_last_reward(critic: str) -> None:
    """V = gamma^k x the last reward, k steps before each seat's own end, though the match goes on."""
    settings = {"gamma": 0.9, "lr": 0.01, "epochs": 4, "minibatch": 128, "critic": critic}
    practice = Practice(f"{TOYS}:Leavers", 0, settings, copies=16)
    practice.run(60)
    part = practice.learner._parts["guest"]
    (fragment,) = practice.fragments
    values, _ = part.value(part.see(fragment), fragment)
    step = fragment.observation[0].argmax(-1)
    for seat, (end, reward) in enumerate(((3, 1.0), (6, 2.0))):
        own = fragment.valid_TR & (fragment.seat_R == seat)
        assert set(step[own].tolist()) == set(range(end)), "no decision is asked of a seat that has left"
        for now in range(end):
            expected = reward * 0.9 ** (end - 1 - now)
            assert values[own & (step == now)].mean() == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_prisoners_defect(seed: int) -> None:
    """Each for itself, both defect: cooperation would be a reward that leaks."""
    practice = Practice(
        "prisoners_dilemma",
        seed,
        {"gamma": 0.0, "lr": 0.01, "epochs": 4, "minibatch": 128, "separate": True},
        options={"steps": 8},
        copies=64,
        rollout=8,
    )
    practice.run(25)
    assert practice.probabilities(SEATS)[:, 1] == pytest.approx(1.0, abs=0.02)
    assert practice.examine(50) == 1.0


@pytest.mark.parametrize(
    ("seed", "separate", "overlap"),
    [(0, False, False), (0, True, False), (1, False, False), (1, True, False), (0, True, True)],
)
def test_climbing_ends_at_seven(seed: int, *, separate: bool, overlap: bool) -> None:
    """From uniform play (2, 2) = 5, then best responses (2, 1) = 6 and (1, 1) = 7."""
    settings = {**CAREFUL, "separate": separate}
    practice = Practice(
        "climbing", seed, settings, options={"steps": 8}, copies=64, rollout=8, overlap=overlap
    )
    practice.run(60)
    assert practice.examine(50) >= 7.0


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_critic_of_the_state_climbs_as_far(seed: int) -> None:
    """MAPPO leaves the 5 as well: 6 with seed 0, whose row stays when the column has moved, 7 with seed 1."""
    practice = Practice(
        "climbing", seed, {**CAREFUL, "critic": "state"}, options={"steps": 8}, copies=64, rollout=8
    )
    practice.run(30)
    assert practice.examine(50) == (6.0, 7.0)[seed]


@pytest.mark.parametrize("kind", [{}, {"separate": True}, {"critic": "state"}], ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_penalty_without_a_penalty_is_solved(seed: int, kind: dict[str, Any]) -> None:
    """With k = 0 the two agree upon one of the corners that pay 10."""
    options = {"steps": 8, "penalty": 0.0}
    practice = Practice("penalty", seed, {**CAREFUL, **kind}, options=options, copies=64, rollout=8)
    practice.run(60)
    assert practice.examine(50) == 10.0


@pytest.mark.parametrize("penalty", [-100.0, pytest.param(-25.0, marks=pytest.mark.slow)])
def test_a_penalty_drives_both_to_the_safe_middle(penalty: float) -> None:
    """With k < 0 corners cost too much while the other one still tries: 2, not 10 (over-generalisation)."""
    options = {"steps": 8, "penalty": penalty}
    practice = Practice("penalty", 0, CAREFUL, options=options, copies=64, rollout=8)
    practice.run(40)
    assert practice.examine(50) == 2.0


@pytest.mark.parametrize("seed", range(3))
def test_pennies_come_back_to_a_half(seed: int) -> None:
    """From 0.9 for heads, self-play returns to (1/2, 1/2) of both seats, and stays."""
    settings = {
        "gamma": 0.0,
        "hidden": [16],
        "lr": 5e-3,
        "epochs": 1,
        "minibatch": 256,
        "momentum": 0.0,
        "entropy": 0.5,
    }
    practice = Practice("matching_pennies", seed, settings, options={"steps": 8}, rollout=8)
    practice.learner._parts["player"].actor.head.bias.data[0, 0, 0] += 2.2
    assert practice.probabilities(SEATS)[:, 0] == pytest.approx(0.9, abs=0.02)
    found = []
    for _ in range(200):
        practice.run(1)
        found.append(practice.probabilities(SEATS)[:, 0])
    assert np.mean(found[100:], axis=0) == pytest.approx(0.5, abs=0.03)
    assert np.abs(np.array(found[100:]) - 0.5).max() < 0.2
