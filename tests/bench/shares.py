"""Where PPO's time goes: CPU microseconds of an agent-step, all in one process.

python tests/bench/shares.py [--quick] [--json]

Stepping the arena, acting, learning (values, advantages, all epochs), and the rest (tapes, fragments,
matches). Nets of 64x64, 4 epochs. `ours` are microseconds: less is better, and nobody stands beside them.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from agents.netpolicy import NetPolicy
from marl.batch import LocalPool
from tests.bench.learning_tasks import NONE, SHORT
from tests.bench.table import Row, options, show
from tests.learning.practice import Practice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

AGENTS = 3


class Clock:
    """CPU seconds spent in the calls that it was put around."""

    def __init__(self) -> None:
        self.spent_s = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed."""

        def timed(*given: Any, **named: Any) -> Any:  # noqa: ANN401  # anything's
            began_s = time.process_time()
            result = call(*given, **named)
            self.spent_s += time.process_time() - began_s
            return result

        return timed


def shares(
    arena: str, arguments: Mapping[str, Any], copies: int, rollout: int, minibatch: int, updates: int
) -> list[Row]:
    """A row for each kind of work."""
    clocks = {name: Clock() for name in ("stepping", "acting", "learning")}
    step, act = LocalPool.send, NetPolicy.act
    LocalPool.send = clocks["stepping"].around(step)  # type: ignore[method-assign]  # put back below
    NetPolicy.act = clocks["acting"].around(act)  # type: ignore[method-assign]  # likewise
    try:
        settings = {"epochs": 4, "minibatch": minibatch, "gamma": 0.9}
        practice = Practice(arena, 0, settings, options=arguments, copies=copies, rollout=rollout)
        practice.learner.update = clocks["learning"].around(practice.learner.update)
        practice.run(2)
        before_s = {name: clock.spent_s for name, clock in clocks.items()}
        began_s = time.process_time()
        practice.run(updates)
        whole_s = time.process_time() - began_s
    finally:
        LocalPool.send, NetPolicy.act = step, act  # type: ignore[method-assign]
    spent_s = {name: clock.spent_s - before_s[name] for name, clock in clocks.items()}
    spent_s["the rest"] = whole_s - sum(spent_s.values())
    spent_s["all"] = whole_s
    unit_us = 1e6 / (updates * copies * rollout * AGENTS)
    work = f"PPO on {arena}, {copies} copies, minibatches of {minibatch}"
    return [
        Row(f"{work}: {name}", "-", None, s * unit_us, f"us an agent-step, {s / whole_s:.0%}")
        for name, s in spent_s.items()
    ]


def main() -> None:
    """Measure and print."""
    asked = options(__doc__)
    updates = 3 if asked.quick else 15
    rows = shares("mpe2.simple_spread_v3", SHORT, 64, 16, 768, updates)
    rows += shares("mpe2.simple_spread_v3", SHORT, 256, 4, 768, updates)
    show(rows + shares("spread", NONE, 256, 32, 4096, updates), as_json=asked.json)


if __name__ == "__main__":
    main()
