"""Pure tasks: all that a training step or a set of matches depends on, as plain JSON.

A task names what it needs by content (snapshots, checkpoints) and its result follows from it alone, so that
it can be run anywhere, run again, and checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from league.block import BlockPlan
from league.player import Player
from marl.spec import content_hash


@dataclass(frozen=True)
class PoolPlan:
    """Where copies run: results depend on `copies` and `groups`, and not on `hosts` and their `keys`."""

    arena: Mapping[str, Any]
    copies: int
    groups: int
    hosts: int | Literal["auto"] | Sequence[str]
    keys: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**vars(self), "arena": dict(self.arena)}


@dataclass(frozen=True)
class TrainTask:
    """Train a learner for `steps` of its own decisions in one stage, against a mix of opponents.

    `checkpoint` is where it goes on from (None: a fresh one of `learner_seed`). `mix` and
    `past_win_rates` are as in `league.matchmaking`; `opponents` are the players that the mix can draw.
    `rollout` is the environment steps of a fragment, `overlap` as in `agents.rounds`. `seed` is that of the
    matches.
    """

    pool: PoolPlan
    learner: str
    settings: Mapping[str, Any]
    player: str
    checkpoint: str | None
    lineage: Mapping[str, Any]
    stage: str
    options: Mapping[str, Any]
    mix: Mapping[str, Any]
    past: tuple[str, ...]
    past_win_rates: tuple[float, ...]
    opponents: tuple[Player, ...]
    steps: int
    rollout: int
    seed: int
    learner_seed: int
    overlap: bool = False
    kind: ClassVar[str] = "train"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; without `overlap` where there is none, so that older runs find their tasks again."""
        data = {"kind": self.kind, **vars(self), "pool": self.pool.to_json()}
        data["opponents"] = [player.to_json() for player in self.opponents]
        data |= {"past": list(self.past), "past_win_rates": list(self.past_win_rates)}
        if not self.overlap:
            del data["overlap"]
        return data


@dataclass(frozen=True)
class PlayTask:
    """Play blocks between frozen players. `greedy`: snapshots take their best action, and draw none."""

    pool: PoolPlan
    blocks: tuple[BlockPlan, ...]
    players: tuple[Player, ...]
    greedy: bool
    kind: ClassVar[str] = "play"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        data = {"kind": self.kind, **vars(self), "pool": self.pool.to_json()}
        data["blocks"] = [block.to_json() for block in self.blocks]
        data["players"] = [player.to_json() for player in self.players]
        return data


Task = TrainTask | PlayTask


def task_hash(task: Task) -> str:
    """Content hash of what the result depends on: where the copies run is not part of it."""
    data = task.to_json()
    del data["pool"]["hosts"], data["pool"]["keys"]
    return content_hash(data)


def task_from_json(data: Mapping[str, Any]) -> Task:
    """The task that `to_json` wrote."""
    rest = {key: value for key, value in data.items() if key != "kind"}
    rest["pool"] = PoolPlan(**rest["pool"])
    if data["kind"] == "train":
        rest["opponents"] = tuple(Player.from_json(player) for player in rest["opponents"])
        rest |= {"past": tuple(rest["past"]), "past_win_rates": tuple(rest["past_win_rates"])}
        return TrainTask(**rest)
    rest["players"] = tuple(Player.from_json(player) for player in rest["players"])
    rest["blocks"] = tuple(BlockPlan.from_json(block) for block in rest["blocks"])
    return PlayTask(**rest)
