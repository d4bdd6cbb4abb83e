"""The league that goes through all stages of the assembly arena."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pybullet", reason="the physics engine has no wheel for this Python")

from arenas.assembly import PRESETS
from arenas.assembly.options import AssemblyOptions
from league.config import LeagueSettings, read_league
from league.league import League
from league.review import review
from marl.loading import build
from marl.settings import override

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(900)  # numba compiles the kernel in a fresh checkout

COURSE = [name for name in PRESETS if name[0] == "s" and name[1].isdigit()]


def test_the_course_is_the_curriculum() -> None:
    """Its stages are the presets `s0_` to `s6_` in order; the harder, the less success opens its gate."""
    settings = read_league("assembly_stages")
    asked = [AssemblyOptions(**settings.stage_options(stage)) for stage in settings.stages]
    assert asked == [AssemblyOptions(**dict(PRESETS[name])) for name in COURSE]
    assert len(asked) == 17
    gates = [stage.gate for stage in settings.stages]
    assert all(gate is not None and gate.alone and gate.score_range == (0.0, 1.0) for gate in gates)
    thresholds = [gate.threshold for gate in gates if gate is not None]
    assert thresholds == sorted(thresholds, reverse=True)


def test_its_stages_fit_one_policy() -> None:
    """All have the spaces of the last stage, which has room for the most parts."""
    settings = read_league("assembly_stages")
    assert len(review(settings).seats) == 2
    pool = build(settings.ref())
    assert len({pool.add_variant(settings.stage_options(stage)) for stage in settings.stages}) == 17
    pool.close()


def test_the_course_runs(tmp_path: Path) -> None:
    """At a tiny budget it trains and examines in every stage, and ends in its tournament."""
    settings = read_league("assembly_stages", ["options.max_steps=3", "pool.copies=2", "learner.rollout=4"])
    values: dict[str, Any] = settings.model_dump(mode="json")
    values["learner"]["settings"] = override(values["learner"]["settings"], ["hidden=[8]", "minibatch=8"])
    for stage in values["stages"]:
        stage |= {"steps": 8, "max_tasks": 1}
        stage["gate"] |= {"min_blocks": 1, "max_blocks": 1}
    values["tournament"] |= {"blocks": 2, "players": ["hold_still"], "resamples": 100}
    with League(LeagueSettings.read("tiny", values), tmp_path / "run", backend="inline") as league:
        league.run()
        assert [verdict.stage for verdict in league.selfplay.verdicts] == [
            row["name"] for row in values["stages"]
        ]
