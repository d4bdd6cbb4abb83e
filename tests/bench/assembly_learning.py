"""What PPO learns in the assembly arena, from nothing: success on matches of other seeds as it trains.

python tests/bench/assembly_learning.py [--quick] [--json] [--only NAME] [--seeds N] [--picture FILE]

All arms share one policy (IPPO). One process; times are the wall clock's, exams left out.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2])  # this folder would hide packages

from arenas.assembly import preset
from tests.bench.table import Row, show
from tests.learning.practice import Practice

EXAM, COPIES, ROLLOUT = 50, 16, 64
SETTINGS: dict[str, Any] = {
    "hidden": [128, 128],
    "lr": 5e-4,
    "gamma": 0.98,
    "lam": 0.9,
    "epochs": 8,
    "minibatch": 512,
    "entropy": 0.0,
    "target_kl": 0.03,
}


@dataclass(frozen=True)
class Task:
    """What is learned: options, action steps, the bar in percent."""

    name: str
    options: dict[str, Any]
    steps: int
    bar: float


TASKS = (
    Task("classic", preset("classic"), 300_000, 95),
    Task("S0, 2 arms, 2 cm", preset("reach", tolerance=0.02), 300_000, 90),
    Task("S1, 2 arms", preset("lift"), 600_000, 80),
)


def learn(task: Task, seed: int, steps: int, log: list[tuple[int, float, float]]) -> float:
    """Train; returns the percent of an exam's matches that succeed, and logs (steps, seconds, percent)."""
    practice = Practice("assembly", seed, SETTINGS, options=task.options, copies=COPIES, rollout=ROLLOUT)
    start, found = time.perf_counter(), 0.0
    updates = max(1, steps // (COPIES * ROLLOUT))
    every = max(1, updates // 10)
    for update in range(1, updates + 1):
        practice.run(1)
        if update % every == 0 or update == updates:
            spent = time.perf_counter() - start
            found = 100 * practice.examine(EXAM)
            log.append((update * COPIES * ROLLOUT, spent, found))
            sys.stderr.write(f"{task.name}, seed {seed}: {log[-1][0]} steps, {spent:.0f} s, {found:.0f} %\n")
            start = time.perf_counter() - spent  # the exam does not count
    return found


def draw(curves: dict[str, list[list[tuple[int, float, float]]]], path: Path) -> None:
    """One line a seed."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(curves), figsize=(4 * len(curves), 3), squeeze=False)
    for axis, (name, lines) in zip(axes[0], curves.items(), strict=True):
        for line in lines:
            axis.plot([point[0] / 1000 for point in line], [point[2] for point in line])
        axis.set(title=name, xlabel="thousand actions", ylabel="success, %", ylim=(0, 102))
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main() -> None:
    """Train, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    parser.add_argument("--only", default="", help="tasks whose name holds this")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds")
    parser.add_argument("--picture", type=Path, help="where to draw the curves")
    asked = parser.parse_args()
    rows, curves = [], {}
    for task in TASKS:
        if asked.only not in task.name:
            continue
        lines: list[list[tuple[int, float, float]]] = []
        for seed in range(asked.seeds):
            lines.append([])
            found = learn(task, seed, task.steps // (10 if asked.quick else 1), lines[-1])
            spent = lines[-1][-1][1]
            work = f"{task.name}, seed {seed}, {lines[-1][-1][0] / 1000:.0f} k actions in {spent:.0f} s"
            rows.append(Row(work, "at least", task.bar, found, "% success", 1.0))
        curves[task.name] = lines
    show(rows, as_json=asked.json)
    if asked.picture:
        draw(curves, asked.picture)


if __name__ == "__main__":
    main()
