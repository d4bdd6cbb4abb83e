"""How crews work: speed, fatigue, incidents, defects, pay. Calibration: docs/reference/construction.md.

Axes: J activities, K trades, N seats.
"""

from __future__ import annotations

import math

import numpy as np

from arenas.construction.helping import HELPED
from arenas.construction.weather import BAD, WET
from arenas.construction.world import NORMAL, OVERTIME
from arenas.draws import uniform
from arenas.jit import compiled

SPEED = np.array([0.8, 1.0, 1.5])
"""Of careful, normal and overtime work: 12 hours instead of 8."""
PAY = np.array([1.0, 1.0, 2.25])
DEFECTS = np.array([0.3, 1.0, 1.8])
HAZARD = np.array([0.8, 1.0, 1.61])
"""Overtime schedules: 1.61 (Dembe et al. 2005); careful work and DEFECTS are assumptions."""
HOURS = np.array([8.0, 8.0, 12.0])

BASE_HAZARD = 2.3 / 100.0 / 250.0
"""Recordable incidents a worker-day: 2.3 per 100 FTE-years of 250 days (BLS, US construction 2023)."""
TIRES, RESTS, MOST_TIRED = 1.0 / 60.0, 1.0 / 30.0, 0.75
"""Speed lost a day of overtime, regained a day without.

A 60-hour crew falls behind a 40-hour crew in 8 weeks.
"""
WET_HAZARD, BRIEFED_HAZARD, BRIEFED_SPEED = 1.2, 0.8, 0.97
"""Assumptions."""
_ROUNDING = 1e-12
"""1 - exp(-x) <= x, but for rounding: most draws need no exponential."""
LEARNED = 10
"""Activities after which a trade has learned all that it can."""


@compiled
def speed(world: np.void, rules: np.void, job: int) -> float:
    """Days of normal work that an activity gets done today."""
    project = world["project"]
    rate = SPEED[world["mode"][job]] * world["pace"][job]
    tired, crews, learned = 0.0, 0, 0.0
    for trade in range(project["trades"]):
        if project["demand"][job, trade] == 0:
            continue
        if world["broken"][trade] > 0:
            return 0.0
        learned += min(world["built"][trade], LEARNED) / LEARNED
        crews += 1
        if not world["agency"][trade]:
            tired += world["tired"][world["lead"][job, trade]]
    if world["stopped"] > 0:
        return 0.0
    if crews > 0:
        rate *= (1.0 - tired / crews) * (1.0 + rules["learning"] * learned / crews)
    crowd = 0
    for at in range(world["running_count"]):
        crowd += project["zone"][world["running"][at]] == project["zone"][job]
    rate /= 1.0 + rules["congestion"] * (crowd - 1)
    sky = world["sky"][0]
    if sky & BAD:
        rate *= 1.0 - project["exposure"][job]
    elif sky & WET:
        rate *= 1.0 - rules["weather_severity"] * project["exposure"][job]
    if world["briefed"]:
        rate *= BRIEFED_SPEED
    rate *= 1.0 + HELPED * world["helped"][job]
    return float(rate)


@compiled
def hazard(world: np.void, rules: np.void, job: int, trade: int) -> float:
    """Expected incidents today among a trade's workers in an activity."""
    rate = BASE_HAZARD * rules["hazard_scale"] * world["project"]["demand"][job, trade]
    rate *= HAZARD[world["mode"][job]]
    if not world["agency"][trade]:
        rate *= 1.0 + world["tired"][world["lead"][job, trade]]
    if world["sky"][0] & WET:
        rate *= WET_HAZARD
    if world["briefed"]:
        rate *= BRIEFED_HAZARD
    return float(rate)


@compiled
def toil(world: np.void, rules: np.void) -> float:
    """A day of all running activities: work, pay, defects, incidents.

    Returns the incidents that were to be expected.
    """
    project = world["project"]
    risk, expected, cost = 0.0, 0.0, 0.0
    for seat in range(rules["seats"]):
        world["crew_over"][seat] = world["crew_busy"][seat] = 0
    hurt = False
    for at in range(world["running_count"]):
        job = world["running"][at]
        mode = world["mode"][job]
        rate = min(speed(world, rules, job), world["remaining"][job])
        world["remaining"][job] -= rate
        world["defects"][job] += (
            rate / max(project["duration"][job], 1) * rules["defect_rate"] * DEFECTS[mode]
        )
        for trade in range(project["trades"]):
            demand = project["demand"][job, trade]
            if demand == 0:
                continue
            world["work"][trade] -= rate * demand
            world["earned"] += rate * demand
            pay = demand * rules["wage"] * PAY[mode] * (1.5 if world["agency"][trade] else 1.0)
            cost += pay
            lead = world["lead"][job, trade]
            if not world["agency"][trade]:
                world["crew_busy"][lead] = 1
                world["crew_over"][lead] |= mode == OVERTIME
                world["own"][lead] += 1.15 * rate * demand * rules["wage"] - pay
            if world["stopped"] > 0 or world["broken"][trade] > 0:
                continue
            world["worker_days"] += demand
            risk = hazard(world, rules, job, trade)
            expected += risk
            drawn = uniform(world["rng"])
            if drawn < risk + _ROUNDING and drawn < 1.0 - math.exp(-risk):
                hurt = True
                world["incidents"] += 1
                _injure(world, rules, trade, (demand + 1) // 2)
                if not world["agency"][trade]:
                    world["own"][lead] -= 10.0
    world["stopped"] = 0
    if hurt:
        world["stopped"] = 1
    world["cost"] += cost
    world["cash"] -= cost
    return expected


@compiled
def _injure(world: np.void, rules: np.void, trade: int, units: int) -> None:
    """Half of a crew is out for a while; more than four such cases at a time do not add up."""
    for case in range(world["out"].shape[1]):
        if world["out"][trade, case, 1] == 0:
            world["out"][trade, case, 0] = units
            world["out"][trade, case, 1] = rules["incident_days"]
            world["free"][trade] -= units
            return


@compiled
def rest(world: np.void, rules: np.void) -> None:
    """Crews tire or recover; hours of the week; the hurt come back; equipment breaks down and is mended."""
    for seat in range(rules["seats"]):
        change = TIRES * rules["fatigue"] if world["crew_over"][seat] else -RESTS
        world["tired"][seat] = min(max(world["tired"][seat] + change, 0.0), MOST_TIRED)
        if world["day"] % 5 == 0:
            world["hours"][seat] = 0.0
        if world["crew_busy"][seat]:
            world["hours"][seat] += HOURS[OVERTIME] if world["crew_over"][seat] else HOURS[NORMAL]
    for trade in range(world["project"]["trades"]):
        for case in range(world["out"].shape[1]):
            if world["out"][trade, case, 1] > 0:
                world["out"][trade, case, 1] -= 1
                if world["out"][trade, case, 1] == 0:
                    world["free"][trade] += world["out"][trade, case, 0]
        if world["broken"][trade] > 0:
            world["broken"][trade] -= 1
        elif rules["breakdown_rate"] > 0 and uniform(world["rng"]) < rules["breakdown_rate"]:
            world["broken"][trade] = rules["breakdown_days"]
            world["breakdowns"] += 1


@compiled
def leave_insolvent(world: np.void, rules: np.void) -> None:
    """Crews that have lost too much leave.

    A trade without foremen goes on with an agency's workers, at a higher pay.
    """
    crews = rules["crews"]
    for seat in range(rules["seats"]):
        if world["alive"][seat]:
            world["account"][seat] += world["own"][seat]
            if rules["alpha"] < 1.0 and world["account"][seat] < -rules["crew_credit"]:
                world["leaving"][seat] = 1
                world["left_early"] += 1
                _withdraw(world, seat // crews, crews)
    for trade in range(world["project"]["trades"]):
        staffed = False
        for seat in range(trade * crews, (trade + 1) * crews):
            staffed = staffed or (world["alive"][seat] and not world["leaving"][seat])
        world["agency"][trade] = not staffed


@compiled
def _withdraw(world: np.void, trade: int, crews: int) -> None:
    """A crew's units vanish, as far as what is left to do can spare them."""
    project = world["project"]
    need = 0
    for job in range(project["jobs"]):
        if world["status"][job] != 2:
            need = max(need, project["demand"][job, trade])
    spare = max(project["capacity"][trade] - world["gone"][trade] - need, 0)
    units = min(project["capacity"][trade] // crews, spare)
    world["gone"][trade] += units
    world["free"][trade] -= units
