"""The site beside the literature and beside peers.

Sampling tables, CP-SAT, steps per second, schedules per second.

python tests/bench/construction.py [--quick] [--json]

The tables of PSPLIB's instances need MARL_DATA (see the data's own README) and are left out without it.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import csv
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[2])  # this folder would hide packages

import numpy as np

from agents.scripted.planning import solve
from agents.scripted.scheduling import PARALLEL, SERIAL, Network, makespan, priorities, sample, schedule
from arenas.construction.options import preset
from arenas.construction.oracle import OracleSite
from arenas.construction.readers import read_projects
from tests.arenas.construction.driving import attached, network, random_choice
from tests.bench.table import Row, in_turns, options, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from arenas.construction.project import Project

PUBLISHED = {
    "j30": {1000: (1.44, 0.83, 1.77, 1.40), 5000: (1.00, 0.53, 1.48, 1.29)},
    "j60": {1000: (15.94, 13.96, 14.89, 13.59)},
}
"""Kolisch and Hartmann 2006, % over the optimum (j30), over the critical path (j60).

Random and LFT, serial; parallel.
"""
WITHIN = {"j30": 0.15, "j60": 0.3}
COLUMNS = (("random", SERIAL), ("lft", SERIAL), ("random", PARALLEL), ("lft", PARALLEL))


def folder() -> Path | None:
    """Where the instances lie, or None."""
    named = os.environ.get("MARL_DATA")
    path = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    return path / "psplib" if (path / "psplib").is_dir() else None


def read(data: Path, family: str) -> tuple[list[Project], list[Network], np.ndarray, np.ndarray]:
    """Projects, networks, best known makespans, critical paths."""
    projects = read_projects(f"psplib:{data / family}")
    with (data / "best_known_rcpsp.csv").open(encoding="utf-8") as file:
        best = {row["instance"]: int(row["ub"]) for row in csv.DictReader(file)}
    networks = [network(p) for p in projects]
    return (
        projects,
        networks,
        np.array([best[p.name] for p in projects]),
        np.array([n.critical for n in networks]),
    )


def sampling(data: Path, *, quick: bool) -> list[Row]:
    """Mean deviations of the best of many sampled schedules, beside the published ones."""
    rows = []
    for family, cells in PUBLISHED.items():
        _, networks, best, critical = read(data, family)
        reference = best if family == "j30" else critical
        kept = slice(None, None, 7 if quick else 1)  # neither 8 nor 10: difficulty has those periods
        for count, published in cells.items():
            if quick and count > 1000:
                continue
            for (rule, scheme), theirs in zip(COLUMNS, published, strict=True):
                found = []
                for i, plan in enumerate(networks[kept]):
                    value_J = priorities(plan, "lft") if rule == "lft" else np.zeros(len(plan.duration_J))
                    found.append(sample(plan, value_J, scheme, count, 7919 * i + 1)[0])
                ours = 100 * float((np.array(found) / reference[kept] - 1).mean())
                name = f"{family} {'serial' if scheme == SERIAL else 'parallel'} {rule}, {count} schedules"
                close = abs(ours - theirs) <= WITHIN[family]
                rows.append(
                    Row(name, f"published, within {WITHIN[family]}: {close}", theirs, ours, "% deviation")
                )
    return rows


def exact(data: Path, *, quick: bool) -> list[Row]:
    """CP-SAT on j30: how many are proven within 10 s, and how many of those differ from the table."""
    _, networks, best, _ = read(data, "j30")
    proven, differ, seconds = 0, 0, []
    kept = range(0, 480, 17 if quick else 1)
    for i in kept:
        began_s = time.perf_counter()
        start_J, _, closed = solve(networks[i], 10.0)
        seconds.append(time.perf_counter() - began_s)
        proven += closed
        differ += closed and makespan(networks[i], start_J) != best[i]
    return [
        Row("j30 proven by CP-SAT within 10 s", "instances tried", len(kept), proven, "instances"),
        Row("j30 proven, other than the table", "allowed", 0.0, differ, "instances"),
        Row("j30 CP-SAT", "-", None, float(np.median(seconds)), "s, median"),
    ]


def stepping(name: str, activities: int, *, seconds: float) -> float:
    """Environment steps per CPU second at 64 copies with random legal choices that are drawn beforehand."""
    arena, frame, orders = attached(preset(name, activities=activities), 64)
    for copy in range(64):
        orders.next_B[copy], orders.seed_B[copy] = copy, copy
    arena.step()
    rng, held = np.random.default_rng(0), frame.roles["foreman"]
    spent, steps = 0.0, 0
    while spent < seconds:
        orders.action["foreman"][:, :, 0] = random_choice(rng, held.mask_BNA)
        orders.seed_B += np.uint64(64)
        orders.next_B += 64
        began_s = time.process_time()
        arena.step()
        spent += time.process_time() - began_s
        steps += 64
    return steps / spent


def twin_stepping(activities: int, *, seconds: float) -> float:
    """Rounds per CPU second of the plain Python twin, with its own random choices."""
    arena, _, orders = attached({"activities": activities}, 1)
    orders.next_B[0] = 0
    arena.step()
    from arenas.construction.project import unpacked

    project = unpacked(arena._worlds_B[0]["project"], "twin")
    rng = np.random.default_rng(0)
    steps, began_s, site = 0, time.process_time(), OracleSite(project, 8)
    while time.process_time() - began_s < seconds:
        if site.over:
            site = OracleSite(project, 8)
        choice = {}
        for trade in range(4):
            legal = [i + 1 for i, (_, may) in enumerate(site.options(trade)) if may]
            choice[trade] = int(rng.choice([0, *legal]))
        site.step(choice)
        steps += 1
    return steps / (time.process_time() - began_s)


def speed(*, quick: bool) -> list[Row]:
    """Steps per CPU second of the kernel, beside what was asked for and beside the twin."""
    seconds = 0.3 if quick else 2.0
    runs = 1 if quick else 3
    rows = []
    for name, activities, asked in (("site", 30, 1e6), ("site", 120, 5e5), ("rcpsp", 30, 1e6)):
        (ours,) = in_turns(runs, lambda n=name, a=activities: stepping(n, a, seconds=seconds))  # type: ignore[misc]
        rows.append(
            Row(f"{name}, {activities} activities, 64 copies", "asked for", asked, ours, "steps/CPU s", 1.0)
        )
    ours, theirs = in_turns(
        runs, lambda: stepping("rcpsp", 30, seconds=seconds), lambda: twin_stepping(30, seconds=seconds)
    )
    rows.append(Row("rcpsp, 30 activities", "plain Python twin", theirs, ours, "steps/CPU s", 20.0))
    return rows


def scheduling(data: Path, *, quick: bool) -> list[Row]:
    """Schedules per CPU second by the parallel scheme on j30, beside what PyPI has."""
    _, networks, _, _ = read(data, "j30")
    networks = networks[:: 17 if quick else 7]
    values = [priorities(plan, "lft") for plan in networks]

    def ours() -> float:
        began_s = time.process_time()
        for plan, value_J in zip(networks, values, strict=True):
            sample(plan, value_J, PARALLEL, 200, 1)
        return 200 * len(networks) / (time.process_time() - began_s)

    def single() -> float:
        began_s = time.process_time()
        for plan, value_J in zip(networks, values, strict=True):
            schedule(plan, value_J, PARALLEL)
        return len(networks) / (time.process_time() - began_s)

    single()
    ours()
    sampled, one = in_turns(1 if quick else 3, ours, single)
    return [
        Row("j30 parallel schedules, sampled", "one call each", one, sampled, "schedules/CPU s"),
        beside_a_peer(data, runs=1 if quick else 5),
    ]


def beside_a_peer(data: Path, *, runs: int) -> Row:
    """Serial schedules by LFT per CPU second, one call each, beside discrete-optimization's compiled one.

    Both get their lists beforehand; all makespans have to be the same.
    """
    work, unit = "j30 serial schedules, one call each", "schedules/CPU s"
    try:
        from discrete_optimization.rcpsp.parser import parse_file
        from discrete_optimization.rcpsp.solution import permutation_do_to_permutation_sgs_fast
    except ImportError:
        return Row(work, "discrete-optimization: not installed", None, None, unit)
    projects, networks, _, _ = read(data, "j30")
    problems = [parse_file(str(data / "j30" / f"{p.name}.sm")) for p in projects[::7]]
    plans = networks[::7]
    values = [priorities(plan, "lft") for plan in plans]
    modes = np.zeros(problems[0].n_jobs, np.int64)
    lists = [
        permutation_do_to_permutation_sgs_fast(problem, np.argsort(value_J, kind="stable"))
        for problem, value_J in zip(problems, values, strict=True)
    ]

    def ours() -> list[int]:
        return [
            makespan(plan, schedule(plan, value_J, SERIAL))
            for plan, value_J in zip(plans, values, strict=True)
        ]

    def theirs() -> list[int]:
        return [
            max(end for _, end in problem.func_sgs(permutation_task=order, modes_array=modes)[0].values())
            for problem, order in zip(problems, lists, strict=True)
        ]

    if ours() != theirs():
        raise AssertionError("not the same work: makespans differ")

    def rate(made: Callable[[], list[int]]) -> float:
        began_s = time.process_time()
        for _ in range(20):
            made()
        return 20 * len(plans) / (time.process_time() - began_s)

    mine, other = in_turns(runs, lambda: rate(ours), lambda: rate(theirs))
    return Row(work, "discrete-optimization", other, mine, unit)


def main() -> None:
    """All tables."""
    asked = options(__doc__ or "")
    rows = speed(quick=asked.quick)
    data = folder()
    if data is not None:
        rows += scheduling(data, quick=asked.quick)
        rows += sampling(data, quick=asked.quick)
        rows += exact(data, quick=asked.quick)
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
