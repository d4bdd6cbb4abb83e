"""What is recorded of tasks beside their blocks, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from league.block import BlockResult
from league.player import Player
from marl.spec import content_hash


@dataclass(frozen=True)
class TrainingRow:
    """What a training task saw of one lineup, from its learner's side.

    n matches, mean and M2 (sum of squared deviations) of its score, and wins, draws and losses against the
    others.
    """

    player: str
    lineup: Mapping[str, str]
    stage: str
    n: int
    mean: float
    m2: float
    wins: int
    draws: int
    losses: int


@dataclass(frozen=True)
class TaskRecord:
    """A finished task: its place in the run, what it was, the hash of its inputs, and its result."""

    run: str
    index: int
    kind: str
    hash: str
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Finished:
    """A finished task with all that it found: recorded together, or not at all."""

    task: TaskRecord
    blocks: Sequence[BlockResult] = ()
    training: Sequence[TrainingRow] = ()
    players: Sequence[Player] = ()

    @cached_property
    def digest(self) -> str:
        """Content hash of the task and what it trained on; blocks and players have their own."""
        return content_hash([asdict(self.task), [asdict(row) for row in self.training]])
