"""What learners reach in the assembly arena: success on matches of other seeds, and the CPU time it takes.

python tests/bench/assembly_learning.py [--quick] [--json] [--only NAME] [--seeds 0 1 2] [--curves FILE]

All arms share one policy, with the settings of agents/presets/assembly. One thread; CPU seconds leave exams
out. The final exam has 100 matches, of MADDPG 200. `--curves` adds to a file that `--picture` draws.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import json
import math
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2])  # this folder would hide packages

from agents.tuned import read_options
from arenas.assembly import preset
from tests.bench.assembly_course import Course
from tests.bench.table import Row, show

PANELS = 4
"""Of a row of the picture."""


Stages = tuple[tuple[tuple[dict[str, Any], ...], int], ...]
"""Options that train side by side, and for how many actions, one after the other."""


@dataclass(frozen=True)
class Task:
    """What is learned, and the bar in percent.

    `shown` > 0: first cloned from so many steps of 16 copies of scripted arms at each of `noises`.
    """

    name: str
    options: dict[str, Any]
    stages: Stages
    bar: float | None = None
    learner: str = "ppo"
    tuned: str = ""
    """The preset of assembly that it starts from; default: the learner's."""
    shown: int = 0
    noises: tuple[float, ...] = (0.0, 0.05, 0.1)
    epochs: int = 40
    explore: float = 0.05
    exams: int = 6
    final: int = 100
    """Matches of the last exam."""
    changed: dict[str, Any] = field(default_factory=dict)
    """Settings that differ from the preset's."""


def simple(name: str, options: dict[str, Any], actions: int, bar: float | None, **more: Any) -> Task:
    """One stage, as it is."""
    return Task(name, options, (((options,), actions),) if actions else (), bar, **more)


def from_home(options: dict[str, Any]) -> dict[str, Any]:
    """S1 as it is trained in: an arm is paid for its own block, matches are short, the solver fast."""
    return {**options, **(read_options("assembly/lift") or {})}


def curriculum(options: dict[str, Any], actions: int) -> Stages:
    """Hands begin on their way to the blocks, then anywhere on it, at last half of them at home."""
    home = from_home(options)
    near, far = {**home, "near": 0.4, "max_steps": 40}, {**home, "near": 0.0, "max_steps": 50}
    parts = (((near,), 3), ((near, far), 5), ((far, home), 7))
    return tuple((starts, actions * part // 15) for starts, part in parts)


MORE_ARMS = {"minibatch": 512, "anneal_decisions": 600_000}
"""Four arms give twice the decisions of two."""
FINE = {"gamma": 0.98, "lr": 1e-4, "target_kl": 0.01, "adapt": True, "warm_up": 8_000, "normalise": False}
"""How PPO goes on from a clone."""

TASKS = (
    simple("classic, 1 KUKA", preset("classic"), 60_000, 95),
    simple("S0 reach 2 cm, 2 arms", preset("reach"), 80_000, 90),
    simple("S0 at discount 0.98", preset("reach"), 80_000, None, changed={"gamma": 0.98}),
    simple("S0 by clipped boxes", preset("reach"), 80_000, None, changed={"box": "clipped"}),
    simple(
        "S0 reach 2 cm, 2 arms, MADDPG",
        preset("reach"),
        400_000,
        None,
        learner="maddpg",
        final=200,
        exams=10,
    ),
    Task("S1 lift, curriculum", preset("s1"), curriculum(preset("s1"), 300_000), 80, exams=12, tuned="lift"),
    Task(
        "S1 lift, no curriculum",
        preset("s1"),
        (((from_home(preset("s1")),), 300_000),),
        80,
        exams=12,
        tuned="lift",
    ),
    Task(
        "S1 lift, 4 arms, curriculum",
        preset("lift", arms=4),
        curriculum(preset("lift", arms=4), 600_000),
        None,
        exams=12,
        tuned="lift",
        changed=MORE_ARMS,
    ),
    simple("S1 lift, cloned", preset("lift"), 0, None, shown=250),
    simple("S4 carry, cloned", preset("carry"), 0, None, shown=300),
    simple("S1 lift, clone that PPO trains on", preset("lift"), 24_576, 80, shown=250, exams=2, changed=FINE),
    simple("S1 lift, the clone's actions without it", preset("lift"), 48_576, None, exams=2, tuned="lift"),
    simple("S1 lift, clone, PPO as usual", preset("lift"), 24_576, None, shown=250, exams=2, explore=0.2),
    simple(
        "S4 carry, clone that PPO trains on", preset("carry"), 24_576, None, shown=300, exams=2, changed=FINE
    ),
    simple("S2 stack, cloned", preset("stack"), 0, None, shown=400),
    simple("S5 insert, cloned", preset("insert"), 0, None, shown=400),
    simple("S2 stack, cloned from more", preset("stack"), 0, None, shown=1600),
    simple("S4 carry, cloned from more", preset("carry"), 0, None, shown=1200),
    simple("S5 insert, cloned from more", preset("insert"), 0, None, shown=1600),
)


def run(task: Task, seed: int, share: float) -> Course:
    """Train, and examine."""
    course = Course(task.name, task.options, seed, task.learner, task.tuned, task.changed)
    if task.shown:
        with tempfile.TemporaryDirectory() as folder:
            steps = max(50, int(task.shown * share))
            matches = course.clone(task.options, steps, task.noises, task.epochs, task.explore, Path(folder))
            print(f"{task.name}, seed {seed}: {matches} matches shown", file=sys.stderr, flush=True)
            if task.stages:
                course.examine(task.options, 50)
    each = max(1, int(share * sum(actions for _, actions in task.stages)) // task.exams)
    for starts, actions in task.stages:
        course.learn(starts, int(actions * share), exam=task.options, each=each)
    course.examine(task.options, task.final)
    return course


def draw(curves: dict[str, dict[str, list[list[float]]]], path: Path) -> None:
    """A panel a task, a line a seed, which the legend names."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = math.ceil(len(curves) / PANELS)
    figure, axes = plt.subplots(rows, PANELS, figsize=(3.6 * PANELS, 2.8 * rows), squeeze=False)
    for axis in axes.flat[len(curves) :]:
        axis.set_axis_off()
    for axis, (name, lines) in zip(axes.flat, sorted(curves.items()), strict=False):
        for seed, points in sorted(lines.items()):
            at = [0, *[p[1] for p in points]], [0, *[p[2] for p in points]]
            axis.plot(*at, marker=".", color=f"C{seed}", label=f"seed {seed}")
        axis.legend(fontsize="small", framealpha=0.6)
        axis.set(xlabel="CPU seconds", ylabel="success, %", ylim=(-2, 102))
        axis.set_title(name, fontsize="medium")
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main() -> None:
    """Train, print, keep the curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the actions")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    parser.add_argument("--only", default="", help="tasks whose name holds this")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="training seeds")
    parser.add_argument("--curves", type=Path, help="JSON to add the curves to")
    parser.add_argument(
        "--picture", type=Path, help="where to draw the curves of that file with more than a point"
    )
    asked = parser.parse_args()
    rows = []
    for task in TASKS:
        for seed in asked.seeds if asked.only in task.name else ():
            course = run(task, seed, 0.1 if asked.quick else 1.0)
            last = course.points[-1]
            work = f"{task.name}, seed {seed}, {last.actions / 1000:.0f} k actions, {last.cpu_s:.0f} s of CPU"
            peer = f"asked for, in {task.final} matches" if task.bar else f"no bar; {task.final} matches"
            rows.append(Row(work, peer, task.bar, last.success, "% success", 1.0 if task.bar else None))
            if asked.curves:
                kept = json.loads(asked.curves.read_text()) if asked.curves.exists() else {}
                kept.setdefault(task.name, {})[str(seed)] = [
                    [p.actions, p.cpu_s, p.success] for p in course.points
                ]
                asked.curves.write_text(json.dumps(kept))
    if rows:
        show(rows, as_json=asked.json)
    if asked.picture:
        kept = json.loads(asked.curves.read_text())
        draw(
            {name: lines for name, lines in kept.items() if len(next(iter(lines.values()))) > 1},
            asked.picture,
        )


if __name__ == "__main__":
    main()
