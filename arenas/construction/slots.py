"""What each trade can choose among.

Its ready activities, those that can start first, in order of latest finish. `world["table"]` keeps a row of
features for each activity that has been ready, shared by all foremen who see it.
Axes: X place in the ready list, F features, K trades, S slots.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.construction.features import DAYS, FEATURES, FORECAST, PRESENT
from arenas.construction.record import ACTIVITIES, TRADES
from arenas.construction.world import fits
from arenas.jit import compiled, inlined


@inlined
def mark_startable(world: np.void) -> int:
    """Note which places of the ready list hold activities that could start now; returns how many."""
    count = 0
    for at in range(world["ready_count"]):
        can = fits(world, world["ready"][at])
        world["startable"][at] = can
        count += can
    return count


@inlined
def fill_slots(world: np.void, rules: np.void) -> None:
    """Choose the activities of each trade's slots, and count its activities that are ready or can start."""
    slots, trades = rules["slots"], world["project"]["trades"]
    for trade in range(trades):
        world["slots"][trade] = world["own_ready"][trade] = 0
    for can in (1, 0):
        for at in range(world["ready_count"]):
            if world["startable"][at] != can:
                continue
            wanted = world["wanted"][world["ready"][at]]
            for trade in range(trades):
                if not (wanted >> trade) & 1:
                    continue
                count = world["slots"][trade]
                if count < slots:
                    world["slot"][trade, count] = at
                    world["slots"][trade] = count + 1
                world["own_ready"][trade] += 1
        if can:
            for trade in range(trades):
                world["own_startable"][trade] = world["own_ready"][trade]


@inlined
def describe(world: np.void, count: int, by_end_X: NDArray[np.int64]) -> None:
    """Features of every ready activity, but for signatures and those that differ by trade.

    `count`: how many can start; `by_end_X` is scratch.
    """
    project, table, day = world["project"], world["table"], world["day"]
    critical, bound = project["critical"], world["bound"]
    for at in range(world["ready_count"]):
        job = world["ready"][at]
        if table[job, PRESENT] == 0.0:
            _introduce(world, job)
        tail = project["tail"][job]
        latest = critical - tail
        table[job, 1] = world["startable"][at]
        table[job, 4] = world["remaining"][job] / DAYS
        table[job, 5] = (bound - tail - day) / DAYS
        table[job, 7] = (latest - day) / DAYS
        table[job, 8] = (latest + project["duration"][job] - day) / DAYS
        table[job, 19] = table[job, 20] = table[job, 21] = 0.0
        table[job, 22] = (day - world["since"][job]) / DAYS
        table[job, FORECAST] = table[job, FORECAST + 1] = 0.0
    if count > 1:
        _compare(world, by_end_X)


@compiled
def _introduce(world: np.void, job: int) -> None:
    """What never changes of an activity, when it is shown for the first time."""
    project, table = world["project"], world["table"]
    for i in range(FEATURES):
        table[job, i] = 0.0
    table[job, PRESENT] = 1.0
    table[job, 6] = (project["critical"] - project["tail"][job] - project["head"][job]) / DAYS
    table[job, 9] = project["tail"][job] / DAYS
    table[job, 10] = (project["after_at"][job + 1] - project["after_at"][job]) / 3.0
    table[job, 11] = project["behind"][job] / DAYS
    table[job, 12] = project["weight"][job] / DAYS
    table[job, 13] = project["load_behind"][job] / DAYS
    table[job, 14] = project["needs"][job] / TRADES
    table[job, 15] = project["most_share"][job]
    table[job, 16] = project["sum_share"][job]
    table[job, 23] = project["number"][job] / ACTIVITIES


@compiled
def _compare(world: np.void, by_end_X: NDArray[np.int64]) -> None:
    """For each startable activity.

    How many others it excludes, how late it makes one, how late one can make it.

    Lateness is against the latest start by which the earliest completion still holds (after the worst case
    slack rule of Kolisch 1996).
    """
    ready, startable, is_sorted = world["ready"], world["startable"], False
    for at in range(world["ready_count"]):
        if not startable[at]:
            continue
        for other in range(at + 1, world["ready_count"]):
            if startable[other] and _clash(world, ready[at], ready[other]):
                if not is_sorted:
                    _sort_running(world, by_end_X)
                    is_sorted = True
                _press(world, by_end_X, ready[at], ready[other])
                _press(world, by_end_X, ready[other], ready[at])


@inlined
def _clash(world: np.void, first: int, second: int) -> bool:
    """Whether a trade lacks the units for both now; each alone could start."""
    demand = world["project"]["demand"]
    clash = False
    for trade in range(world["project"]["trades"]):
        mine, theirs = demand[first, trade], demand[second, trade]
        clash = clash or (mine > 0 and theirs > 0 and mine + theirs > world["free"][trade])
    return clash


@compiled
def _press(world: np.void, by_end_X: NDArray[np.int64], job: int, rival: int) -> None:
    """Note what it would do to `rival` if `job` started now."""
    table = world["table"]
    begins = _start_after(world, by_end_X, job, rival)
    if begins > world["day"]:
        late = max(0, begins - (world["bound"] - world["project"]["tail"][rival])) / DAYS
        table[job, 19] += 0.2
        table[job, 20] = max(table[job, 20], late)
        table[rival, 21] = max(table[rival, 21], late)


@compiled
def _sort_running(world: np.void, by_end_X: NDArray[np.int64]) -> None:
    """Running activities by their end."""
    end = world["end"]
    for i in range(world["running_count"]):
        job, at = world["running"][i], i
        while at > 0 and end[by_end_X[at - 1]] > end[job]:
            by_end_X[at] = by_end_X[at - 1]
            at -= 1
        by_end_X[at] = job


@compiled
def _start_after(world: np.void, by_end_X: NDArray[np.int64], first: int, second: int) -> int:
    """The earliest day when `second` could start if `first` started now and nothing else did."""
    project, day = world["project"], world["day"]
    first_end = day + int(np.ceil(world["remaining"][first]))
    latest = int(day)
    for trade in range(project["trades"]):
        demand = project["demand"][second, trade]
        if demand == 0:
            continue
        free = world["free"][trade] - project["demand"][first, trade]
        at, began = 0, False
        while free < demand:
            running_end = world["end"][by_end_X[at]] if at < world["running_count"] else first_end + 1
            if not began and (first_end <= running_end):
                free += project["demand"][first, trade]
                latest = max(latest, first_end)
                began = True
            elif at < world["running_count"]:
                free += project["demand"][by_end_X[at], trade]
                latest = max(latest, int(running_end))
                at += 1
            else:
                break
    return int(latest)
