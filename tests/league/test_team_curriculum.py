"""A curriculum where all seats are one side: a stage is left by the scores that a snapshot reaches itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from league.config import LeagueSettings
from league.league import League
from league.runs import Run

if TYPE_CHECKING:
    from pathlib import Path

    from league.block import BlockResult

LADDER: dict[str, Any] = {
    "name": "ladder",
    "seed": 5,
    "arena": "identity",
    "pool": {"copies": 8, "groups": 2, "hosts": 0},
    "learner": {"rollout": 16, "settings": {"hidden": [16], "lr": 3e-2}},
    "stages": [
        {
            "name": "short",
            "options": {"steps": 4},
            "steps": 600,
            "max_tasks": 6,
            "gate": {
                "against": ["itself"],
                "metric": "score",
                "score_range": [0.0, 4.0],
                "threshold": 0.6,
                "min_blocks": 4,
                "max_blocks": 32,
            },
        },
        {"name": "long", "options": {"steps": 8}, "steps": 200, "max_tasks": 1},
    ],
    "tournament": {"blocks": 4, "players": ["random"], "resamples": 100},
}
"""Stages of one seat that reads symbols; a quarter of them is right by chance."""


def test_a_stage_is_left_by_scores(tmp_path: Path) -> None:
    """The gate's blocks are the candidate's own in all seats; passed, the next stage begins; twice alike."""
    settings = LeagueSettings.read("test", LADDER)
    with League(settings, tmp_path / "one", backend="inline") as league:
        league.run()
        plan = league.selfplay
    assert plan.verdicts
    blocks = _blocks(tmp_path / "one")
    assert all(len(block.players) == 1 for block in blocks if block.plan.purpose == "gate")
    assert [verdict.stage for verdict in plan.verdicts if verdict.passed] == ["short"]
    assert plan.verdicts[-1].mean > 0.6
    assert not plan.timed_out
    with League(settings, tmp_path / "two", backend="inline") as league:
        league.run()
    assert _blocks(tmp_path / "two") == blocks


def _blocks(folder: Path) -> list[BlockResult]:
    with Run.open(folder) as run:
        return run.ledger.blocks(run="ladder")
