"""Stages are left by lower bounds only, and the current stage follows from the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import ValidationError

from league.block import BlockResult
from league.curriculum import Curriculum, Gate, Stage, Verdict, exam_opponents, judge, stage_after
from marl.errors import ConfigError

Make = Callable[..., BlockResult]


def _stage(name: str = "easy", **gate: Any) -> Stage:
    return Stage(
        name=name, steps=1000, max_tasks=5, gate=Gate(**{"against": ("hold",), "threshold": 0.6, **gate})
    )


def _exam(
    duel: Make, player: str, rate: float, count: int, other: str = "hold", seed: int = 0
) -> list[BlockResult]:
    rng = np.random.default_rng(seed)
    return [duel(player, other, *(rng.random(2) < rate).astype(float), position=i) for i in range(count)]


def test_a_strong_candidate_passes_and_a_weak_one_does_not(duel: Make) -> None:
    """True 90 % passes a gate of 60 % within 30 blocks; true 30 % has failed by then; 60 % stays open."""
    stage = _stage()
    strong, weak, even = (
        judge(stage, _exam(duel, "me", rate, 30), "me", ["hold"], 1) for rate in (0.9, 0.3, 0.6)
    )
    assert (strong.status, weak.status, even.status) == ("passed", "failed", "open")
    assert strong.lower > 0.6 > weak.upper
    assert even.lower < 0.6 < even.upper
    assert strong.blocks == 30
    assert judge(stage, [], "me", ["hold"], 1).status == "open"


def test_a_point_estimate_never_passes(duel: Make) -> None:
    """Five wins of five prove too little; min_blocks holds even where the bound would pass."""
    blocks = _exam(duel, "me", 1.0, 40)
    assert judge(_stage(min_blocks=1), blocks[:5], "me", ["hold"], 1).status == "open"
    assert judge(_stage(), blocks, "me", ["hold"], 1).passed
    assert judge(_stage(min_blocks=41), blocks, "me", ["hold"], 1).status == "open"
    assert judge(_stage(max_blocks=5, min_blocks=5), blocks[:5], "me", ["hold"], 1).status == "failed"


def test_later_candidates_need_more(duel: Make) -> None:
    """The candidates of a stage share the error: the tenth needs more blocks than the first."""
    blocks = _exam(duel, "me", 1.0, 30)
    needed = [
        next(n for n in range(31) if judge(_stage(min_blocks=1), blocks[:n], "me", ["hold"], attempt).passed)
        for attempt in (1, 10)
    ]
    assert needed[0] < needed[1] <= 30


def test_several_opponents_count_in_rounds(duel: Make) -> None:
    """`mean` judges rounds of one block against each opponent; `each` needs every opponent beaten."""
    easy = _exam(duel, "me", 1.0, 60, "hold")
    hard = [duel("me", "wall", 0.5, 0.5, position=100 + i) for i in range(40)]
    mean = judge(_stage(), easy + hard, "me", ["hold", "wall"], 1)
    assert mean.passed
    assert (mean.blocks, mean.mean) == (40, 0.75)
    each = judge(_stage(require="each"), easy + hard, "me", ["hold", "wall"], 1)
    assert not each.passed
    assert each.mean == 0.5
    assert judge(_stage(require="each"), easy, "me", ["hold"], 1).passed


def test_scores_are_measured_within_their_range(duel: Make) -> None:
    """Metric `score` maps the mean score of a block to [0, 1]; a score outside the range is an error."""
    blocks = [duel("me", "hold", 0.8, 0.8, position=i) for i in range(60)]
    assert judge(
        _stage(metric="score", score_range=(0.0, 1.0)), blocks, "me", ["hold"], 1
    ).mean == pytest.approx(0.8)
    wide = judge(_stage(metric="score", score_range=(-1.0, 1.0)), blocks, "me", ["hold"], 1)
    assert wide.mean == pytest.approx(0.9)
    with pytest.raises(ConfigError, match="score_range"):
        judge(_stage(metric="score", score_range=(0.0, 0.5)), blocks, "me", ["hold"], 1)


def test_a_constant_below_the_threshold_never_passes(block_of: Make) -> None:
    """Vector V18d: -1 at a threshold of -0.8, where smoothing that starts at 0 lets the first value pass."""
    stage = _stage(metric="score", score_range=(-2.0, 0.0), threshold=0.6, min_blocks=1, max_blocks=400)
    lineup = {"s_0": "me", "s_1": "hold"}
    blocks = [block_of([lineup], [{"s_0": -1.0, "s_1": -1.0}], position=i) for i in range(400)]
    found = [judge(stage, blocks[:count], "me", ["hold"], 1) for count in (1, 2, 5, 20, 100, 400)]
    assert not any(verdict.passed for verdict in found)
    assert all(verdict.mean == pytest.approx(0.5) for verdict in found)


def test_the_verdict_depends_on_the_plan_only(duel: Make) -> None:
    """Blocks in any order give the same verdict."""
    blocks = _exam(duel, "me", 0.8, 25)
    assert judge(_stage(), blocks[::-1], "me", ["hold"], 2) == judge(_stage(), blocks, "me", ["hold"], 2)


def test_a_gate_without_opponents_is_an_error() -> None:
    """Nobody to play against, or no gate at all, is said so."""
    with pytest.raises(ConfigError, match="nobody"):
        judge(_stage(), [], "me", [], 1)
    with pytest.raises(ConfigError, match="no gate"):
        judge(Stage(name="last", steps=1, max_tasks=1), [], "me", ["hold"], 1)


def test_opponents_of_an_exam() -> None:
    """Names become ids, `past` becomes the snapshots, doubles are dropped, unknown names are listed."""
    gate = Gate(against=("hold", "past"), threshold=0.5)
    assert exam_opponents(gate, "me", ["a", "b", "a"], {"hold": "hold-1"}) == ["hold-1", "a", "b"]
    alone = Gate(against=("itself",), metric="score", score_range=(0.0, 1.0), threshold=0.5)
    assert exam_opponents(alone, "me", ["a"], {}) == ["me"]
    with pytest.raises(ConfigError, match="hold"):
        exam_opponents(Gate(against=("hodl",), threshold=0.5), "me", [], {"hold": "hold-1"})


def _verdict(stage: str, status: Literal["passed", "failed"]) -> Verdict:
    return Verdict(stage, "me", 1, status, 0.7, 0.65, 0.8, 0.6, 20)


def test_the_stage_follows_from_the_verdicts() -> None:
    """A stage is left by a pass of its own gate, once; failures and passes of other stages move nothing."""
    stages = [_stage(name) for name in ("easy", "middle", "hard")]
    easy, middle, hard = (_verdict(stage.name, "passed") for stage in stages)
    failed = _verdict("easy", "failed")
    assert stage_after(stages, []) == 0
    assert stage_after(stages, [failed, middle]) == 0
    assert stage_after(stages, [failed, easy, easy]) == 1
    assert stage_after(stages, [easy, failed, middle]) == 2
    assert stage_after(stages, [easy, middle, hard, hard]) == 3


@pytest.mark.parametrize(
    "bad",
    [
        {"threshold": 1.0},
        {"threshold": -0.1},
        {"against": ()},
        {"metric": "score"},
        {"score_range": (0.0, 1.0)},
        {"metric": "score", "score_range": (1.0, 0.0)},
        {"min_blocks": 9, "max_blocks": 8},
        {"confidense": 0.9},
        {"against": ("itself",)},
        {"against": ("itself", "hold"), "metric": "score", "score_range": (0.0, 1.0)},
    ],
)
def test_bad_gates_are_refused(bad: dict[str, Any]) -> None:
    """Thresholds outside [0, 1), missing or needless ranges, no opponents, unknown keys."""
    with pytest.raises(ValidationError):
        Gate(**{"against": ("hold",), "threshold": 0.5, **bad})


def test_a_curriculum_needs_gates_and_names() -> None:
    """Every stage but the last has a gate, and names differ; a curriculum survives JSON."""
    last = Stage(name="last", steps=10, max_tasks=3)
    whole = Curriculum(stages=(_stage(), last))
    assert Curriculum.model_validate_json(whole.model_dump_json()) == whole
    assert Curriculum.model_validate(json.loads(whole.model_dump_json())) == whole
    with pytest.raises(ValidationError, match="needs a gate"):
        Curriculum(stages=(last, _stage()))
    with pytest.raises(ValidationError, match="differ"):
        Curriculum(stages=(_stage(), _stage()))
