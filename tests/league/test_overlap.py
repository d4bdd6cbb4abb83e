"""Leagues whose learner learns while the next fragment is played repeat, bit for bit, as others do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agents import tuned as presets
from league.tasks import PoolPlan, TrainTask, task_from_json, task_hash
from league.training import settings_of_one
from league.tuning import tuned
from marl.errors import MarlError
from tests.league.driving import assert_whole, carried_out, toy, trace

if TYPE_CHECKING:
    from pathlib import Path

OVERLAP = "learner.overlap=true"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the small league finds with overlap, inline, in this process."""
    return trace(carried_out(toy(OVERLAP), tmp_path_factory.mktemp("reference")))


@pytest.mark.parametrize("hosts", [1, 2])
@pytest.mark.timeout(120)
def test_hosts_change_nothing(reference: dict[str, Any], tmp_path: Path, hosts: int) -> None:
    """With host processes, whose steps end when they will, it is the same league, bit for bit."""
    folder = carried_out(toy(OVERLAP, f"pool.hosts={hosts}"), tmp_path)
    assert_whole(folder)
    assert trace(folder) == reference


def test_it_is_another_league_of_as_many_updates(reference: dict[str, Any], tmp_path: Path) -> None:
    """The first task makes as many updates on as many decisions as without, and learns something else."""
    plain = trace(carried_out(toy(), tmp_path))
    first, other = (next(r for _, kind, _, r in t["tasks"] if kind == "train") for t in (plain, reference))
    for same in ("decisions", "env_steps"):
        assert first[same] == other[same]
    assert len(first["metrics"]) == len(other["metrics"])
    assert first["snapshot"] != other["snapshot"]


def test_tasks_say_nothing_of_it_where_it_is_off() -> None:
    """So that runs from before it was there find their tasks again; where it is on, it travels."""
    plain = TrainTask(
        pool=PoolPlan(arena={}, copies=1, groups=1, hosts=0),
        learner="ppo",
        settings={},
        player="main",
        checkpoint=None,
        lineage={},
        stage="one",
        options={},
        mix={},
        past=(),
        past_win_rates=(),
        opponents=(),
        steps=1,
        rollout=1,
        seed=0,
        learner_seed=0,
    )
    overlapped = replace(plain, overlap=True)
    assert "overlap" not in plain.to_json()
    assert [task_from_json(task.to_json()) for task in (plain, overlapped)] == [plain, overlapped]
    assert task_hash(plain) != task_hash(overlapped)


def test_presets_may_ask_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their table [play]; what is said wins."""
    (tmp_path / "identity").mkdir()
    (tmp_path / "identity" / "ppo.toml").write_text("lr = 0.1\n[play]\noverlap = true\n")
    monkeypatch.setattr(presets, "PRESETS", tmp_path)
    assert tuned(settings_of_one("identity"), "auto")[0]["learner"]["overlap"]
    own = settings_of_one("identity")
    own["learner"]["overlap"] = False
    assert not tuned(own, "auto")[0]["learner"]["overlap"]


def test_a_learner_that_does_not_pause_is_refused(tmp_path: Path) -> None:
    """At the start of the run, by name."""
    settings = toy(OVERLAP, "learner.name=tests.contract.test_learners:Tally", "learner.settings={}")
    with pytest.raises(MarlError, match=r"Tally.*overlap = true"):
        carried_out(settings, tmp_path)
