"""Learners on mpe2: final greedy returns against what was asked of them.

python tests/bench/learners.py [--quick] [--json] [--only dqn vdn ...] [--seeds 3]

Each row is one learner with its preset in agents/presets: 25 steps an episode, discrete actions, local_ratio
0.5, returns summed over agents; the last policy's greedy returns over 500 episodes of other seeds, mean over
training seeds. `ours` and `theirs` (what was asked) are shares of the way from random play to the best that
is known, so that a ratio means something; `unit` holds the returns themselves.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

import agents
from marl.settings import read_toml
from tests.bench.table import Row, show
from tests.learning.practice import Practice

ROLLOUT = 25
PRESETS = Path(agents.__file__).parent / "presets"


@dataclass(frozen=True)
class Task:
    """An arena, its random and best known returns (sum over agents), steps to train, and the return asked.

    `copies` play at once: a learner that learns from what it has just played wants more of them.
    """

    arena: str
    random: float
    best: float
    steps: int
    asked: float
    copies: int = 16

    def share(self, value: float) -> float:
        """How much of the way from random play to the best that is known."""
        return (value - self.random) / (self.best - self.random)


def spread(steps: int, asked: float, copies: int = 16) -> Task:
    """simple_spread_v3: the best known is the contact-free assignment bound."""
    return Task("mpe2.simple_spread_v3", -80.9, -22.1, steps, asked, copies)


TASKS = {
    "dqn": ("dqn", spread(200_000, -50.0)),
    "vdn": ("vdn", spread(200_000, -50.0)),
    "qmix": ("qmix", spread(200_000, -50.0)),
    "maddpg": ("maddpg", spread(300_000, -46.0)),
    "ppo": ("ppo", spread(600_000, -34.0, copies=64)),
    "mappo": ("ppo", spread(600_000, -34.0, copies=64)),
    "talk": ("maddpg", Task("mpe2.simple_speaker_listener_v4", -79.3, -15.6, 300_000, -22.0)),
}
"""Each: the learner, and what it is to learn; its preset has the task's name, or else the learner's."""


@dataclass(frozen=True)
class Found:
    """Greedy returns of one training seed, and the CPU seconds that its training took."""

    mean: float
    error: float
    cpu_s: float


def train(name: str, seed: int, steps: int, episodes: int) -> Found:
    """Train with the preset, then play greedily."""
    learner, task = TASKS[name]
    folder = PRESETS / task.arena.replace(".", "/")
    own = folder / f"{name}.toml"
    preset = read_toml(own if own.is_file() else folder / f"{learner}.toml")
    options = {"max_cycles": 25}
    practice = Practice(
        task.arena, seed, preset, learner=learner, options=options, copies=task.copies, rollout=ROLLOUT
    )
    began_s = time.process_time()
    for _ in range(max(1, steps // (task.copies * ROLLOUT))):
        practice.run(1)
    took_s = time.process_time() - began_s
    returns = practice.returns(episodes)
    return Found(float(returns.mean()), float(returns.std() / np.sqrt(len(returns))), took_s)


def measure(name: str, seeds: int, *, quick: bool) -> Row:
    """The row of a task."""
    learner, task = TASKS[name]
    steps, episodes = (task.steps // 20, 50) if quick else (task.steps, 500)
    found = [train(name, seed, steps, episodes) for seed in range(seeds)]
    mean = float(np.mean([one.mean for one in found]))
    each = ", ".join(f"{one.mean:.1f} +- {one.error:.1f}" for one in found)
    cpu_s = float(np.mean([one.cpu_s for one in found]))
    arena = task.arena.rpartition(".")[2]
    return Row(
        f"{learner if name == 'talk' else name}, {arena}, {steps // 1000} k steps, {cpu_s:.0f} CPU s",
        f"asked: {task.asked:g} (random {task.random:g}, best known {task.best:g})",
        task.share(task.asked),
        task.share(mean),
        f"share; returns {mean:.1f} ({each})",
        1.0,
    )


def main() -> None:
    """Train, play and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the steps, one seed: no verdict")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    parser.add_argument("--only", nargs="+", choices=sorted(TASKS), default=list(TASKS), help="which tasks")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds")
    asked = parser.parse_args()
    rows = []
    for name in asked.only:
        rows.append(measure(name, 1 if asked.quick else asked.seeds, quick=asked.quick))
        print(json.dumps(rows[-1].to_json()), file=sys.stderr, flush=True)
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
