"""The preset `site` beside its sources, and who builds best there: rules, rolling plans, crews that learned.

python tests/bench/construction_site.py [--quick] [--json] [--learned]

The first rows hold the rates against the figures that they are calibrated on. Then every scripted crew plays
the same drawn sites, and with `--learned` three crews trained by PPO on other drawn sites; differences are
paired, site by site, with 95 % intervals. All foremen work by consent, with the office's forecast.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[2])  # this folder would hide packages

import numpy as np
import torch

from agents import load_snapshot, make_policy
from agents.scripted.planning import Planner, optimum
from arenas.construction.options import preset
from arenas.construction.weather import sky_codes
from league import train
from tests.arenas.construction import measuring
from tests.arenas.construction.driving import attached, play
from tests.bench.table import Row, show

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from marl.policy import Policy

SEEDS = (1, 2, 3)
SITES, PLANNED = 400, 40
"""Sites that all crews build; those that CP-SAT plans anew each day, which takes minutes."""
RULES = ("lft", "lst", "mts", "minslk", "spt", "grpw", "fifo", "overtime", "random", "pilot", "helpful")
PLANS = ("serial_lst", "serial_lft", "improved")
OPTIONS = preset("site", consent=True, forecast=True)
STEPS = 4_000_000
SETTINGS: dict[str, Any] = {
    "hidden": [128, 128],
    "lr": 1e-3,
    "lr_end": 0.05,
    "anneal_decisions": STEPS,
    "gamma": 0.995,
    "lam": 0.95,
    "entropy": 0.002,
    "epochs": 3,
    "minibatch": 2048,
    "max_grad_norm": 0.5,
}


def calibration(*, quick: bool) -> list[Row]:
    """Incidents, overtime and wet days beside their sources."""
    copies, steps = (8, 200) if quick else (64, 1500)
    rate, count = measuring.incident_rate("lft", scale=50.0, copies=copies, steps=steps)
    chain, real = measuring.chain_runs(20 if quick else 400), measuring.runs_of(sky_codes("seattle"))
    margin = f"+- {1.96 * rate / max(count, 1) ** 0.5:.2f}"
    return [
        Row(f"incidents, {count} counted, {margin}", "BLS 2023", 2.3, rate, "per 100 worker-years"),
        Row("overtime's hazard", "Dembe et al. 2005", 1.61, measuring.overtime_hazard(), "times"),
        Row("60 hours: all gain gone", "about two months", 8.0, measuring.overtime_turn_weeks(), "weeks"),
        Row("wet days", "Seattle 2012-2015", 100 * real.share, 100 * chain.share, "%"),
        Row("mean run of wet days", "Seattle 2012-2015", real.length, chain.length, "days"),
    ]


def scores(policy: Policy, sites: int, **changed: Any) -> NDArray[np.float64]:  # options
    """Points of each site, all seats played by one policy."""
    options = {**OPTIONS, **changed}
    return play(policy, options, [options] * sites)


def made(name: str, **changed: Any) -> Policy:  # options
    """A scripted crew."""
    return make_policy(name, attached({**OPTIONS, **changed}, 1)[0].spec)


def beside(name: str, points_B: NDArray[np.float64], peer: str, peer_B: NDArray[np.float64]) -> Row:
    """A row: mean points of both on the same sites, and the paired difference with its interval."""
    less = points_B - peer_B[: len(points_B)]
    half = 1.96 * less.std(ddof=1) / np.sqrt(len(less))
    told = f"{peer}; difference {less.mean():.0f} +- {half:.0f}"
    return Row(
        f"{name}, {len(points_B)} sites, {100 * (points_B > 0).mean():.0f} % above 0",
        told,
        float(peer_B[: len(points_B)].mean()),
        float(points_B.mean()),
        "points",
    )


def scripted(*, quick: bool) -> dict[str, NDArray[np.float64]]:
    """Points of all scripted crews on the same sites."""
    sites = 20 if quick else SITES
    found = {name: scores(made(name), sites) for name in RULES}
    for name in PLANS:
        found[f"{name}, each day"] = scores(made(name, blueprint=True), sites, blueprint=True)
    seeing = attached({**OPTIONS, "blueprint": True}, 1)[0].spec
    planner = Planner(seeing, partial(optimum, seconds=0.2))
    found["CP-SAT of 0.2 s, each day"] = scores(planner, 2 if quick else PLANNED, blueprint=True)
    return found


def learned(seed: int, steps: int, out: Path) -> Policy:
    """Crews trained by PPO on drawn sites."""
    snapshot = train(
        "construction",
        steps=steps,
        seed=seed,
        out=out,
        options=OPTIONS,
        settings={**SETTINGS, "anneal_decisions": steps},
        rollout=64,
        pool={"copies": 48, "groups": 1, "hosts": 0},
        stages=[
            {
                "name": "sites",
                "steps": steps // 10,
                "max_tasks": 10,
                "opponents": {"latest": 1.0, "past": 0.0},
            }
        ],
    )
    return load_snapshot(snapshot, attached(OPTIONS, 1)[0].spec)


def main() -> None:
    """Calibrate, play, train, print."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter and rougher")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    parser.add_argument("--learned", action="store_true", help="train crews, too: some ten minutes")
    asked = parser.parse_args()
    rows = calibration(quick=asked.quick)
    found = scripted(quick=asked.quick)
    rows += [beside(name, points_B, "lft", found["lft"]) for name, points_B in found.items()]
    best = max(RULES, key=lambda name: float(found[name].mean()))
    plan = max((name for name in found if name not in RULES), key=lambda name: float(found[name].mean()))
    for seed in SEEDS[: 1 if asked.quick else None] if asked.learned else ():
        steps = 50_000 if asked.quick else STEPS
        with tempfile.TemporaryDirectory() as place:
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            policy = learned(seed, steps, Path(place) / "run")
            wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        for way in ("greedy", "drawn"):
            points_B = play(policy, OPTIONS, [OPTIONS] * len(found["lft"]), greedy=way == "greedy")
            name = f"seed {seed}, {way}, {steps:,} decisions in {wall_s:.0f} s, {cpu_s:.0f} CPU s"
            for peer in ("lft", best, plan):
                rows.append(beside(name, points_B[: len(found[peer])], peer, found[peer]))
                print(rows[-1].work, rows[-1].ours, rows[-1].peer, file=sys.stderr)
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
