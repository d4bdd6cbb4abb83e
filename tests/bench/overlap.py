"""What PPO reaches when the next fragment is played while it learns, beside learning and playing in turn.

python tests/bench/overlap.py [--quick] [--json]

simple_spread: its preset (64 copies of 25 steps), 200 k environment steps on the arena `spread`, which equals
it to 1e-6, annealed over them; three seeds. Each seed's last policy plays 500 episodes of mpe2 greedily:
returns summed over agents. `ours` (with overlap) and `theirs` (in turn) are shares of the way from random
play to the best that is known. Everything is played and learned in this process: nothing is said of speed,
which is what `spread_ppo.py` is for.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys
from pathlib import Path

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

from agents.tuned import read_preset
from tests.bench.learning_tasks import NONE, SHORT, TASKS
from tests.bench.table import Row, options, show
from tests.learning.practice import Practice

COPIES, ROLLOUT, AGENTS = 64, 25, 3


def returns(seed: int, steps: int, episodes: int, *, overlap: bool) -> float:
    """The mean greedy return after training."""
    settings = {**read_preset(TASKS["ppo"].preset), "anneal_decisions": AGENTS * steps}
    practice = Practice(
        "spread", seed, settings, options=NONE, copies=COPIES, rollout=ROLLOUT, overlap=overlap
    )
    practice.run(steps // (COPIES * ROLLOUT))
    found = practice.returns(episodes, elsewhere=(TASKS["ppo"].arena, SHORT))
    print(f"seed {seed}, overlap {overlap}: {found.mean():.1f}", file=sys.stderr, flush=True)
    return float(found.mean())


def main() -> None:
    """Train, play and print."""
    asked = options(__doc__)
    seeds, steps, episodes = (1, 16_000, 50) if asked.quick else (3, 200_000, 500)
    in_turn, beside = (
        [returns(seed, steps, episodes, overlap=overlap) for seed in range(seeds)]
        for overlap in (False, True)
    )
    task = TASKS["ppo"]
    told = [", ".join(f"{value:.1f}" for value in values) for values in (in_turn, beside)]
    row = Row(
        f"PPO on spread, {steps // 1000} k steps, played on simple_spread",
        f"in turn: {told[0]}",
        task.share(float(np.mean(in_turn))),
        task.share(float(np.mean(beside))),
        f"share; returns with overlap {told[1]}",
    )
    show([row], as_json=asked.json)


if __name__ == "__main__":
    main()
