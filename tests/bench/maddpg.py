"""MADDPG on mpe2's simple_spread beside AgileRL's: agent-steps per second, playing and learning.

python tests/bench/maddpg.py [--quick] [--json]

The same environment, nets of two layers of 64, batches of 1,024, an update of all agents every 96 environment
steps. AgileRL steps 8 environments in 8 processes, as its tutorials do; ours steps 32 in its own process.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys
import time
from pathlib import Path

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.bench.piped import Piped
from tests.bench.table import Row, in_turns, options, show
from tests.learning.practice import Practice

COPIES, ROLLOUT, AGENTS = 32, 24, 3
SETTINGS = {"hidden": [64, 64], "batch": 1024, "every": 96, "separate": True}


def main() -> None:
    """Fill the replay, then measure in turns."""
    asked = options(__doc__ or "")
    steps, runs = (768, 1) if asked.quick else (7680, 5)
    practice = Practice(
        "mpe2.simple_spread_v3",
        0,
        SETTINGS,
        learner="maddpg",
        options={"max_cycles": 25},
        copies=COPIES,
        rollout=ROLLOUT,
    )
    practice.run(4)

    def ours() -> float:
        began_s = time.perf_counter()
        practice.run(steps // (COPIES * ROLLOUT))
        return AGENTS * steps / (time.perf_counter() - began_s)

    peer = Piped("agilerl", "agilerl_maddpg.py", steps)
    found = in_turns(runs, ours, *([] if peer.measure is None else [peer.measure]))
    peer.close()
    theirs = found[1] if len(found) > 1 else None
    label = "AgileRL 2.58, 8 processes" if theirs is not None else "AgileRL: not installed (make peers)"
    row = Row(
        "MADDPG, simple_spread_v3, update every 96 steps", label, theirs, found[0], "agent-steps/s", 2.0
    )
    show([row], as_json=asked.json)


if __name__ == "__main__":
    main()
