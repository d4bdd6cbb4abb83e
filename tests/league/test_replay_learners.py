"""Learners from replay in self-play: frozen selves hold the other seats, and a run can be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from league import train
from league.runs import Run

if TYPE_CHECKING:
    from pathlib import Path

    from league.league import Progress

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


@pytest.mark.parametrize(
    ("steps", "says"), [(128, "learned nothing from 128 decisions"), (512, "trained main-1")]
)
def test_who_only_warmed_up_is_not_called_trained(steps: int, says: str, tmp_path: Path) -> None:
    """A run shorter than `warmup` says in its line that its snapshot has learned nothing."""
    heard: list[Progress] = []
    train(
        "identity",
        learner="dqn",
        steps=steps,
        out=tmp_path,
        settings={**SOON, "warmup": 300},
        rollout=16,
        pool={"hosts": 0, "copies": 4},
        told=heard.append,
    )
    assert [says in one.line for one in heard] == [True]


def test_training_says_how_good_and_where_the_time_went(tmp_path: Path) -> None:
    """Figures of each update: the score's share of the way from random play to the best, and times."""
    pool = {"hosts": 0, "copies": 4}
    train("identity", learner="dqn", steps=1500, out=tmp_path, settings=SOON, rollout=16, pool=pool)
    with Run.open(tmp_path) as run:
        (task,) = run.ledger.tasks("train")
    figures = task.result["metrics"]
    assert len(figures) > 10
    for one in figures:
        parts = [one[f"{part}_share"] for part in ("act", "env", "wait", "learn")]
        assert min(parts) >= 0
        assert 0 < sum(parts) <= 1 + 1e-6, "the rest is bookkeeping"
        assert one["act_share"] > 0 < one["env_share"]
        assert one["learn_share"] == pytest.approx(one["learn_s"] / (one["learn_s"] + one["play_s"]))
        if "score" in one:
            # of 10 steps a quarter is right by chance
            assert one["score_share"] == pytest.approx((one["score"] - 2.5) / 7.5)
    assert sum("score_share" in one for one in figures) > 3
