"""Help for another crew: workers without work of their own speed up another trade's activity for a day."""

from __future__ import annotations

import numpy as np

from arenas.construction.world import NONE
from arenas.jit import compiled, inlined

LENT, HELPED, MOST_HELPERS = 2, 0.15, 2
"""Units that go to help, the speed that they add, crews that can help in an activity at once: assumptions."""


@inlined
def helpable(world: np.void, trade: int) -> int:
    """The most urgent running activity that needs no unit of the trade and has room for helpers, or NONE."""
    if world["free"][trade] < LENT:
        return NONE
    best = NONE
    for at in range(world["running_count"]):
        job = world["running"][at]
        if (
            world["project"]["demand"][job, trade] == 0
            and world["helped"][job] < MOST_HELPERS
            and (best == NONE or job < best)
        ):
            best = job
    return int(best)


@inlined
def may_help(world: np.void, trade: int) -> bool:
    """Whether there is such an activity."""
    some = False
    if world["free"][trade] >= LENT:
        for at in range(world["running_count"]):
            job = world["running"][at]
            some |= ((world["wanted"][job] >> trade) & 1 == 0) & (world["helped"][job] < MOST_HELPERS)
    return some


@compiled
def help_out(world: np.void, seat: int, trade: int) -> None:
    """Lend units to the most urgent activity until the day ends."""
    job = helpable(world, trade)
    if world["helps"][seat] != NONE or job == NONE:
        return
    world["moved"] = 1
    world["helps"][seat] = job
    world["helped"][job] += 1
    world["free"][trade] -= LENT


@compiled
def pay_helpers(world: np.void, rules: np.void) -> None:
    """A day's wages of those who helped; what they did is not theirs."""
    for seat in range(rules["seats"]):
        if world["helps"][seat] != NONE:
            pay = LENT * rules["wage"]
            world["cost"] += pay
            world["cash"] -= pay
            world["own"][seat] -= pay
            world["crew_busy"][seat] = 1


@compiled
def send_home(world: np.void, rules: np.void) -> None:
    """Helpers are back with their trades in the morning."""
    for seat in range(rules["seats"]):
        job = world["helps"][seat]
        if job != NONE:
            world["helped"][job] = 0
            world["helps"][seat] = NONE
            world["free"][seat // rules["crews"]] += LENT
