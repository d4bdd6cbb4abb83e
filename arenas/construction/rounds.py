"""A round of signatures, and the work that follows where nobody signs.

Axes: N seats, A choices, K = 1, D days.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.construction import site
from arenas.construction.crews import leave_insolvent
from arenas.construction.world import (
    earliest_completion,
    fits,
    outlook,
    start,
    start_unstaffed,
    work_on,
)
from arenas.jit import compiled


@compiled
def play(
    world: np.void,
    rules: np.void,
    action_NK: NDArray[np.int32],
    mask_NA: NDArray[np.uint8],
    sky_D: NDArray[np.int8],
) -> float:
    """One round of signatures; where nobody signs, work goes on until somebody can.

    Returns the team's points.
    """
    world["step"] += 1
    done, points = world["done"], 0.0
    for seat in range(rules["seats"]):
        world["own"][seat] = 0.0
        world["leaving"][seat] = 0
    if sign_all(world, rules, action_NK, mask_NA) or (rules["consent"] and _agree(world, rules)):
        world["over"] = world["done"] == world["project"]["jobs"]
        if rules["site"]:
            points += site.reckon(world, rules)
    else:
        world["moved"] = 1
        points += _work(world, rules, sky_D)
        world["bound"] = earliest_completion(world)
        now = outlook(world)
        if world["project"]["critical"] > 0:
            points -= rules["delay_weight"] * (now - world["outlook"]) / world["project"]["critical"]
        world["outlook"] = now
        if rules["site"]:
            points += site.reckon(world, rules)
            leave_insolvent(world, rules)
    if world["done"] != done:
        _demobilise(world, rules)
    return points


@compiled
def _work(world: np.void, rules: np.void, sky_D: NDArray[np.int8]) -> float:
    """A day in a site; in the pure problem until somebody can start something. Returns points."""
    if rules["site"]:
        points = site.work_day(world, rules, sky_D)
        start_signed(world, rules)
        world["over"] = world["done"] == world["project"]["jobs"] or world["day"] >= rules["max_days"]
        return points
    working = True
    while working:
        work_on(world)
        world["over"] = world["done"] == world["project"]["jobs"]
        working = not world["over"] and not _somebody_can(world)
    return 0.0


@compiled
def sign_all(
    world: np.void, rules: np.void, action_NK: NDArray[np.int32], mask_NA: NDArray[np.uint8]
) -> bool:
    """Foremen sign, order and brief; what is signed by all starts. False: nobody did anything."""
    some, crews, modes = False, rules["crews"], rules["modes"]
    choices = 1 + rules["slots"] * modes
    for seat in range(rules["seats"]):
        action = action_NK[seat, 0]
        if action <= 0 or action >= mask_NA.shape[1] or not world["alive"][seat] or not mask_NA[seat, action]:
            continue
        some = True
        if action >= choices:
            site.command(world, rules, seat, action - choices)
            continue
        trade, slot = seat // crews, (action - 1) // modes
        job = world["ready"][world["slot"][trade, slot]]
        if (world["signed"][job] >> trade) & 1:
            continue
        if world["signed"][job] == 0 and modes > 1:
            world["mode"][job] = (action - 1) % modes
        world["signed"][job] |= 1 << trade
        world["lead"][job, trade] = seat
    if some:
        start_signed(world, rules)
    return some


@compiled
def start_signed(world: np.void, rules: np.void) -> None:
    """What all its trades have signed starts, in order of latest finish."""
    at = 0
    while at < world["ready_count"]:
        job = world["ready"][at]
        wanted = world["wanted"][job]
        for trade in range(world["project"]["trades"]):
            if world["agency"][trade]:
                wanted &= ~(1 << trade)
        if wanted & ~world["signed"][job] == 0 and fits(world, job) and site.allowed(world, rules, job):
            _begin_work(world, rules, job)
            at = 0
        else:
            at += 1


@compiled
def _begin_work(world: np.void, rules: np.void, job: int) -> None:
    """Start an activity with its materials, and what follows at once."""
    if rules["site"]:
        site.take_materials(world, rules, job)
    start(world, job)
    start_unstaffed(world)


@compiled
def _agree(world: np.void, rules: np.void) -> bool:
    """Start the most urgent activity that a trade has signed and that can start; False: there is none."""
    for at in range(world["ready_count"]):
        job = world["ready"][at]
        if world["signed"][job] > 0 and fits(world, job) and site.allowed(world, rules, job):
            for trade in range(world["project"]["trades"]):
                if (world["wanted"][job] & ~world["signed"][job]) >> trade & 1:
                    world["lead"][job, trade] = trade * rules["crews"]
            _begin_work(world, rules, job)
            return True
    return False


@compiled
def _somebody_can(world: np.void) -> bool:
    """Whether an activity could start now."""
    some = False
    for at in range(world["ready_count"]):
        some = some or fits(world, world["ready"][at])
    return some


@compiled
def _demobilise(world: np.void, rules: np.void) -> None:
    """Trades with no work left leave."""
    for seat in range(rules["seats"]):
        if world["alive"][seat] and world["open"][seat // rules["crews"]] == 0:
            world["leaving"][seat] = 1
