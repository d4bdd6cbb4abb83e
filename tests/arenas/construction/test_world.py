"""The pure problem's rules: equal to its slow twin, alone or in a batch, with feasible schedules only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.scripted.scheduling import SERIAL, makespan, priorities, schedule
from arenas.construction.features import FEATURES, PURE
from arenas.construction.options import PRESETS, preset
from arenas.construction.oracle import OracleSite
from arenas.construction.project import unpacked
from arenas.construction.task import HEAD
from arenas.construction.world import DONE
from marl.errors import SpecError, UnknownNameError
from marl.spec import PARKED, Ticket
from tests.arenas.construction.driving import attached, begin, network, random_choice

pytestmark = pytest.mark.timeout(300)  # numba compiles the kernel in a fresh checkout


OPTIONS = {"activities": 12, "activities_low": 4, "strength_low": 0.0}


@given(seed=st.integers(0, 2**31), pass_share=st.floats(0, 0.9))
def test_equals_its_twin_round_by_round(seed: int, pass_share: float) -> None:
    """Slots, masks, days, starts and ends are those of the plain Python twin in every round."""
    arena, frame, orders = attached(OPTIONS, 1)
    begin(arena, orders, [seed])
    world = arena._worlds_B[0]
    twin = OracleSite(unpacked(world["project"], "generated"), 8)
    number_J = world["project"]["number"]
    rng, held = np.random.default_rng(seed), frame.roles["foreman"]
    while frame.ticket_B[0] != PARKED:
        assert world["day"] == twin.day
        for seat in range(4):
            if not held.alive_BN[0, seat]:
                continue
            slots = held.observation[0][0, seat, HEAD:].reshape(8, FEATURES)
            seen = [round(float(number) * 128) for number in slots[slots[:, 0] > 0, PURE.index("number")]]
            options = twin.options(seat)
            assert seen == [n for n, _ in options]
            assert held.mask_BNA[0, seat, 1 : 1 + len(options)].tolist() == [legal for _, legal in options]
        choice = random_choice(rng, held.mask_BNA)[0]
        choice[rng.random(4) < pass_share] = 0
        orders.action["foreman"][0, :, 0] = choice
        twin.step({seat: int(choice[seat]) for seat in range(4) if held.alive_BN[0, seat]})
        arena.step()
    assert twin.over
    jobs = int(world["project"]["jobs"])
    assert {int(number_J[j]): int(world["start"][j]) for j in range(jobs)} == twin.start
    assert {int(number_J[j]): int(world["finish"][j]) for j in range(jobs)} == twin.finish
    excess = 100 * (twin.day - twin.critical) / twin.critical
    assert held.score_BN[0, 0] == pytest.approx(-excess)


@given(seed=st.integers(0, 2**31))
def test_schedules_are_feasible(seed: int) -> None:
    """Whatever foremen do.

    Days are kept, predecessors are done, units suffice each day, and no bound is broken.
    """
    arena, frame, orders = attached(OPTIONS, 1)
    begin(arena, orders, [seed])
    rng, held, reward = np.random.default_rng(seed), frame.roles["foreman"], 0.0
    world = arena._worlds_B[0]
    outlook = float(world["outlook"])
    while frame.ticket_B[0] != PARKED:
        orders.action["foreman"][:, :, 0] = random_choice(rng, held.mask_BNA)
        arena.step()
        reward += held.reward_BN[0].min()  # seats that have left get 0
    project = unpacked(world["project"], "x")
    jobs = len(project.duration_J)
    start_J, finish_J = world["start"][:jobs].astype(int), world["finish"][:jobs].astype(int)
    assert (world["status"][:jobs] == DONE).all()
    np.testing.assert_array_equal(finish_J, start_J + project.duration_J)
    for a, b in project.arc_A2:
        assert start_J[b] >= finish_J[a]
    for day in range(finish_J.max()):
        busy_J = (start_J <= day) & (day < finish_J)
        assert (project.demand_JK[busy_J].sum(0) <= project.capacity_K).all()
    energy = (project.duration_J[:, None] * project.demand_JK).sum(0) / np.maximum(project.capacity_K, 1)
    assert finish_J.max() >= max(network(project).critical, energy.max())
    assert finish_J.max() <= project.duration_J.sum()
    critical = network(project).critical
    assert reward == pytest.approx(-10 * (finish_J.max() - outlook) / critical, abs=1e-9)


@pytest.mark.parametrize("name", list(PRESETS))
def test_batch_equals_single(name: str) -> None:
    """Copy k of a batch plays as a lone copy with its seed does, bit for bit, in every preset."""
    options = preset(name, activities=10) if "activities_low" not in PRESETS[name] else preset(name)
    together, frame, orders = attached(options, 5)
    begin(together, orders, [11, 12, 13, 14, 15])
    alone, lone, lone_orders = attached(options, 1)
    begin(alone, lone_orders, [13])
    rng = np.random.default_rng(0)
    held, lone_held = frame.roles["foreman"], lone.roles["foreman"]
    for _ in range(60):
        if lone.ticket_B[0] == PARKED:
            break
        np.testing.assert_array_equal(held.observation[0][2], lone_held.observation[0][0])
        np.testing.assert_array_equal(held.mask_BNA[2], lone_held.mask_BNA[0])
        choice = random_choice(rng, held.mask_BNA)
        orders.action["foreman"][:, :, 0] = choice
        lone_orders.action["foreman"][:, :, 0] = choice[2]
        together.step()
        alone.step()
        np.testing.assert_array_equal(held.reward_BN[2], lone_held.reward_BN[0])
        assert np.isfinite(held.observation[0]).all()


def test_same_seed_same_match() -> None:
    """A seed is a match: played again with the same choices, all observations are the same.

    Another seed differs.
    """

    def trace(seed: int) -> list[Any]:
        arena, frame, orders = attached(preset("site"), 1)
        begin(arena, orders, [seed])
        rng, seen = np.random.default_rng(1), []
        for _ in range(40):
            held = frame.roles["foreman"]
            seen.append(held.observation[0].tobytes())
            orders.action["foreman"][:, :, 0] = random_choice(rng, held.mask_BNA)
            arena.step()
        return seen

    assert trace(5) == trace(5)
    assert trace(5) != trace(6)


@given(seed=st.integers(0, 2**31))
def test_masked_choices_change_nothing(seed: int) -> None:
    """A choice that the mask forbids is a pass: the world goes on as it does for foremen who pass."""
    arena, frame, orders = attached(OPTIONS, 2)
    begin(arena, orders, [seed, seed])
    held = frame.roles["foreman"]
    for _ in range(10):
        if (frame.ticket_B == PARKED).any():
            break
        illegal = np.where(held.mask_BNA[0] == 0, 1, 0)
        orders.action["foreman"][0, :, 0] = np.where(illegal.any(-1), illegal.argmax(-1), 0)
        orders.action["foreman"][1, :, 0] = 0
        arena.step()
        np.testing.assert_array_equal(held.observation[0][0], held.observation[0][1])
        assert arena._worlds_B[0].tobytes() == arena._worlds_B[1].tobytes()


@given(seed=st.integers(0, 2**31))
def test_serial_schedules_are_active_and_parallel_ones_do_not_delay(seed: int) -> None:
    """No activity of a serial schedule can start earlier alone.

    In a parallel one none that fits ever waits.
    """
    arena, _, orders = attached(OPTIONS, 1)
    begin(arena, orders, [seed])
    project = unpacked(arena._worlds_B[0]["project"], "x")
    plan = network(project)
    for scheme in (SERIAL, 1):
        start_J = schedule(plan, priorities(plan, "lft"), scheme)
        finish_J = start_J + plan.duration_J
        for j in range(len(start_J)):
            before = plan.after_JJ[:, j]
            ready = int(finish_J[before].max(initial=0))
            others = np.arange(len(start_J)) != j
            for day in range(ready, start_J[j]):
                span = range(day, day + int(plan.duration_J[j])) if scheme == SERIAL else range(day, day + 1)
                fits = all(
                    (
                        plan.demand_JK[others & (start_J <= t) & (t < finish_J)].sum(0) + plan.demand_JK[j]
                        <= plan.capacity_K
                    ).all()
                    for t in span
                )
                assert not fits, (scheme, j, day)
        assert makespan(plan, start_J) >= plan.critical


def test_variants_must_fit_the_capacities() -> None:
    """More activities or other slots than the capacity's are refused; unknown presets list the known ones."""
    arena, _, _ = attached({"activities": 12}, 1)
    with pytest.raises(SpecError, match="at most 12"):
        arena.add_variant({"activities": 13})
    with pytest.raises(SpecError, match="slots"):
        arena.add_variant({"activities": 12, "slots": 3})
    with pytest.raises(UnknownNameError, match="site"):
        preset("sight")


def test_trades_leave_when_their_work_is_done() -> None:
    """A foreman whose trade has no work left is terminated, and never alive again in the match."""
    arena, frame, orders = attached({"activities": 12, "factor_low": 0.25, "factor_high": 0.3}, 16)
    begin(arena, orders, list(range(16)))
    rng, held = np.random.default_rng(0), frame.roles["foreman"]
    gone = np.zeros((16, 4), bool)
    early = 0
    while (frame.ticket_B != PARKED).any():
        orders.action["foreman"][:, :, 0] = random_choice(rng, held.mask_BNA)
        arena.step()
        assert not (gone & held.alive_BN).any()
        early += int((held.terminated_BN & ~frame.over_B[:, None]).sum())
        gone |= held.terminated_BN
    assert early > 0


def test_a_copy_goes_on_with_its_next_ticket_in_the_same_step() -> None:
    """Where a match ends the next one begins: last observation of the old, observation of the new."""
    arena, frame, orders = attached({"activities": 5}, 1)
    orders.follow(0, Ticket(0, 3))
    arena.step()
    orders.follow(0, Ticket(1, 4))
    while not frame.over_B[0]:
        mask = frame.roles["foreman"].mask_BNA[:, :, 1:]
        orders.action["foreman"][:, :, 0] = np.where(mask.any(-1), mask.argmax(-1) + 1, 0)
        arena.step()
    assert (frame.ended_B[0], frame.ticket_B[0]) == (0, 1)
    assert frame.roles["foreman"].terminated_BN[0].any()
    assert frame.roles["foreman"].alive_BN[0].any()
