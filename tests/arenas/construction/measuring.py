"""What the site's calibration is measured by: incidents a worker-year, overtime's output, wet days.

See the data sheet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents import make_policy
from arenas.construction.crews import HAZARD, SPEED
from arenas.construction.crews import rest as rest_crews
from arenas.construction.options import Options, preset, rules
from arenas.construction.weather import WET, next_day
from arenas.construction.world import OVERTIME, WORLD
from marl.policy import Rows
from tests.arenas.construction.driving import attached

YEAR_DAYS = 250
"""Working days of a full-time worker's year."""


@dataclass(frozen=True)
class Runs:
    """Share of wet days and mean length of runs of them."""

    share: float
    length: float


def incident_rate(crew: str, *, scale: float, copies: int, steps: int) -> tuple[float, int]:
    """Incidents per 100 worker-years, brought back to scale 1, and how many were counted."""
    options = preset("site", hazard_scale=scale, weather="none", max_days=365)
    arena, frame, orders = attached(options, copies)
    policy = make_policy(crew, arena.spec)
    role, held = arena.spec.roles[0], frame.roles["foreman"]
    seats = len(role.seats)
    orders.next_B[:] = np.arange(copies)
    orders.seed_B[:] = np.arange(copies)
    arena.step()
    incidents, worker_days = 0, 0.0
    for step in range(steps):
        orders.next_B += copies
        orders.seed_B += np.uint64(copies)
        before = arena._worlds_B[["incidents", "worker_days"]].copy()
        asked = np.flatnonzero(held.acting_BN)
        rows = Rows(
            frame.ticket_B[asked // seats],
            frame.ticket_B[asked // seats].astype(np.uint64),
            (asked % seats).astype(np.int32),
            np.full(len(asked), step, np.int32),
        )
        decided = policy.act(
            role,
            [held.observation[0].reshape(copies * seats, -1)[asked]],
            held.mask_BNA.reshape(copies * seats, -1)[asked],
            np.zeros((len(asked), 0), np.float32),
            rows,
            greedy=True,
        )
        orders.action["foreman"].reshape(-1, 1)[asked] = decided.action_RK
        arena.step()
        same = ~frame.over_B
        incidents += int((arena._worlds_B["incidents"] - before["incidents"])[same].sum())
        worker_days += float((arena._worlds_B["worker_days"] - before["worker_days"])[same].sum())
    return 100 * YEAR_DAYS * incidents / worker_days / scale, incidents


def overtime_turn_weeks(days: int = 120) -> float:
    """Weeks after which a crew on 60 hours has done no more in all than one on 40 hours."""
    world = np.zeros(1, WORLD)[0]
    rule = rules(Options.read("test", preset("site", breakdown_rate=0.0)), 0, 0, 0, 0)[0]
    world["crew_over"][0] = 1
    done = 0.0
    for day in range(1, days + 1):
        done += SPEED[OVERTIME] * (1.0 - world["tired"][0])
        rest_crews(world, rule)
        if done <= day:
            return day / 5
    return float("inf")


def overtime_hazard() -> float:
    """Hazard of overtime over that of normal hours, for rested crews."""
    return float(HAZARD[OVERTIME] / HAZARD[1])


def chain_runs(years: int) -> Runs:
    """Wet days of the chain over many years."""
    rng_1 = np.array([1], np.uint64)
    codes, code = np.zeros(365 * years, np.int8), 0
    for day in range(len(codes)):
        code = codes[day] = next_day(rng_1, day, code)
    return runs_of(codes)


def runs_of(code_D: NDArray[np.int8]) -> Runs:
    """Share and mean run of the wet days among days' codes."""
    wet_D = (code_D & WET) > 0
    starts = int((wet_D[1:] & ~wet_D[:-1]).sum() + wet_D[0])
    return Runs(float(wet_D.mean()), float(wet_D.sum() / max(starts, 1)))
