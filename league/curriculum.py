"""A curriculum: stages of growing difficulty, each left by passing a gate.

A gate is an exam that a frozen candidate sits on blocks of its own. It is passed where a lower bound that
holds at every look (`confidence.py`) exceeds the threshold; the candidates of a stage share the error between
them. Verdicts and the current stage are pure functions of what the ledger holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from league.block import BlockResult, counted
from league.confidence import lower_bound, refutes, spend, upper_bound
from league.matchmaking import OpponentMix
from league.payoff import block_values
from marl.errors import ConfigError

PAST = "past"
"""In `Gate.against`: all past snapshots of the learner."""
ITSELF = "itself"
"""In `Gate.against`, where all seats are one side: the candidate holds them all; its scores are judged."""


class Gate(BaseModel):
    """What a candidate must show to leave a stage."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    against: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] = Field(
        description="Names of players; `past` stands for all past snapshots of the learner; in an arena of "
        "one side `itself`: the candidate plays in all seats."
    )
    metric: Literal["win", "score"] = Field(
        "win", description="(W + D/2) / G, or the mean score within `score_range`."
    )
    threshold: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="What the lower bound of the metric must exceed."
    )
    score_range: Annotated[tuple[float, float] | None, Field(strict=False)] = Field(
        None, description="Scores that count as 0 and as 1; for metric `score` only."
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95, description="Chance that no unfit candidate ever passes."
    )
    require: Literal["mean", "each"] = Field(
        "mean", description="Whether the mean over opponents must pass, or each one."
    )
    min_blocks: Annotated[int, Field(ge=1)] = Field(
        8, description="Blocks against each opponent before a candidate can pass."
    )
    max_blocks: Annotated[int, Field(ge=1)] = Field(
        64, description="Blocks against each opponent after which it has failed."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.metric == "score") != (self.score_range is not None):
            raise ValueError("score_range belongs to metric 'score', and to no other")
        if self.score_range is not None and not self.score_range[0] < self.score_range[1]:
            raise ValueError(f"score_range {self.score_range} must rise")
        if ITSELF in self.against and (len(self.against) > 1 or self.metric != "score"):
            raise ValueError("against `itself` there is nobody else, and nothing to win: metric is 'score'")
        if self.min_blocks > self.max_blocks:
            raise ValueError(f"min_blocks {self.min_blocks} is more than max_blocks {self.max_blocks}")
        return self

    @property
    def alone(self) -> bool:
        """Whether the candidate holds all seats, in an arena of one side."""
        return self.against == (ITSELF,)

    @property
    def scripted(self) -> frozenset[str]:
        """The names in `against` that are those of players."""
        return frozenset(self.against) - {PAST, ITSELF}

    @property
    def words(self) -> str:
        """What it asks, for people."""
        whom = "in all seats" if self.alone else f"against {', '.join(self.against)}"
        return f"{self.metric} rate {whom} above {self.threshold:g}"


class Stage(BaseModel):
    """Arena options x opponents x the gate to leave it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1)] = Field(description="What the stage is called in reports.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="Arena options that differ from the league's."
    )
    opponents: OpponentMix = Field(default_factory=OpponentMix, description="Whom the learner meets.")
    steps: Annotated[int, Field(ge=1)] = Field(description="Agent steps of one training task.")
    max_tasks: Annotated[int, Field(ge=1)] = Field(
        description="Training tasks after which the stage ends, passed or not."
    )
    gate: Gate | None = Field(
        None, description="None: the stage ends after `max_tasks`; only the last one may."
    )


class Curriculum(BaseModel):
    """The stages in their order."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    stages: Annotated[tuple[Stage, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"stage names {', '.join(names)} must differ")
        for stage in self.stages[:-1]:
            if stage.gate is None:
                raise ValueError(f"stage {stage.name!r} needs a gate: only the last one may have none")
        return self


@dataclass(frozen=True)
class Verdict:
    """What a gate says of a candidate so far.

    `status`: passed; failed, where the upper bound is below the threshold or `max_blocks` are played; else
    open. `mean`, `lower` and `upper` are of the opponent that decides; `blocks` were played against each
    opponent.
    """

    stage: str
    candidate: str
    attempt: int
    status: Literal["passed", "failed", "open"]
    mean: float
    lower: float
    upper: float
    threshold: float
    blocks: int

    @property
    def passed(self) -> bool:
        """Whether the stage may be left."""
        return self.status == "passed"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def judge(
    stage: Stage, blocks: Iterable[BlockResult], candidate: str, opponents: Sequence[str], attempt: int
) -> Verdict:
    """Judge a candidate by its blocks against the opponents, which stand for `stage.gate.against`.

    `attempt` counts the candidates of the stage from 1: each may spend its part of the error. Values are
    taken in rounds of one block against each opponent, so that the mean over opponents is the same in every
    round. Raises ConfigError for a stage without gate, without opponents, or a score outside `score_range`.
    """
    gate = stage.gate
    if gate is None or not opponents:
        got = "no gate" if gate is None else "nobody to play against"
        raise ConfigError(f"stage {stage.name}: gate", got=got, expected="a gate with opponents")
    alpha = spend(1 - gate.confidence, attempt)
    found = counted(blocks)
    by_opponent = [_values(gate, found, candidate, opponent) for opponent in opponents]
    rounds = min(len(values) for values in by_opponent)
    value_OT = np.array([values[:rounds] for values in by_opponent], np.float64)
    tested = [value_OT.mean(axis=0)] if gate.require == "mean" else list(value_OT)
    weakest = min(tested, key=lambda value_T: lower_bound(value_T, alpha))
    upper = min(upper_bound(value_T, alpha) for value_T in tested)
    if rounds >= gate.min_blocks and all(refutes(value_T, gate.threshold, alpha) for value_T in tested):
        status: Literal["passed", "failed", "open"] = "passed"
    else:
        status = "failed" if rounds >= gate.max_blocks or upper < gate.threshold else "open"
    return Verdict(
        stage=stage.name,
        candidate=candidate,
        attempt=attempt,
        status=status,
        mean=float(weakest.mean()) if rounds else 0.0,
        lower=lower_bound(weakest, alpha),
        upper=upper,
        threshold=gate.threshold,
        blocks=rounds,
    )


def stage_after(stages: Sequence[Stage], verdicts: Iterable[Verdict]) -> int:
    """The index of the stage after these verdicts, in order; `len(stages)` after the last gate."""
    index = 0
    for verdict in verdicts:
        if index < len(stages) and verdict.passed and verdict.stage == stages[index].name:
            index += 1
    return index


def exam_opponents(gate: Gate, candidate: str, past: Sequence[str], ids: Mapping[str, str]) -> list[str]:
    """The player ids that `gate.against` stands for: names through `ids`, `past` as given; no doubles."""
    if gate.alone:
        return [candidate]
    found: list[str] = []
    for name in gate.against:
        if name != PAST and name not in ids:
            raise ConfigError(
                "gate.against", got=repr(name), expected=f"`past` or one of {', '.join(sorted(ids))}"
            )
        found += past if name == PAST else [ids[name]]
    return list(dict.fromkeys(found))


def _values(gate: Gate, blocks: Sequence[BlockResult], candidate: str, opponent: str) -> list[float]:
    """A number in [0, 1] for each block of the candidate against the opponent."""
    if gate.score_range is None:
        return block_values(blocks, candidate, opponent, "win")
    low, high = gate.score_range
    values = []
    for block in blocks:
        if {candidate, opponent} <= block.players:
            scores = [
                s.score
                for m in block.matches
                for s in m.seats
                if s.player == candidate and s.score is not None
            ]
            values.append((sum(scores) / len(scores) - low) / (high - low))
    if any(not 0 <= value <= 1 for value in values):
        worst = low + (high - low) * max(values, key=lambda value: abs(value - 0.5))
        raise ConfigError(
            "gate.score_range",
            got=f"a mean score of {worst:g}",
            expected=f"scores from {low:g} to {high:g}",
            remedy="Widen score_range to what the arena can score.",
        )
    return values
