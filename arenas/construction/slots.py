"""What each trade can choose among.

Its ready activities, those that can start first, in order of latest finish.

`table_XF` keeps one row of features for each ready activity, shared by all foremen who see it.
Axes: X place in the ready list, F features, K trades, S slots.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.construction.record import ACTIVITIES, TRADES
from arenas.construction.world import NONE, fits
from arenas.jit import compiled, inlined

PURE = (
    "present",
    "startable",
    "signed",
    "signed_share",
    "duration",
    "slack",
    "static_slack",
    "latest_start",
    "latest_finish",
    "tail",
    "successors",
    "all_successors",
    "weight",
    "load_behind",
    "needs",
    "most_share",
    "sum_share",
    "share",
    "free_share",
    "excludes",
    "harm",
    "regret",
    "waiting",
    "number",
    "forecast",
    "forecast_best",
)
"""Features of a slot, in their order; days are in tens. See docs/reference/construction.md."""
FEATURES = len(PURE)
SIGNED, SHARE, FREE_SHARE = PURE.index("signed"), PURE.index("share"), PURE.index("free_share")
FORECAST = PURE.index("forecast")
DAYS = 10.0


@inlined
def fill_slots(world: np.void, rules: np.void, startable_X: NDArray[np.bool_]) -> None:
    """Choose the activities of each trade's slots.

    `startable_X` says which places of the ready list can start.
    """
    project, slots = world["project"], rules["slots"]
    for trade in range(project["trades"]):
        count = 0
        for wanted in (True, False):
            for at in range(world["ready_count"]):
                job = world["ready"][at]
                if count < slots and startable_X[at] == wanted and project["demand"][job, trade] > 0:
                    world["slot"][trade, count] = at
                    count += 1
        world["slots"][trade] = count


@inlined
def mark_startable(world: np.void, startable_X: NDArray[np.bool_]) -> int:
    """Which places of the ready list hold activities that could start now; returns how many."""
    count = 0
    for at in range(world["ready_count"]):
        startable_X[at] = fits(world, world["ready"][at])
        count += startable_X[at]
    return count


@inlined
def describe(
    world: np.void, startable_X: NDArray[np.bool_], count: int, table_XF: NDArray[np.float32]
) -> None:
    """Features of every ready activity, but for those that differ by trade."""
    project, day, bound = world["project"], world["day"], world["bound"]
    critical = project["critical"]
    for at in range(world["ready_count"]):
        job, row = world["ready"][at], table_XF[at]
        duration, tail = project["duration"][job], project["tail"][job]
        finish = critical - tail + duration
        signed = 0
        for trade in range(project["trades"]):
            signed += (world["signed"][job] >> trade) & 1
        row[0] = 1.0
        row[1] = startable_X[at]
        row[3] = signed / max(project["needs"][job], 1)
        row[4] = world["remaining"][job] / DAYS
        row[5] = (bound - tail - day) / DAYS
        row[6] = (finish - duration - project["head"][job]) / DAYS
        row[7] = (finish - duration - day) / DAYS
        row[8] = (finish - day) / DAYS
        row[9] = tail / DAYS
        row[10] = (project["after_at"][job + 1] - project["after_at"][job]) / 3.0
        row[11] = project["behind"][job] / DAYS
        row[12] = project["weight"][job] / DAYS
        row[13] = project["load_behind"][job] / DAYS
        row[14] = project["needs"][job] / TRADES
        row[15] = project["most_share"][job]
        row[16] = project["sum_share"][job]
        row[19] = row[20] = row[21] = 0.0
        row[22] = (day - world["since"][job]) / DAYS
        row[23] = project["number"][job] / ACTIVITIES
        row[24] = row[25] = 0.0
    if count > 1:
        _compare(world, startable_X, table_XF)


@compiled
def _compare(world: np.void, startable_X: NDArray[np.bool_], table_XF: NDArray[np.float32]) -> None:
    """For each startable activity.

    How many others it excludes, how late it makes one, how late one can make it.

    Lateness is against the latest start by which the earliest completion still holds (after the worst case
    slack rule of Kolisch 1996).
    """
    project, bound = world["project"], world["bound"]
    by_end = np.empty(ACTIVITIES, np.int64)
    _sort_running(world, by_end)
    for at in range(world["ready_count"]):
        if not startable_X[at]:
            continue
        for other in range(world["ready_count"]):
            if other == at or not startable_X[other]:
                continue
            job, rival = world["ready"][at], world["ready"][other]
            begins = _start_after(world, by_end, job, rival)
            if begins > world["day"]:
                late = max(0, begins - (bound - project["tail"][rival])) / DAYS
                table_XF[at, 19] += 0.2
                table_XF[at, 20] = max(table_XF[at, 20], late)
                table_XF[other, 21] = max(table_XF[other, 21], late)


@compiled
def _sort_running(world: np.void, by_end: NDArray[np.int64]) -> None:
    """Running activities by their end."""
    end = world["end"]
    for i in range(world["running_count"]):
        job, at = world["running"][i], i
        while at > 0 and end[by_end[at - 1]] > end[job]:
            by_end[at] = by_end[at - 1]
            at -= 1
        by_end[at] = job


@compiled
def _start_after(world: np.void, by_end: NDArray[np.int64], first: int, second: int) -> int:
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
            running_end = world["end"][by_end[at]] if at < world["running_count"] else first_end + 1
            if not began and (first_end <= running_end):
                free += project["demand"][first, trade]
                latest = max(latest, first_end)
                began = True
            elif at < world["running_count"]:
                free += project["demand"][by_end[at], trade]
                latest = max(latest, int(running_end))
                at += 1
            else:
                break
    return int(latest)


@compiled
def clear_slots(world: np.void) -> None:
    """Nothing to choose."""
    for trade in range(TRADES):
        world["slots"][trade] = 0
        for slot in range(world["slot"].shape[1]):
            world["slot"][trade, slot] = NONE
