"""Learners from replay find what is known exactly: values under time limits, early ends, games of teams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import pytest
import torch

from agents.devices import to_array
from tests.learning.practice import Practice

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOYS = "tests.learning.toys"
QUICK: dict[str, Any] = {
    "hidden": [16],
    "batch": 64,
    "every": 8,
    "warmup": 64,
    "capacity": 4000,
    "lr": 0.01,
    "lr_end": 0.1,
    "tau": 0.1,
}
SEEDS = [0, *[pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2)]]
LOOKS: dict[str, Any] = {"explore_steps": 4000, "epsilon_end": 0.2}

KINDS: list[tuple[str, dict[str, Any]]] = [
    ("dqn", {}),
    ("dqn", {"n_step": 3}),
    ("dqn", {"separate": True, "prioritised": True, "dueling": True}),
    ("dqn", {"noisy": True, "epsilon": 0.0, "epsilon_end": 0.0, "double": False}),
    ("maddpg", {}),
    ("maddpg", {"n_step": 3, "prioritised": True}),
    ("matd3", {"tau": 0.2}),
    ("iddpg", {}),
]


def learned_values(practice: Practice) -> tuple[NDArray[np.float32], Any]:
    """What the learner thinks the decisions in its replay were worth, (B, N), and the batch of them."""
    learner = practice.learner
    slots = np.flatnonzero(learner.store.teaches_CN.any(1))
    batch = learner.store.read(slots, np.ones(len(slots), np.float32))
    with torch.no_grad():
        if hasattr(learner, "_mixer"):
            for net in learner._q.values():
                net.silence()
            return to_array(learner._chosen(batch)), batch
        present = learner._tensor(batch.present_BN)
        look = learner._look(batch.now, present, learner._done(batch.now))
        found = [learner._judge(part.critic, part.role, look)[0] for part in learner._parts.values()]
        return to_array(torch.cat(found).T), batch


@pytest.mark.parametrize(("name", "kind"), KINDS, ids=str)
def test_a_time_limit_ends_no_value(name: str, kind: dict[str, Any]) -> None:
    """Reward 1 for ever, truncated every 10 steps, gamma 0.9: Q = 10; 5.263 or 4.138 would be the limit's."""
    settings = {**QUICK, "gamma": 0.9, "normalise": False, "anneal_steps": 4000, "lr_end": 0.02, **kind}
    practice = Practice(f"{TOYS}:Ticker", 0, settings, learner=name, copies=8)
    practice.run(30)
    values, _ = learned_values(practice)
    assert values == pytest.approx(10.0, abs=0.3)


@pytest.mark.parametrize("name", ["vdn", "qmix"])
def test_a_time_limit_ends_no_value_of_a_team(name: str) -> None:
    """The same of two seats: the team's value is 10, and what QMIX makes of the state is that of the cut."""
    settings = {**QUICK, "gamma": 0.9, "normalise": False, "anneal_steps": 4000, "lr_end": 0.02}
    practice = Practice(f"{TOYS}:Tickers", 0, settings, learner=name, copies=8)
    practice.run(50)
    values, batch = learned_values(practice)
    assert practice.team_values(values, batch.state_BS) == pytest.approx(10.0, abs=0.3)


@pytest.mark.parametrize(
    ("name", "kind"), [*KINDS, ("vdn", {"team": "all"}), ("qmix", {"team": "all"})], ids=str
)
def test_seats_that_leave_early_keep_their_last_reward(name: str, kind: dict[str, Any]) -> None:
    """Q = gamma^k x the last reward, k steps before each seat's own end, though the match goes on."""
    practice = Practice(
        f"{TOYS}:Leavers", 0, {**QUICK, "gamma": 0.9, "anneal_steps": 4000, **kind}, learner=name, copies=8
    )
    practice.run(40)
    values, batch = learned_values(practice)
    step = batch.now["guest"].observation[0].argmax(-1)
    for seat, (end, reward) in enumerate(((3, 1.0), (6, 2.0))):
        there = batch.teaches_BN[:, seat]
        assert set(step[there, seat].tolist()) == set(range(end))
        for now in range(end) if name not in ("vdn", "qmix") else ():
            expected = reward * 0.9 ** (end - 1 - now)
            assert values[there & (step[:, seat] == now), seat].mean() == pytest.approx(expected, abs=0.08)
    if name in ("vdn", "qmix"):
        of_team = practice.team_values(values, batch.state_BS)
        # the team's value is what both get, on average over its seats, though one has left
        for now in range(6):
            expected = (0.9 ** (2 - now) * (now < 3) + 2 * 0.9 ** (5 - now)) / 2
            both = (step[:, 1] == now) & batch.teaches_BN[:, 1]
            assert of_team[both].mean() == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize("name", ["dqn", "iddpg", "maddpg"])
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_prisoners_defect(seed: int, name: str) -> None:
    """Each for itself, both defect: cooperation would be a reward that leaks."""
    # what the other one did long ago would speak for cooperation: a short replay
    more = (
        {**LOOKS, "capacity": 600}
        if name == "dqn"
        else {"hidden": [64], "actor_lr": 0.3, "logit_penalty": 0.03}
    )
    practice = Practice(
        "prisoners_dilemma",
        seed,
        {**QUICK, "gamma": 0.0, **more},
        learner=name,
        options={"steps": 8},
        copies=16,
    )
    practice.run(30)
    assert practice.examine(50) == 1.0


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_independent_climbers_end_at_seven(seed: int, *, separate: bool) -> None:
    """From uniform play (2, 2) = 5, then best responses (2, 1) = 6 and (1, 1) = 7."""
    settings = {**QUICK, "gamma": 0.0, "separate": separate, "capacity": 1000, **LOOKS, "explore_steps": 8000}
    practice = Practice("climbing", seed, settings, learner="dqn", options={"steps": 8}, copies=16)
    practice.run(40)
    assert practice.examine(50) == 7.0


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_climbers_through_a_joint_critic_stay_at_five(seed: int) -> None:
    """MADDPG goes where uniform play sends it, (2, 2) = 5, and its critic knows that (2, 1) pays 6.

    Each actor is asked for its own choice beside the other's of the replay, so that 11 is out of reach; the 6
    is hardly drawn by then, and the gradient through a draw goes with its probability.
    """
    settings = {**QUICK, "hidden": [64], "gamma": 0.0, "actor_lr": 0.3, "huber": 50.0, "logit_penalty": 0.3}
    practice = Practice("climbing", seed, settings, learner="maddpg", options={"steps": 8}, copies=16)
    practice.run(30)
    assert practice.examine(20) == 5.0
    values, batch = learned_values(practice)
    pairs = batch.now["player"].action_BnK[:, :, 0]
    known = {second: values[(pairs == (2, second)).all(1)].mean() for second in (1, 2)}
    assert known == pytest.approx({1: 6.0, 2: 5.0}, abs=0.6)


@pytest.mark.parametrize("name", ["maddpg", "iddpg", "dqn"])
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_a_saddle_is_found_by_both_sides(seed: int, name: str) -> None:
    """Zero-sum, both learn: each answers the other until nobody gains by another choice; value 1."""
    more = (
        {**LOOKS, "capacity": 600}
        if name == "dqn"
        else {"hidden": [64], "actor_lr": 0.3, "logit_penalty": 0.03}
    )
    settings = {**QUICK, "gamma": 0.0, **more}
    practice = Practice(f"{TOYS}:Saddle", seed, settings, learner=name, options={"steps": 8}, copies=16)
    practice.run(30)
    found = practice.probabilities(np.eye(2, dtype=np.float32))  # of values, where those are what is learned
    assert found.argmax(1).tolist() == [1, 1]
    assert found[:, 1].min() > (0.5 if name == "dqn" else 0.8)


def lake_values(*, slippery: bool, gamma: float) -> NDArray[np.float64]:
    """Optimal values of FrozenLake 4x4 without a time limit, by value iteration over Gymnasium's table."""
    moves = gymnasium.make("FrozenLake-v1", is_slippery=slippery).unwrapped.P  # type: ignore[attr-defined]
    value = np.zeros(16)
    for _ in range(2000):
        value = np.array(
            [
                max(
                    sum(p * (r + gamma * value[to] * (not end)) for p, to, r, end in moves[at][a])
                    for a in range(4)
                )
                for at in range(16)
            ]
        )
    return value


@pytest.mark.parametrize(
    ("slippery", "start", "updates", "more", "near"),
    [
        (False, 0.9510, 16, {"lr": 3e-3, "tau": 0.05}, 0.005),
        (True, 0.5420, 24, {"lr": 5e-3, "tau": 0.2}, 0.06),
    ],
)
def test_a_frozen_lake_is_worth_what_planning_says(
    start: float, updates: int, more: dict[str, float], near: float, *, slippery: bool
) -> None:
    """Action values of all 11 fields at gamma .99 are those of value iteration, to sampling."""
    settings = {**QUICK, "hidden": [64], "gamma": 0.99, "normalise": False, "epsilon_end": 1.0}
    settings |= {"capacity": 50_000, "batch": 256, "lr_end": 0.02, "anneal_steps": 1024 * updates, **more}
    options = {"slippery": slippery}
    practice = Practice(f"{TOYS}:Lake", 0, settings, learner="dqn", options=options, copies=32, rollout=32)
    practice.run(updates)
    found = practice.action_values(np.arange(16)).max(-1)
    exact = lake_values(slippery=slippery, gamma=0.99)
    assert exact[0] == pytest.approx(start, abs=5e-5)
    free = exact > 0
    assert free.sum() == 11
    assert found[free] == pytest.approx(exact[free], abs=near)


@pytest.mark.parametrize("name", ["dqn", "vdn", "qmix"])
def test_penalty_without_a_penalty_is_solved(name: str) -> None:
    """With k = 0 the two agree upon one of the corners that pay 10."""
    settings = {**QUICK, "gamma": 0.0, **LOOKS}
    practice = Practice("penalty", 0, settings, learner=name, options={"steps": 8, "penalty": 0.0}, copies=16)
    practice.run(20)
    assert practice.examine(50) == 10.0


@pytest.mark.parametrize(
    ("name", "paid", "value_A"),
    [
        ("dqn", 2.0, [-20 / 3, 2 / 3, -20 / 3]),
        ("vdn", 2.0, [-82 / 9, 50 / 9, -82 / 9]),
        ("qmix", 10.0, None),
    ],
)
def test_a_penalty_drives_sums_to_the_safe_middle(name: str, paid: float, value_A: list[float]) -> None:
    """With k = -30 and uniform partners each alone, and a sum, take the 2; a monotone mixture finds a 10.

    Alone a row is worth its mean r. The best sum by least squares has r + c - g for a row, a column of mean c
    and the grand mean g, of which a seat's value is 2 r - g, as a team's value is the mean of its seats'.
    """
    settings = {**QUICK, "gamma": 0.0, "epsilon_end": 1.0, "huber": 100.0, "batch": 256, "lr_end": 0.02}
    settings |= {"anneal_steps": 8000, "max_grad_norm": 100.0}
    options = {"steps": 8, "penalty": -30.0}
    practice = Practice("penalty", 0, settings, learner=name, options=options, copies=16)
    practice.run(35)
    assert practice.examine(20) == paid
    if value_A is not None:
        found = practice.action_values(np.eye(2, dtype=np.float32)).mean(0)
        assert found == pytest.approx(value_A, abs=1.0)


@pytest.mark.parametrize(("name", "expected"), [("vdn", 7.0), ("qmix", 8.0)])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_two_step_game_tells_mixtures_apart(seed: int, name: str, expected: float) -> None:
    """A sum fits game B by least squares, [-1.5, 6.5], and takes the sure 7; QMIX sees the state, and 8."""
    settings = {**QUICK, "every": 16, "batch": 256, "huber": 20.0, "tau": 0.03, "epsilon_end": 1.0}
    settings |= {"gamma": 0.99, "anneal_steps": 8000, "lr_end": 0.02}
    practice = Practice(f"{TOYS}:TwoStep", seed, settings, learner=name, copies=16)
    practice.run(35)
    assert practice.examine(20) == expected
    if name == "vdn":
        (value_A,) = practice.action_values(np.eye(3, dtype=np.float32)[2:])
        assert value_A == pytest.approx([-1.5, 6.5], abs=0.35)


@pytest.mark.parametrize(("name", "updates"), [("maddpg", 25), ("matd3", 40)])
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_numbers_are_made_to_sum_to_one(seed: int, name: str, updates: int) -> None:
    """Reward -(a + b - 1)**2: through a critic of both actions the actors meet where it is 0."""
    settings = {**QUICK, "hidden": [32], "gamma": 0.0, "lr": 5e-3, "noise": 0.3}
    practice = Practice(f"{TOYS}:SumToOne", seed, settings, learner=name, copies=16)
    practice.run(updates)
    assert practice.examine(20) >= -0.01


@pytest.mark.parametrize("name", ["maddpg", "matd3", "iddpg"])
def test_boxes_are_aimed(name: str) -> None:
    """A target in [-0.1, 0.1] is met: 0.97 of 1 where a uniform aim gets 0.33 and the middle 0.67."""
    settings = {**QUICK, "hidden": [32], "gamma": 0.0, "noise": 0.3, "max_grad_norm": 10.0}
    practice = Practice(f"{TOYS}:Aim", 0, settings, learner=name)
    practice.run(20)
    assert practice.examine() >= 0.97


@pytest.mark.parametrize(("name", "residual"), [("maddpg", 0.0), ("iddpg", 0.5)])
def test_only_a_joint_critic_knows_the_partner(name: str, residual: float) -> None:
    """Rewards are the other's coin: a critic of both is exact, a local one is off by 1/2 whatever it says."""
    settings = {**QUICK, "hidden": [32], "gamma": 0.0, "actor_lr": 1e-6}
    practice = Practice(f"{TOYS}:Partner", 0, settings, learner=name, copies=32)
    practice.run(15)
    values, batch = learned_values(practice)
    partner = batch.now["dancer"].action_BnK[:, ::-1, 0]
    assert np.abs(values - partner)[batch.teaches_BN].mean() == pytest.approx(residual, abs=0.05)
    if name == "maddpg":
        table = {
            (own, other): values[:, 0][(batch.now["dancer"].action_BnK[:, :, 0] == (own, other)).all(1)]
            for own in (0, 1)
            for other in (0, 1)
        }
        for (_, other), found in table.items():
            assert found.mean() == pytest.approx(other, abs=0.05)
