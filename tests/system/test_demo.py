"""The main job, as `make demo` starts it: in small always, whole where slow tests are asked for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bootstrap import TASKS

SMALL = {
    "pool.copies": 8,
    "learner.rollout": 32,
    "tournament.blocks": 2,
    "tournament.external.0.blocks": 2,
    "tournament.resamples": 100,
    **{f"stages.{i}.steps": 300 for i in range(3)},
    **{f"stages.{i}.max_tasks": 1 for i in range(3)},
    **{f"stages.{i}.gate.threshold": 0.0 for i in range(3)},
    **{f"stages.{i}.gate.min_blocks": 2 for i in range(3)},
    **{f"stages.{i}.gate.max_blocks": 2 for i in range(3)},
}
PLAYERS = {"hold", "random", "momentum", "mean_reversion", "zi_c", "maker", "edge_taker"}


def _demo(folder: Path, *extra: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *TASKS["demo"][0], "--out", str(folder), "--json", *extra]
    assert command[2] == "marl", "the demo is a command of ours"
    command[2] = "marl.cli"
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def _check(done: subprocess.CompletedProcess[str], folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    names = set(found["names"].values())
    assert names >= PLAYERS, "scripted traders and the one from outside are in the standings"
    assert any(name.startswith("main-") for name in names)
    for row in found["standings"]["rows"]:
        assert row["rank_low"] <= row["rank"] <= row["rank_high"]
        assert row["low"] <= row["rating"] <= row["high"]
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](https?:)?//""", report), "the report needs nothing else"
    assert "<svg" in report
    return found


def test_small_demo_runs_to_its_report(tmp_path: Path) -> None:
    """The demo's league, made small, goes through its stages to a tournament with a player from outside."""
    settings = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    done = _demo(tmp_path / "run", *settings, timeout_s=58)
    assert done.returncode in {0, 1}, done.stderr
    found = _check(done, tmp_path / "run")
    assert done.returncode == (0 if all(entry["ok"] for entry in found["must_beat"]) else 1)
    assert "edge_taker has joined" in done.stderr


def test_what_is_judged_was_not_trained_on() -> None:
    """The tournament's price windows lie after every stage's, and it has a seed of its own."""
    from league.config import read_league

    demo = read_league("demo")
    assert demo.tournament is not None
    trained = [w[1] for stage in demo.stages for w in stage.options.get("windows", [])]
    judged = [w[0] for w in demo.tournament_options()["windows"]]
    assert trained
    assert max(trained) < min(judged)
    assert demo.tournament.seed != demo.seed
    assert len(demo.stages) >= 3
    assert all(stage.gate is not None for stage in demo.stages)
    assert set(demo.tournament.must_beat) == set(demo.tournament.players)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whole_demo_beats_every_baseline(tmp_path: Path) -> None:
    """The demo passes its three gates, and its main player beats every baseline, interval above zero."""
    done = _demo(tmp_path / "run", timeout_s=890)
    found = _check(done, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert [stage["passed"] for stage in found["stages"]] == [True] * 3
    assert all(entry["ok"] for entry in found["must_beat"])
