"""What goes on on a site keeps its books, and its rates are those of the sources."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents import make_policy
from arenas.construction.crews import speed
from arenas.construction.helping import HELPED, LENT, MOST_HELPERS
from arenas.construction.options import PRESETS, Options, preset, rules
from arenas.construction.project import packed, unpacked
from arenas.construction.spectator import gantt
from arenas.construction.supply import CAME, SPOILED, USED
from arenas.construction.weather import sky_codes
from arenas.construction.world import DONE, NONE, RUNNING, WAITING
from marl.errors import ConfigError
from marl.spec import PARKED
from tests.arenas.construction.driving import attached, begin, play, random_choice
from tests.arenas.construction.measuring import (
    chain_runs,
    incident_rate,
    overtime_hazard,
    overtime_turn_weeks,
    runs_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from marl.frame import Frame

pytestmark = pytest.mark.timeout(300)  # numba compiles the kernel in a fresh checkout

SMALL = {"activities": 12, "activities_low": 6}


def walk(options: dict[str, Any], seed: int, steps: int) -> Iterator[tuple[np.void, Frame]]:
    """Yield the world and the frame after each random step of a match."""
    arena, frame, orders = attached(options, 1)
    begin(arena, orders, [seed])
    rng, held = np.random.default_rng(seed), frame.roles["foreman"]
    for _ in range(steps):
        if frame.ticket_B[0] == PARKED:
            return
        orders.action["foreman"][:, :, 0] = random_choice(rng, held.mask_BNA)
        arena.step()
        yield arena._worlds_B[0], frame


@given(seed=st.integers(0, 2**31))
@hypothesis_settings(max_examples=15)
def test_material_that_came_was_used_spoiled_or_is_there(seed: int) -> None:
    """For each material: what came in = what was used + what spoiled + what is in stock.

    The store is never overfull.
    """
    options = preset("site", **SMALL, spoilage=0.05)
    for world, _ in walk(options, seed, 150):
        ledger = world["ledger"]
        out = ledger[:, USED] + ledger[:, SPOILED] + world["stock"]
        np.testing.assert_allclose(ledger[:, CAME], out, atol=1e-6)
        assert (world["stock"] >= -1e-9).all()
        assert (world["stock"] <= 120 + 1e-9).all()


@given(seed=st.integers(0, 2**31))
@hypothesis_settings(max_examples=15)
def test_money_and_progress_add_up(seed: int) -> None:
    """Cash = start + payments - costs.

    Work earned grows, but for rework, and equals what is no longer left.
    """
    options = preset("site", **SMALL, defect_rate=0.5)
    earned, reworks = 0.0, 0
    for world, _ in walk(options, seed, 200):
        cash = 150.0 + 1500.0 * world["paid"] - world["cost"]
        assert world["cash"] == pytest.approx(cash)
        assert world["earned"] >= earned - 1e-9 or world["reworks"] > reworks
        earned, reworks = float(world["earned"]), int(world["reworks"])
        assert world["units"] == pytest.approx(earned + world["work"].sum(), abs=1e-6)


@given(seed=st.integers(0, 2**31))
@hypothesis_settings(max_examples=15)
def test_units_are_never_used_twice(seed: int) -> None:
    """Units at work, free, lent, hurt, and of crews that left make up the capacity, always."""
    options = preset("subcontractors", **SMALL, hazard_scale=100.0, crew_credit=5.0)
    for world, _ in walk(options, seed, 200):
        project = world["project"]
        running = world["status"] == RUNNING
        out = np.where(world["out"][:, :, 1] > 0, world["out"][:, :, 0], 0).sum(1)
        lent = LENT * (world["helps"].reshape(8, 2) != NONE).sum(1)
        total = project["demand"][running].sum(0) + world["free"] + out + world["gone"] + lent
        np.testing.assert_array_equal(total, project["capacity"])


@given(seed=st.integers(0, 2**31))
@hypothesis_settings(max_examples=15)
def test_precedence_holds_through_rework(seed: int) -> None:
    """Nothing starts before its predecessors are done, inspected, and done again where it had to be."""
    for world, _ in walk(preset("site", **SMALL, defect_rate=0.8), seed, 200):
        project = world["project"]
        for a, b in project["arc"][: project["arcs"]]:
            if world["status"][b] != WAITING:
                assert world["status"][a] == DONE
                assert world["finish"][a] <= world["start"][b]


def test_only_crews_at_work_have_incidents() -> None:
    """Where nobody works nobody is hurt, at whatever hazard; where they work some are."""
    arena, _, orders = attached(preset("site", hazard_scale=1000.0), 4)
    begin(arena, orders, [1, 2, 3, 4])
    for _ in range(30):
        orders.action["foreman"].fill(0)
        arena.step()
    assert (arena._worlds_B["worker_days"] == 0).all()
    assert (arena._worlds_B["incidents"] == 0).all()
    hurt = sum(
        int(world["told"] > 0)
        for seed in range(4)
        for world, _ in walk(preset("site", hazard_scale=1000.0), seed, 40)
    )
    assert hurt > 0


def test_help_speeds_another_trade_up_and_costs_wages() -> None:
    """Helpers leave their trade for a day and add 15 % each to an activity that needs none of it."""
    helped = 0
    for world, _ in walk(preset("site", **SMALL), 3, 200):
        for seat in np.flatnonzero(world["helps"] != NONE):
            job = world["helps"][seat]
            assert world["project"]["demand"][job, seat // 2] == 0
            assert 1 <= world["helped"][job] <= MOST_HELPERS
            helped += 1
    assert helped > 0
    rule = rules(Options.read("test", preset("site", **SMALL)), 0, 0, 0, 0)[0]
    arena, _, orders = attached(preset("site", **SMALL), 1)
    begin(arena, orders, [3])
    world = arena._worlds_B[0]
    alone = speed(world, rule, 0)
    world["helped"][0] = 2
    assert speed(world, rule, 0) == pytest.approx(alone * (1 + 2 * HELPED))


def test_insolvent_crews_leave_and_others_finish() -> None:
    """Subcontractors that lose their credit are terminated.

    With an agency's workers the others can still finish.
    """
    options = preset("subcontractors", **SMALL, crew_credit=8.0, supply=False)
    arena, frame, orders = attached(options, 16)
    begin(arena, orders, list(range(16)))
    held, rng = frame.roles["foreman"], np.random.default_rng(0)
    left = 0
    for _ in range(600):
        if (frame.ticket_B == PARKED).all():
            break
        orders.action["foreman"][:, :, 0] = random_choice(rng, held.mask_BNA)
        arena.step()
        left += int((held.terminated_BN & ~frame.over_B[:, None]).sum())
    assert (frame.ticket_B == PARKED).all()
    lost_B = arena._worlds_B["left_early"] > 0
    assert (arena._worlds_B["finished"][lost_B] == 1).any()
    assert left > 0


def test_a_site_is_truncated_at_its_last_day() -> None:
    """Foremen who only pass are truncated when the site is closed, not terminated."""
    arena, frame, orders = attached(preset("site", max_days=5), 1)
    begin(arena, orders, [0])
    for _ in range(5):
        orders.action["foreman"].fill(0)
        arena.step()
    held = frame.roles["foreman"]
    assert frame.over_B[0]
    assert held.truncated_BN[0].any()
    assert not held.terminated_BN[0].any()


def test_without_noise_a_site_in_normal_hours_is_the_pure_problem() -> None:
    """With all switched off, LFT foremen finish a site on the day on which they finish the pure project."""
    off = {
        "duration_noise": 0.0,
        "weather": "none",
        "learning": 0.0,
        "congestion": 0.0,
        "defect_rate": 0.0,
        "breakdown_rate": 0.0,
        "supply": False,
        "hazard_scale": 0.0,
        "crews": 1,
        "activities": 12,
    }
    site, frame, orders = attached(preset("site", **off), 8)
    begin(site, orders, list(range(8)))
    pure, pure_frame, pure_orders = attached({"activities": 12}, 8)
    begin(pure, pure_orders, list(range(8)))
    np.testing.assert_array_equal(site._worlds_B["project"], pure._worlds_B["project"])
    for arena, at, given_orders, modes in ((site, frame, orders, 3), (pure, pure_frame, pure_orders, 1)):
        policy = make_policy("lft", arena.spec)
        held, seats = at.roles["foreman"], 4
        from marl.policy import Rows

        while (at.ticket_B != PARKED).any():
            row = np.arange(8 * seats)
            rows = Rows(
                row.astype(np.int64), row.astype(np.uint64), row.astype(np.int32), row.astype(np.int32)
            )
            observation = held.observation[0].reshape(len(row), -1)
            mask = held.mask_BNA.reshape(len(row), -1)
            memory = np.zeros((len(row), 0), np.float32)
            decided = policy.act(arena.spec.roles[0], [observation], mask, memory, rows, greedy=True)
            given_orders.action["foreman"].reshape(-1, 1)[:] = decided.action_RK
            arena.step()
        assert modes in {1, 3}
    np.testing.assert_array_equal(site._worlds_B["day"], pure._worlds_B["day"])
    np.testing.assert_array_equal(site._worlds_B["start"], pure._worlds_B["start"])


@given(seed=st.integers(0, 2**31), order=st.permutations(range(4)))
@hypothesis_settings(max_examples=10)
def test_trades_may_be_called_in_any_order(seed: int, order: list[int]) -> None:
    """The same project with its trades in another order takes as long, under foremen who share a list."""
    arena, _, orders = attached({"activities": 12}, 1)
    begin(arena, orders, [seed])
    project = unpacked(arena._worlds_B[0]["project"], "x")
    other = replace(project, demand_JK=project.demand_JK[:, order], capacity_K=project.capacity_K[order])
    made = []
    for one in (project, other):
        arena, frame, orders = attached({"activities": 12}, 1)
        arena._records_P = np.concatenate([arena._records_P, packed(one)])
        arena._projects["mine"] = (1, 1)
        begin(arena, orders, [0], [arena.add_variant({"activities": 12, "project": "mine"})])
        while frame.ticket_B[0] != PARKED:
            mask = frame.roles["foreman"].mask_BNA[0]
            orders.action["foreman"][0, :, 0] = [1 if mask[seat, 1] else 0 for seat in range(4)]
            arena.step()
        made.append(int(arena._worlds_B[0]["day"]))
    assert made[0] == made[1]


def test_incidents_are_as_rare_as_in_the_statistics() -> None:
    """Without overtime 2.3 incidents per 100 worker-years (within 4 standard errors).

    Overtime 1.61 times as many.
    """
    rate, count = incident_rate("lft", scale=50.0, copies=32, steps=500)
    assert rate == pytest.approx(2.3, rel=0.02 + 4 / np.sqrt(count))
    assert overtime_hazard() == pytest.approx(1.61)


def test_sixty_hours_fall_behind_forty_in_eight_weeks() -> None:
    """The point of no return of overtime lies at 8 weeks, give or take 2."""
    assert 6 <= overtime_turn_weeks() <= 10


def test_wet_days_come_in_runs_as_in_seattle() -> None:
    """Share of wet days and mean length of wet runs of the chain are within 8 % of the four real years."""
    pytest.importorskip("vega_datasets")
    real, chain = runs_of(sky_codes("seattle")), chain_runs(100)
    assert chain.share == pytest.approx(real.share, rel=0.08)
    assert chain.length == pytest.approx(real.length, rel=0.08)


def test_weather_from_a_file_names_the_line_that_does_not_fit(tmp_path: Path) -> None:
    """A bad cell of a weather file is reported with its line."""
    path = tmp_path / "sky.csv"
    path.write_text("date,precipitation,temp_min,wind\na,12,3,2\nb,x,3,2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 3"):
        sky_codes(f"csv:{path}")


def test_exposed_work_stops_on_bad_days(tmp_path: Path) -> None:
    """Under a sky of bad days only, an activity in the open gets nothing done, and may not be started."""
    path = tmp_path / "sky.csv"
    path.write_text("precipitation,temp_min,wind\n20,5,1\n", encoding="utf-8")
    options = preset("stage_weather", **SMALL, weather=f"csv:{path}", max_days=60)
    for world, frame in walk(options, 3, 100):
        running = world["status"] == RUNNING
        assert not (world["project"]["exposure"][running] > 0.5).any()
        assert frame.roles["foreman"].mask_BNA[0, :, 0].all()


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_can_be_played_by_foremen_of_a_list(name: str) -> None:
    """LFT foremen complete a match of every preset, and its view is drawn as a chart."""
    score_B = play(make_policy("lft", attached(preset(name), 1)[0].spec), preset(name), [preset(name)])
    assert np.isfinite(score_B).all()
    arena, _, orders = attached(preset(name), 1)
    begin(arena, orders, [1])
    assert "earliest completion" in gantt(arena.view(0))
