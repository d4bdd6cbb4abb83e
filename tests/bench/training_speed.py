"""PPO on batched copies of spread, playing and learning, beside BenchMARL's on VMAS, in the same run.

python tests/bench/training_speed.py [--quick] [--json]

Both: 256 copies, 32 steps an iteration, three agents with one network of 64x64 tanh and a critic of the same
size, 4 epochs of minibatches of 4,096 decisions, Adam, one thread. VMAS's simple_spread has the same
observations' meaning but other physics; no returns are compared. `make peers` installs BenchMARL.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import statistics
import sys
import time
from pathlib import Path

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.bench.piped import Piped
from tests.bench.table import Row, in_turns, options, show
from tests.learning.practice import Practice

AGENTS, COPIES, STEPS = 3, 256, 32
SETTINGS = {"hidden": [64, 64], "epochs": 4, "minibatch": 4096, "lr": 1e-3, "gamma": 0.95}
BAR = 1.5


class Ours:
    """Iterations of a learner that goes on."""

    def __init__(self, iterations: int) -> None:
        self._practice = Practice("spread", 0, SETTINGS, copies=COPIES, rollout=STEPS)
        self._iterations = iterations
        self._practice.run(3)

    def measure(self) -> float:
        """Agent-steps per second of the median iteration."""
        spans = []
        for _ in range(self._iterations):
            began_s = time.perf_counter()
            self._practice.run(1)
            spans.append(time.perf_counter() - began_s)
        return COPIES * STEPS * AGENTS / statistics.median(spans)


def main() -> None:
    """Measure in turns and print."""
    asked = options(__doc__)
    iterations, turns = (5, 1) if asked.quick else (15, 5)
    ours, theirs = Ours(iterations), Piped("benchmarl", "benchmarl_spread.py", iterations)
    work, unit = "PPO on spread, 256 copies, minibatches of 4,096", "agent-steps/s"
    if theirs.measure is None:
        (own,) = in_turns(turns, ours.measure)
        row = Row(work, "BenchMARL on VMAS (not installed: make peers)", None, own, unit, BAR)
    else:
        peer, own = in_turns(turns, theirs.measure, ours.measure)
        row = Row(work, "BenchMARL on VMAS", peer, own, unit, BAR)
    theirs.close()
    show([row], as_json=asked.json)


if __name__ == "__main__":
    main()
