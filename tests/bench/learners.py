"""Learners on mpe2 and Gymnasium: final greedy returns against what was asked of them.

python tests/bench/learners.py [--quick] [--json] [--only dqn vdn ...] [--seeds 3]

Each row is a task of `learning_tasks.py`: a learner with its preset in agents/presets. mpe2: 25 steps an
episode, discrete actions, local_ratio 0.5, returns summed over agents. The last policy's greedy returns over
500 episodes of other seeds; the mean over training seeds with its 95 % interval (Student's). `ours` and
`theirs` (what was asked, or published) are shares of the way from random play to the best that is known, so
that a ratio means something; `unit` holds the returns themselves.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
from scipy import stats

from agents.tuned import read_preset
from tests.bench.learning_tasks import SHORT, TASKS
from tests.bench.table import Row, show
from tests.learning.practice import Practice


@dataclass(frozen=True)
class Found:
    """Greedy returns of one training seed, and the CPU seconds that its training took."""

    mean: float
    error: float
    cpu_s: float


def train(name: str, seed: int, steps: int, episodes: int) -> Found:
    """Train with the preset, then play greedily."""
    task = TASKS[name]
    preset = read_preset(task.preset)
    practice = Practice(
        task.arena,
        seed,
        preset,
        learner=task.learner,
        options=task.options,
        copies=task.copies,
        rollout=task.rollout,
    )
    began_s = time.process_time()
    for _ in range(max(1, steps // (task.copies * task.rollout))):
        practice.run(1)
    took_s = time.process_time() - began_s
    elsewhere = (task.exam, SHORT) if task.exam else None
    returns = practice.returns(episodes, elsewhere=elsewhere)
    found = Found(float(returns.mean()), float(returns.std() / np.sqrt(len(returns))), took_s)
    print(f"{name}, seed {seed}: {found}", file=sys.stderr, flush=True)
    return found


def measure(name: str, seeds: int, *, quick: bool) -> Row:
    """The row of a task; without a figure where a package that it needs is missing."""
    task = TASKS[name]
    place = str(task.options.get("id", task.arena.rpartition(".")[2]))
    if task.exam:
        place = f"{task.exam.rpartition('.')[2]}, trained on {place}"
    steps, episodes = (task.steps // 20, 50) if quick else (task.steps, 500)
    work = f"{name}, {place}, {steps // 1000} k steps"
    peer = f"asked: {task.asked:g} (random {task.random:g}, best known {task.best:g})"
    if importlib.util.find_spec(task.needs) is None:
        return Row(work, f"{peer}; {task.needs} is not installed", task.share(task.asked), None, "share", 1.0)
    found = [train(name, seed, steps, episodes) for seed in range(seeds)]
    means = [one.mean for one in found]
    each = ", ".join(f"{one.mean:.1f} +- {one.error:.1f}" for one in found)
    cpu_s = float(np.mean([one.cpu_s for one in found]))
    mean = float(np.mean(means))
    wide = float(stats.t.ppf(0.975, seeds - 1) * stats.sem(means)) if seeds > 1 else float("nan")
    return Row(
        f"{work}, {cpu_s:.0f} CPU s",
        peer,
        task.share(task.asked),
        task.share(mean),
        f"share; returns {mean:.1f} +- {wide:.1f} ({each})",
        1.0,
    )


def main() -> None:
    """Train, play and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the steps, one seed: no verdict")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    parser.add_argument("--only", nargs="+", choices=sorted(TASKS), default=list(TASKS), help="which tasks")
    parser.add_argument("--seeds", type=int, help="training seeds (default: as each task says)")
    asked = parser.parse_args()
    rows = []
    for name in asked.only:
        rows.append(measure(name, 1 if asked.quick else asked.seeds or TASKS[name].seeds, quick=asked.quick))
        print(json.dumps(rows[-1].to_json()), file=sys.stderr, flush=True)
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
