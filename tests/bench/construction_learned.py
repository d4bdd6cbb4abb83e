"""Crews that learn on generated projects, judged on the 480 real instances of j30.

One greedy pass, and 100 drawn ones.

python tests/bench/construction_learned.py [--quick] [--json]

Needs MARL_DATA. Trains by PPO with the settings of league/presets/construction.toml: three seeds with the
site office's forecast and one without. The peer of a pass is the best single-pass rule, parallel LFT.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[2])  # this folder would hide packages

import numpy as np
import torch

from agents import load_snapshot, make_policy
from agents.scripted.scheduling import makespan, priorities, schedule
from league import read_league, train
from tests.arenas.construction.driving import attached, play, spans
from tests.bench.construction import folder, read
from tests.bench.table import Row, options, show

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

SEEDS = (1, 2, 3)
STEPS, STEPS_ALONE = 4_000_000, 10_000_000
"""Decisions with forecasts, and without, where learning takes longer."""


def trained(seed: int, steps: int, changed: dict[str, Any], out: Path) -> Path:
    """The snapshot of crews trained for so many decisions."""
    preset = read_league("construction")
    return train(
        "construction",
        steps=steps,
        seed=seed,
        out=out,
        options={**preset.options, **changed},
        settings={**preset.learner.settings, "anneal_decisions": steps},
        rollout=preset.learner.rollout,
        pool=preset.pool.model_dump(),
        stages=[{**preset.stages[0].model_dump(), "steps": steps // 10}],
    )


def judged(
    snapshot: Path, data: Path, changed: dict[str, Any], *, rollouts: int, kept: slice
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Deviations in percent of a greedy pass (instances), and of drawn ones (rollouts, instances)."""
    projects, networks, best, critical = read(data, "j30")
    projects, best, critical = projects[kept], best[kept], critical[kept]
    del networks
    seen = {**read_league("construction").options, **changed}
    variants = [{**seen, "project": f"psplib:{data / 'j30' / p.name}.sm"} for p in projects]
    policy = load_snapshot(snapshot, attached(seen, 1)[0].spec)
    greedy = spans(play(policy, seen, variants), critical)
    drawn = [
        spans(play(policy, seen, variants, greedy=False, first_seed=1000 * i), critical)
        for i in range(rollouts)
    ]
    return 100 * (greedy / best - 1), 100 * (np.array(drawn) / best - 1)


def main() -> None:
    """Train, judge, print."""
    torch.set_num_threads(1)
    asked = options(__doc__ or "")
    data = folder()
    if data is None:
        print("left out: no instances (MARL_DATA)")
        return
    kept = slice(None, None, 7 if asked.quick else 1)
    _, networks, best, critical = read(data, "j30")
    lengths = [makespan(plan, schedule(plan, priorities(plan, "lft"))) for plan in networks[kept]]
    rule = 100 * (np.array(lengths) / best[kept] - 1)
    seen = read_league("construction").options
    projects = read(data, "j30")[0][kept]
    variants = [{**seen, "project": f"psplib:{data / 'j30' / p.name}.sm"} for p in projects]
    pilot_B = play(make_policy("pilot", attached(seen, 1)[0].spec), seen, variants)
    pilot = 100 * (spans(pilot_B, critical[kept]) / best[kept] - 1)
    rows = [
        Row("follows the forecast, no learning", "parallel LFT", float(rule.mean()), float(pilot.mean()), "%")
    ]
    runs: list[tuple[int, dict[str, Any]]] = [(seed, {}) for seed in SEEDS] + [(1, {"forecast": False})]
    for seed, changed in runs[: 1 if asked.quick else None]:
        steps = 50_000 if asked.quick else STEPS_ALONE if changed else STEPS
        with tempfile.TemporaryDirectory() as place:
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            snapshot = trained(seed, steps, changed, Path(place) / "run")
            wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
            greedy, drawn = judged(snapshot, data, changed, rollouts=2 if asked.quick else 100, kept=kept)
        less = greedy - rule
        half = 1.96 * less.std(ddof=1) / np.sqrt(len(less))
        seen_by = "no forecast" if changed else "forecast"
        name = f"seed {seed}, {seen_by}, {steps:,} decisions in {wall_s:.0f} s, {cpu_s:.0f} CPU s"
        told = f"parallel LFT; difference {less.mean():.2f} +- {half:.2f}"
        rows.append(Row(f"{name}: greedy", told, float(rule.mean()), float(greedy.mean()), "% over optimum"))
        best_of = float(drawn.min(0).mean())
        rows.append(Row(f"{name}: best of {len(drawn)}", "asked for", 1.40, best_of, "% over optimum"))
        print(f"{name}: {greedy.mean():.2f}, {told}, best of {len(drawn)} {best_of:.2f}", file=sys.stderr)
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
