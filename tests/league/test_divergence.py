"""Training that goes beyond all bounds stops in a sentence, and what was good before is still there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from league import League, LeagueSettings
from league.ledger import Ledger
from league.runs import LEDGER
from league.training import settings_of_one
from league.workshop import CHECKPOINTS
from marl.errors import DivergenceError

if TYPE_CHECKING:
    from pathlib import Path

REPLAY = {"warmup": 16, "every": 8, "batch": 16, "capacity": 500, "huber": 1e38}


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize(("learner", "settings"), [("ppo", {}), ("dqn", REPLAY), ("iddpg", REPLAY)], ids=str)
def test_the_last_good_checkpoint_is_kept(learner: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """Rewards of 3e38 in the second stage: the error names learner, stage and the first checkpoint."""
    values = settings_of_one(
        "tests.league.toys:Paid", learner=learner, steps=128, settings={"hidden": [4], **settings}
    )
    (stage,) = values["stages"]
    gate = {"against": ["itself"], "metric": "score", "score_range": [0, 5], "min_blocks": 2, "threshold": 0}
    values["stages"] = [{**stage, "gate": gate}, {**stage, "name": "rich", "options": {"pay": 3e38}}]
    values |= {"pool": {"copies": 4, "hosts": 0}}
    values["learner"]["rollout"] = 8
    config = LeagueSettings.read("test", values)
    with (
        League(config, tmp_path, backend="inline") as league,
        pytest.raises(DivergenceError, match="stage rich, after") as caught,
    ):
        league.train()
    with Ledger.open(tmp_path / LEDGER) as ledger:
        kept = [task.result["checkpoint"] for task in ledger.tasks("train") if task.kind == "train"][-1]
    assert f"Last good checkpoint: {CHECKPOINTS}/{kept}" in str(caught.value)
    assert (tmp_path / CHECKPOINTS / kept / "manifest.json").is_file()
    assert "lower lr" in str(caught.value).lower()
