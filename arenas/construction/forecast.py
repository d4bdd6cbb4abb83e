"""What the site office forecasts.

When all would be done if an activity, or nothing, started now and a list ruled from then on.

The list is that of latest finish, under the parallel scheme, with expected durations and no weather: one
simulation for each activity that can start (a pilot, after Duin and Voss 1999). Axes: X places of the ready
list, F features, J activities, K trades.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.construction.features import DAYS, FORECAST
from arenas.construction.record import ACTIVITIES, TRADES
from arenas.construction.world import NONE
from arenas.jit import compiled


@compiled
def write_forecasts(world: np.void, count: int) -> float:
    """Fill the forecast columns: days after the best forecast, and whether it is the best.

    Returns that of waiting. `count`: how many can start.

    Waiting is until the next end, in tens of days after the best; where nothing runs there is nothing to wait
    for.
    """
    if count == 0:
        return 0.0
    ready, table, best = world["ready"], world["table"], 1 << 30
    for at in range(world["ready_count"]):
        if world["startable"][at]:
            made = simulate(world, ready[at])
            table[ready[at], FORECAST] = made
            best = min(best, made)
    waiting = simulate(world, NONE) if world["running_count"] > 0 else best + int(DAYS)
    best = min(best, waiting)
    for at in range(world["ready_count"]):
        if world["startable"][at]:
            late = (table[ready[at], FORECAST] - best) / DAYS
            table[ready[at], FORECAST] = late
            table[ready[at], FORECAST + 1] = late == 0
    return (waiting - best) / DAYS


@compiled
def simulate(world: np.void, first: int) -> int:  # noqa: C901  # one loop over events
    """The day when all is done if `first` starts now and the list rules from then on.

    NONE: nothing starts before the next end.
    """
    project, day = world["project"], int(world["day"])
    missing, end = np.empty(ACTIVITIES, np.int64), np.empty(ACTIVITIES, np.int64)
    ready, running = np.empty(ACTIVITIES, np.int64), np.empty(ACTIVITIES, np.int64)
    free = np.empty(TRADES, np.int64)
    for trade in range(project["trades"]):
        free[trade] = world["free"][trade]
    for job in range(project["jobs"]):
        missing[job] = world["missing"][job]
    ready_count, running_count = int(world["ready_count"]), int(world["running_count"])
    for at in range(ready_count):
        ready[at] = world["ready"][at]
    for at in range(running_count):
        running[at] = world["running"][at]
        end[running[at]] = world["end"][running[at]]
    waits = first == NONE
    if not waits:
        ready_count = _without(ready, ready_count, first)
        running_count = _set_to_work(world, first, day, free, end, running, running_count)
    while ready_count + running_count > 0:
        at = 0
        while at < ready_count and not waits:
            job = ready[at]
            if _spare(project, job, free):
                ready_count = _without(ready, ready_count, job)
                running_count = _set_to_work(world, job, day, free, end, running, running_count)
            else:
                at += 1
        if running_count == 0:
            return 1 << 20  # not enough units are there, as where many are hurt
        waits = False
        day = end[running[0]]
        for at in range(1, running_count):
            day = min(day, end[running[at]])
        kept = 0
        for at in range(running_count):
            job = running[at]
            if end[job] > day:
                running[kept] = job
                kept += 1
            else:
                ready_count = _finish(project, job, free, missing, ready, ready_count)
        running_count = kept
    return int(day)


@compiled
def _spare(project: np.void, job: int, free_K: NDArray[np.int64]) -> bool:
    """Whether its units are free."""
    fit = True
    for trade in range(project["trades"]):
        demand = project["demand"][job, trade]
        fit = fit and (demand == 0 or demand <= free_K[trade])
    return fit


@compiled
def _without(ready_X: NDArray[np.int64], count: int, job: int) -> int:
    """Take an activity off the list; returns how many are left."""
    at = 0
    while ready_X[at] != job:
        at += 1
    for i in range(at, count - 1):
        ready_X[i] = ready_X[i + 1]
    return count - 1


@compiled
def _set_to_work(
    world: np.void,
    job: int,
    day: int,
    free_K: NDArray[np.int64],
    end_J: NDArray[np.int64],
    running_X: NDArray[np.int64],
    count: int,
) -> int:
    """Start an activity; returns how many run."""
    project = world["project"]
    for trade in range(project["trades"]):
        free_K[trade] -= project["demand"][job, trade]
    end_J[job] = day + int(np.ceil(world["remaining"][job]))
    running_X[count] = job
    return count + 1


@compiled
def _finish(
    project: np.void,
    job: int,
    free_K: NDArray[np.int64],
    missing_J: NDArray[np.int64],
    ready_X: NDArray[np.int64],
    count: int,
) -> int:
    """Give units back and let successors into the list, in its order; returns how many are ready."""
    for trade in range(project["trades"]):
        free_K[trade] += project["demand"][job, trade]
    for i in range(project["after_at"][job], project["after_at"][job + 1]):
        after = project["after"][i]
        missing_J[after] -= 1
        if missing_J[after] == 0:
            place = count
            while place > 0 and ready_X[place - 1] > after:
                ready_X[place] = ready_X[place - 1]
                place -= 1
            ready_X[place] = after
            count += 1
    return count
