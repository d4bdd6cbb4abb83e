"""A day on a site, and what foremen may do there beside the pure problem.

Axes: D days.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from arenas.construction.crews import rest, toil
from arenas.construction.helping import help_out, pay_helpers, send_home
from arenas.construction.record import MATERIALS, TRADES
from arenas.construction.supply import begin_supply, in_stock, may_order, order, take, turn_supply
from arenas.construction.weather import BAD, WET, begin_sky, turn_sky
from arenas.construction.world import (
    NONE,
    SEATS,
    WAITING,
    complete,
    make_ready,
    release,
    start_unstaffed,
)
from arenas.draws import uniform
from arenas.jit import compiled, inlined

EXPOSED, REWORK, PAYMENT_DAYS, OVERHEAD = 0.5, 0.3, 20, 1.0
"""Exposure from which bad weather forbids a start; share of the days that rework takes.

Days between payments; daily cost.
"""


@compiled
def begin_site(world: np.void, rules: np.void, sky_D: NDArray[np.int8]) -> None:
    """Rested crews, an empty store but for a lot of each, some cash, a first day."""
    for seat in range(SEATS):
        world["tired"][seat] = world["hours"][seat] = world["account"][seat] = 0.0
        world["crew_over"][seat] = world["crew_busy"][seat] = 0
        world["helps"][seat] = NONE
    for trade in range(TRADES):
        world["broken"][trade] = world["gone"][trade] = 0
        for case in range(world["out"].shape[1]):
            world["out"][trade, case, 0] = world["out"][trade, case, 1] = 0
    world["cash"] = 0.1 * rules["budget"]
    world["cost"] = world["earned"] = world["paid"] = world["worker_days"] = world["units"] = 0.0
    world["briefed"] = world["stopped"] = world["incidents"] = world["reworks"] = world["breakdowns"] = 0
    world["overrun"] = world["wet_days"] = world["left_early"] = world["finished"] = world["told"] = 0
    project = world["project"]
    for trade in range(project["trades"]):
        world["units"] += world["work"][trade]
    for job in range(project["jobs"]):
        world["defects"][job], world["pace"][job], world["helped"][job] = 0.0, 1.0, 0
        if rules["duration_noise"] > 0:
            a, b, c = uniform(world["rng"]), uniform(world["rng"]), uniform(world["rng"])
            beta = max(min(a, b), min(max(a, b), c))
            world["pace"][job] = 1.0 / (1.0 + rules["duration_noise"] * (2.0 * beta - 1.0))
    if rules["site"]:
        begin_supply(world, rules)
        begin_sky(world, rules, sky_D)


@inlined
def allowed(world: np.void, rules: np.void, job: int) -> bool:
    """Whether weather, equipment and stock let an activity start."""
    if not rules["site"]:
        return True
    project = world["project"]
    if world["stopped"] > 0 or (world["sky"][0] & BAD and project["exposure"][job] > EXPOSED):
        return False
    for trade in range(project["trades"]):
        if world["broken"][trade] > 0 and project["demand"][job, trade] > 0:
            return False
    return in_stock(world, rules, job)


@compiled
def take_materials(world: np.void, rules: np.void, job: int) -> None:
    """Take what an activity needs from the store."""
    world["stale"] = 1
    take(world, rules, job)


@inlined
def restrict(world: np.void, rules: np.void) -> int:
    """Strike out what is not allowed; returns how many can still start."""
    count = 0
    for at in range(world["ready_count"]):
        can = world["startable"][at] > 0 and allowed(world, rules, world["ready"][at])
        world["startable"][at] = can
        count += can
    return count


@compiled
def command(world: np.void, rules: np.void, seat: int, number: int) -> None:
    """An order of material, a safety briefing for the day, or help for another crew."""
    world["stale"] = 1
    if number < MATERIALS:
        if may_order(world, rules, number):
            order(world, rules, number)
    elif number == MATERIALS:
        world["briefed"] = 1
    else:
        help_out(world, seat, seat // rules["crews"])


@inlined
def work_day(world: np.void, rules: np.void, sky_D: NDArray[np.int8]) -> float:
    """Work for a day, inspect what is finished, and let the night pass. Returns points."""
    world["stale"] = 1
    before = world["earned"]
    expected = toil(world, rules)
    pay_helpers(world, rules)
    send_home(world, rules)
    world["wet_days"] += (world["sky"][0] & WET) > 0
    world["day"] += 1
    points = -rules["safety_weight"] * expected
    points -= rules["quality_weight"] * _inspect(world)
    if world["units"] > 0:
        points += rules["progress_weight"] * (world["earned"] - before) / world["units"]
    if world["day"] > world["due"]:
        points -= rules["late_weight"]
    world["cost"] += OVERHEAD
    world["cash"] -= OVERHEAD
    over = world["done"] == world["project"]["jobs"]
    if (world["day"] % PAYMENT_DAYS == 0 or over) and world["units"] > 0:
        share = world["earned"] / world["units"]
        world["cash"] += rules["budget"] * (share - world["paid"])
        world["paid"] = share
    rest(world, rules)
    turn_supply(world, rules)
    turn_sky(world, rules, sky_D)
    world["briefed"] = 0
    for at in range(world["ready_count"]):
        world["signed"][world["ready"][at]] = 0
    start_unstaffed(world)
    return float(points)


@inlined
def _inspect(world: np.void) -> float:
    """What is finished is done, or has to be done again in part.

    Returns the share of all work that is to be redone.
    """
    project, running = world["project"], world["running"]
    redone, at = 0.0, 0
    while at < world["running_count"]:
        job = running[at]
        if world["remaining"][job] > 1e-9:
            at += 1
            continue
        if world["rework"][job] == 0 and uniform(world["rng"]) < world["defects"][job]:
            release(world, at)
            again = math.ceil(REWORK * project["duration"][job])
            world["status"][job], world["remaining"][job], world["rework"][job] = WAITING, again, 1
            world["signed"][job] = 0
            world["reworks"] += 1
            for trade in range(project["trades"]):
                units = again * project["demand"][job, trade]
                world["work"][trade] += units
                world["earned"] -= units
                redone += units
            make_ready(world, job)
        else:
            complete(world, at)
            at = 0
    return redone / world["units"] if world["units"] > 0 else 0.0


@inlined
def reckon(world: np.void, rules: np.void) -> float:
    """Points of a step that are not of a day's work: incidents, overrun, completion."""
    points = -rules["incident_weight"] * (world["incidents"] - world["told"])
    world["told"] = world["incidents"]
    if world["cost"] > rules["budget"] and not world["overrun"]:
        world["overrun"] = 1
        points -= rules["overrun_weight"]
    if world["done"] == world["project"]["jobs"] and not world["finished"]:
        world["finished"] = 1
        points += rules["completion_weight"]
        points += rules["late_weight"] * max(world["due"] - world["day"], 0)
    return float(points)
