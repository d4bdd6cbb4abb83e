"""Without noise the site is PSPLIB's problem.

Foremen who share a list make the parallel scheme's schedule, exactly.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agents import make_policy
from agents.scripted.scheduling import PARALLEL, RULES, SERIAL, makespan, priorities, schedule
from arenas.construction.arena import ConstructionBatch
from arenas.construction.project import packed
from arenas.construction.readers import read_projects
from tests.arenas.construction.driving import attached, begin, network, play, random_choice, spans

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)  # numba compiles the kernel in a fresh checkout

SINGLE_PASS = {
    "j30": {
        PARALLEL: {"lft": 4.39, "lst": 4.53, "grpw_all": 4.65, "mts": 5.00, "minslk": 6.72, "spt": 9.82},
        SERIAL: {"lst": 4.92, "grpw_all": 5.28, "lft": 5.58, "mts": 6.56, "minslk": 9.49, "spt": 17.10},
    },
    "j60": {
        PARALLEL: {
            "lft": 17.46,
            "lst": 17.12,
            "grpw_all": 17.55,
            "mts": 17.98,
            "minslk": 20.23,
            "spt": 23.77,
        },
        SERIAL: {"lst": 17.45, "grpw_all": 18.16, "lft": 18.13, "mts": 18.99, "minslk": 23.28, "spt": 33.99},
    },
}
"""Mean % over the optimum (j30), over the critical path (j60): regression values, ties by index."""


def best_known(data_folder: Path) -> dict[str, tuple[int, int]]:
    """Lower and upper bound by instance."""
    with (data_folder / "psplib" / "best_known_rcpsp.csv").open(encoding="utf-8") as file:
        return {row["instance"]: (int(row["lb"]), int(row["ub"])) for row in csv.DictReader(file)}


@pytest.mark.parametrize("family", ["j30", "j60"])
def test_shared_lft_list_is_parallel_scheme_on_all_instances(data_folder: Path, family: str) -> None:
    """On all 480 instances of a set, foremen with one LFT list reproduce parallel SGS, within bounds."""
    folder = data_folder / "psplib" / family
    projects = read_projects(f"psplib:{folder}")
    assert len(projects) == 480
    options = {"activities": int(family[1:]), "slots": 8}
    variants = [{**options, "project": f"psplib:{folder / project.name}.sm"} for project in projects]
    policy = make_policy("lft", ConstructionBatch(options, None).spec)
    networks = [network(project) for project in projects]
    critical_B = np.array([n.critical for n in networks])
    built_B = spans(play(policy, options, variants), critical_B)
    planned_B = np.array([makespan(n, schedule(n, priorities(n, "lft"), PARALLEL)) for n in networks])
    np.testing.assert_array_equal(built_B, planned_B)
    bounds = best_known(data_folder)
    assert all(built >= bounds[p.name][0] for built, p in zip(built_B, projects, strict=True))


@pytest.mark.parametrize("family", ["j30", "j60"])
def test_random_foremen_never_beat_the_lower_bound_nor_idle(data_folder: Path, family: str) -> None:
    """A schedule is never shorter than the known bound, nor longer than all work in turn."""
    folder = data_folder / "psplib" / family
    projects = read_projects(f"psplib:{folder}")
    options = {"activities": int(family[1:])}
    arena, frame, orders = attached(options, len(projects))
    numbers = [arena.add_variant({**options, "project": f"psplib:{folder / p.name}.sm"}) for p in projects]
    begin(arena, orders, range(len(projects)), numbers)
    rng, held = np.random.default_rng(3), frame.roles["foreman"]
    bounds = best_known(data_folder)
    seen = 0
    while (frame.ticket_B >= 0).any():
        orders.action["foreman"][:, :, 0] = random_choice(rng, held.mask_BNA)
        arena.step()
        for copy in np.flatnonzero(frame.over_B):
            project = projects[frame.ended_B[copy]]
            critical = network(project).critical
            length = round(critical * (1 - held.score_BN[copy, 0] / 100))
            assert bounds[project.name][0] <= length <= project.duration_J.sum(), project.name
            seen += 1
    assert seen == 480


@pytest.mark.parametrize("family", ["j30", "j60"])
def test_units_without_end_give_the_critical_path(data_folder: Path, family: str, tmp_path: Path) -> None:
    """Where capacity never binds the makespan is the critical path, exactly, whatever the list."""
    options = {"activities": int(family[1:]), "slots": 16}
    arena, frame, orders = attached(options, 480)
    projects = read_projects(f"psplib:{data_folder / 'psplib' / family}")
    endless = [replace(p, capacity_K=np.full(len(p.capacity_K), 20_000)) for p in projects]
    arena._records_P = np.concatenate([arena._records_P, *[packed(p) for p in endless]])
    for i in range(480):
        arena._projects[f"endless {i}"] = (1 + i, 1)
    numbers = [arena.add_variant({**options, "project": f"endless {i}"}) for i in range(480)]
    begin(arena, orders, range(480), numbers)
    held, seen = frame.roles["foreman"], 0
    while (frame.ticket_B >= 0).any():
        mask_BNA = held.mask_BNA[:, :, 1:]
        orders.action["foreman"][:, :, 0] = np.where(mask_BNA.any(-1), mask_BNA.argmax(-1) + 1, 0)
        arena.step()
        assert (held.score_BN[frame.over_B] == 0).all()
        seen += int(frame.over_B.sum())
    assert seen == 480


@pytest.mark.parametrize("family", ["j30", "j60"])
def test_single_pass_rules_have_their_regression_values(data_folder: Path, family: str) -> None:
    """Every rule under both schemes has the mean deviation on record, to two decimals."""
    projects = read_projects(f"psplib:{data_folder / 'psplib' / family}")
    networks = [network(project) for project in projects]
    bounds = best_known(data_folder)
    lengths = [
        bounds[p.name][1] if family == "j30" else n.critical for p, n in zip(projects, networks, strict=True)
    ]
    reference = np.array(lengths)
    for scheme, values in SINGLE_PASS[family].items():
        for rule, value in values.items():
            made = [makespan(n, schedule(n, priorities(n, rule), scheme)) for n in networks]
            assert round(100 * float((np.array(made) / reference - 1).mean()), 2) == value, (scheme, rule)


def test_every_rule_is_known() -> None:
    """The rules on record are the rules there are, but for first come first served, which has no record."""
    assert set(SINGLE_PASS["j30"][PARALLEL]) == set(SINGLE_PASS["j30"][SERIAL]) <= set(RULES)
