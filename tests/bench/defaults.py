"""PPO as it comes: arenas without tuned settings, by its defaults and by those that it had before.

python tests/bench/defaults.py [--quick] [--json] [--only pursuit ...] [--seeds 0 1 2]

One training a seed, judged after 20, 100 and 200 thousand own decisions (nothing of it depends on how many
there will be) by 200 matches of other seeds, in which it takes its best action. `ours` and `theirs` are means
over seeds. Where all have one interest they are shares of the way from random play to the best that is known;
else how much more often the learner's side beats an opponent than it is beaten, the sides changing. `unit`
has each seed's, and the CPU seconds of all decisions. Defaults were chosen on seeds 100 and 101.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

from agents import make_policy
from league.config import LearnerSettings, PoolSettings
from marl.batch import LocalPool
from marl.loading import build
from marl.play import Match, Play, Player, in_order
from marl.policy import RandomLegal
from marl.rng import seed_of
from marl.spec import Ticket
from tests.bench.table import Row, show
from tests.learning.practice import ME, OTHERS, Practice
from tests.system.documents import blocks

README = Path(__file__).resolve().parents[2] / "README.md"
BUDGETS, MATCHES = (20_000, 100_000, 200_000), 200


@dataclass(frozen=True)
class Setup:
    """How much is played for an update, and the learner's settings."""

    copies: int
    rollout: int
    settings: Mapping[str, Any] = field(default_factory=dict)


DEFAULTS = Setup(PoolSettings().copies, LearnerSettings().rollout)
FORMER = Setup(64, 64, MappingProxyType({"epochs": 4, "minibatch": 4096}))


@dataclass(frozen=True)
class Task:
    """An arena, and the opponent that the learner is judged against.

    Without one all seats have one interest, and `random` and `best` are the sums of their scores by random
    play and by the best known (construction: by the rule `lft`).
    """

    arena: str
    options: Mapping[str, Any] = field(default_factory=dict)
    opponent: str = ""
    random: float = 0.0
    best: float = 1.0


TASKS = {
    "pursuit": Task("my_arena:Pursuit", opponent="random"),
    "cartpole": Task("gymnasium", {"id": "CartPole-v1"}, random=22.0, best=500.0),
    "simple_spread": Task("mpe2.simple_spread_v3", {"max_cycles": 25}, random=-80.9, best=-22.1),
    "tictactoe": Task("pettingzoo.classic.tictactoe_v3", opponent="random"),
    "connect_four": Task("pettingzoo.classic.connect_four_v3", opponent="random"),
    "trading": Task("trading", {"seats": 2, "horizon": 64}, opponent="zi_c"),
    "construction": Task("construction", {"activities": 30}, random=-189.3, best=-51.8),
}


def judge(practice: Practice, task: Task, matches: int) -> float:
    """How good the learner is by now."""
    if not task.opponent:
        return (float(practice.returns(matches).mean()) - task.random) / (task.best - task.random)
    spec = practice.spec
    opponent = RandomLegal() if task.opponent == "random" else make_policy(task.opponent, spec)
    sides = list(spec.teams.values())
    plan = [
        Match(
            Ticket(i, seed_of(practice.seed, -1, i)),
            {seat: ME if seat in sides[i % len(sides)] else OTHERS for seat in spec.seats},
        )
        for i in range(matches)
    ]
    with LocalPool([build(practice.ref)], min(matches, 50)) as pool:
        players = {ME: Player(practice.learner.policy, greedy=True), OTHERS: Player(opponent)}
        outcomes = Play(pool, in_order(plan, pool.copies), players).run()
    return float(np.mean([_result(outcome.match.lineup, outcome.score) for outcome in outcomes]))


def _result(lineup: Mapping[str, str], score: Mapping[str, float]) -> float:
    """1 where the learner's side has more than the other, -1 where it has less."""
    own, others = (
        np.mean([score[seat] for seat, player in lineup.items() if player == who]) for who in (ME, OTHERS)
    )
    return float(np.sign(own - others))


def train(
    task: Task, setup: Setup, seed: int, budgets: Sequence[int], matches: int
) -> tuple[list[float], float]:
    """What one seed has reached after each budget, and the CPU seconds that it took to learn it all."""
    practice = Practice(
        task.arena,
        seed,
        setup.settings,
        options=task.options,
        copies=setup.copies,
        rollout=setup.rollout,
    )
    found, took_s = [], 0.0
    for budget in budgets:
        began_s = time.process_time()
        while practice.learner.decisions < budget:
            practice.run(1)
        took_s += time.process_time() - began_s
        found.append(judge(practice, task, matches))
    return found, took_s


def rows_of(name: str, seeds: Sequence[int], budgets: Sequence[int], matches: int) -> list[Row]:
    """A row for each budget."""
    found: dict[str, list[list[float]]] = {}
    took_s = {}
    for side, setup in (("theirs", FORMER), ("ours", DEFAULTS)):
        results = [train(TASKS[name], setup, seed, budgets, matches) for seed in seeds]
        found[side] = [list(values) for values in zip(*(values for values, _ in results), strict=True)]
        took_s[side] = float(np.mean([spent_s for _, spent_s in results]))
    against = f" against {TASKS[name].opponent}" if TASKS[name].opponent else ""
    return [
        Row(
            f"{name}{against}, {budget // 1000} k decisions",
            "former defaults",
            float(np.mean(theirs)),
            float(np.mean(ours)),
            f"ours {_each(ours)} ({took_s['ours']:.0f} s), theirs {_each(theirs)} ({took_s['theirs']:.0f} s)",
        )
        for budget, theirs, ours in zip(budgets, found["theirs"], found["ours"], strict=True)
    ]


def _each(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 k decisions and one seed: no verdict")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    parser.add_argument("--only", nargs="+", choices=sorted(TASKS), default=list(TASKS), help="which arenas")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="training seeds")
    asked = parser.parse_args()
    budgets, seeds = (BUDGETS[:1], asked.seeds[:1]) if asked.quick else (BUDGETS, asked.seeds)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        (arena,) = (block.body for block in blocks(README, "python"))
        Path(folder, "my_arena.py").write_text(arena)
        sys.path.append(folder)
        for name in asked.only:
            rows += rows_of(name, seeds, budgets, 50 if asked.quick else MATCHES)
            print(json.dumps([row.to_json() for row in rows[-len(budgets) :]]), file=sys.stderr, flush=True)
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
