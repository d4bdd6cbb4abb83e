"""Scripted foremen do what their names say: plans come out as planned, pilots beat their list."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import make_policy, scripted_names
from agents.scripted.planning import solve
from agents.scripted.scheduling import PARALLEL, SERIAL, improved, makespan, priorities, sample, schedule
from arenas.construction.options import preset
from arenas.construction.project import unpacked
from marl.errors import SpecError
from marl.testing import check_policy
from tests.arenas.construction.driving import attached, begin, network, play, spans

pytestmark = pytest.mark.timeout(300)  # numba compiles the kernel in a fresh checkout


SEEDS = range(16)
SEEING = {"activities": 12, "slots": 16, "blueprint": True, "forecast": True, "strength_high": 0.5}


def projects(options: dict[str, Any]) -> list[Any]:
    """The networks of the matches that `play` plays."""
    arena, _, orders = attached(options, len(SEEDS))
    begin(arena, orders, SEEDS)
    return [network(unpacked(world["project"], "generated")) for world in arena._worlds_B]


def made(name: str, options: dict[str, Any]) -> tuple[list[Any], list[int]]:
    """Networks, and the makespans that a crew makes of them."""
    plans = projects(options)
    score_B = play(make_policy(name, attached(options, 1)[0].spec), options, [options] * len(SEEDS))
    return plans, spans(score_B, np.array([plan.critical for plan in plans])).tolist()


def test_planned_serial_schedules_are_built_as_planned() -> None:
    """Foremen who share a serial plan build exactly its makespan, though the parallel scheme could not."""
    plans, lengths = made("serial_lst", SEEING)
    planned = [makespan(plan, schedule(plan, priorities(plan, "lst"), SERIAL)) for plan in plans]
    parallel = [makespan(plan, schedule(plan, priorities(plan, "lst"), PARALLEL)) for plan in plans]
    assert lengths == planned
    assert planned != parallel


def test_optimal_foremen_build_the_optimum() -> None:
    """Foremen who plan by CP-SAT build what it proves to be optimal, and nobody is better."""
    pytest.importorskip("ortools")
    plans, lengths = made("optimal", SEEING)
    for plan, length in zip(plans, lengths, strict=True):
        start_J, bound, proven = solve(plan, 10.0)
        assert proven
        assert length == bound == makespan(plan, start_J)
    for name in ("lft", "pilot", "improved", "sampled_plan"):
        assert all(other >= best for other, best in zip(made(name, SEEING)[1], lengths, strict=True)), name


def test_pilots_beat_the_list_that_they_simulate() -> None:
    """Over generated projects the forecast's followers take less time than the LFT list that it rests on."""
    options = {"activities": 30, "slots": 8, "forecast": True, "strength_high": 0.5}
    assert sum(made("pilot", options)[1]) < sum(made("lft", options)[1])


def test_sampling_and_improvement_never_make_a_schedule_worse() -> None:
    """Forward-backward improvement is no longer than what it starts from.

    More samples no longer than fewer.
    """
    for plan in projects(SEEING):
        value_J = priorities(plan, "lft")
        start_J = schedule(plan, value_J, SERIAL)
        assert makespan(plan, improved(plan, start_J)) <= makespan(plan, start_J)
        assert sample(plan, value_J, SERIAL, 200, 1)[0] <= sample(plan, value_J, SERIAL, 20, 1)[0]


def test_plans_and_forecasts_have_to_be_seen() -> None:
    """Planners without a blueprint, and pilots without a forecast, say which option they need."""
    spec = attached({"activities": 12}, 1)[0].spec
    with pytest.raises(SpecError, match="blueprint"):
        make_policy("serial_lft", spec)
    with pytest.raises(SpecError, match="forecast"):
        make_policy("pilot", spec)


def test_rolling_horizon_finishes_sites() -> None:
    """In a site, plans that are made anew each day lead to completion in nearly all matches."""
    options = preset("site", activities=12, blueprint=True, slots=16, crews=1)
    arena, _, _ = attached(options, 1)
    score_B = play(make_policy("serial_lft", arena.spec), options, [options] * 8)
    assert (score_B > 500).sum() >= 7


@pytest.mark.parametrize("name", scripted_names("arenas.construction:ConstructionBatch"))
def test_foremen_keep_the_contract_of_policies(name: str) -> None:
    """Every scripted foreman passes the suite for policies."""
    if name == "optimal":
        pytest.importorskip("ortools")
    options = {"activities": 6, "blueprint": True, "forecast": True}
    check_policy(lambda spec: make_policy(name, spec), "arenas.construction:ConstructionBatch", options)
