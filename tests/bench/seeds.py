"""Several seeds of PPO at once beside one after the other: decisions per CPU second, playing and learning.

python tests/bench/seeds.py [--quick] [--json]

Both sides: the same settings (agents/presets), copies, steps and matches, one thread, in this process.
`ours` are all seeds in `agents.seeds.Seeds`, `theirs` as many learners that play and learn by themselves.
Above `agents.seeds.LARGEST` decisions a minibatch the seeds only play at once.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch

from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from agents.seeds import Seeds
from agents.tuned import read_preset
from arenas import full_spec
from marl.batch import LocalPool
from marl.loading import ArenaRef, build
from marl.play import Match, Play, Player
from marl.rng import seed_of
from marl.spec import Ticket
from tests.bench.table import Row, in_turns, options, show

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Task:
    """What is learned, where, in how many copies and steps an update."""

    work: str
    arena: str
    preset: str
    copies: int
    steps: int
    options: dict[str, Any] = field(default_factory=dict)
    changed: dict[str, Any] = field(default_factory=dict)
    bar: float | None = None

    @property
    def settings(self) -> PPOSettings:
        """Those of the preset, but for what is changed."""
        settings: PPOSettings = PPOSettings.read("ppo", {**read_preset(self.preset), **self.changed})
        return settings

    def pool(self, seeds: int) -> LocalPool:
        """Copies for so many seeds."""
        return LocalPool([build(ArenaRef(full_spec(self.arena), self.options))], self.copies * seeds)


TASKS = (
    Task(
        "CartPole, 8 copies, minibatches of 256",
        "gymnasium",
        "gymnasium/CartPole-v1/ppo",
        8,
        32,
        options={"id": "CartPole-v1"},
        bar=1.5,
    ),
    Task("spread, 16 copies, minibatches of 300", "spread", "spread/ppo", 16, 25, changed={"minibatch": 300}),
    Task(
        "spread, 256 copies, minibatches of 1,200",
        "spread",
        "spread/ppo",
        256,
        25,
        changed={"minibatch": 1200},
    ),
    Task("spread, 256 copies, minibatches of 2,400", "spread", "spread/ppo", 256, 25),
)


def playing(task: Task, seeds: Sequence[int], learners: Sequence[PPO]) -> Play:
    """Each learner plays its seed's matches in copies of its own."""
    pool = task.pool(len(seeds))

    def match(copy: int, episode: int) -> Match:
        number, own = divmod(copy, task.copies)
        ticket = Ticket(copy + episode * pool.copies, seed_of(seeds[number], own, episode))
        return Match(ticket, dict.fromkeys(pool.spec.seats, str(number)))

    return Play(pool, match, {str(i): Player(one.policy, record=True) for i, one in enumerate(learners)})


def compare(task: Task, count: int, updates: int, runs: int) -> Row:
    """So many seeds at once, and one after the other, in turns."""
    spec, seeds = task.pool(1).spec, range(count)
    together = Seeds(spec, task.settings, seeds)
    at_once = playing(task, seeds, together.each)
    alone = [PPO(spec, task.settings, seed) for seed in seeds]
    apart = [playing(task, [seed], [learner]) for seed, learner in zip(seeds, alone, strict=True)]

    def ours() -> None:
        fragments = at_once.collect(task.steps)
        at_once.take_outcomes()
        together.update([[one for one in fragments if one.player == str(i)] for i in seeds])

    def theirs() -> None:
        for play, learner in zip(apart, alone, strict=True):
            learner.update(play.collect(task.steps))
            play.take_outcomes()

    def rate(work: Any) -> float:  # noqa: ANN401  # one of both
        before, began_s = sum(learner.decisions for learner in (*together.each, *alone)), time.process_time()
        for _ in range(updates):
            work()
        done = sum(learner.decisions for learner in (*together.each, *alone)) - before
        return done / (time.process_time() - began_s)

    ours()
    theirs()
    found = in_turns(runs, lambda: rate(ours), lambda: rate(theirs))
    unit = "decisions/CPU s"
    return Row(f"{count} seeds, {task.work}", "one seed after the other", found[1], found[0], unit, task.bar)


def main() -> None:
    """Measure and print."""
    asked = options(__doc__ or "")
    torch.set_num_threads(1)
    counts, updates, runs = ((3,), 1, 2) if asked.quick else ((3, 5), 2, 5)
    show([compare(task, count, updates, runs) for task in TASKS for count in counts], as_json=asked.json)


if __name__ == "__main__":
    main()
