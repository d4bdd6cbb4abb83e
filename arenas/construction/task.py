"""What foremen see and may do in the pure problem: observation, mask. Axes.

N seats, O observation, A choices, F features.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.construction.record import TRADES
from arenas.construction.slots import DAYS, FEATURES, FREE_SHARE, SHARE, SIGNED
from arenas.construction.world import DONE
from arenas.jit import compiled, inlined

GENERAL = (
    "free",
    "load",
    "most_load",
    "mean_load",
    "mean_free",
    "left",
    "own_open",
    "own_startable",
    "own_ready",
    "own_pending",
    "pending",
    "running",
    "next_end",
    "own_next_end",
    "to_go",
    "late",
    "own_later_load",
    "wait_forecast",
)
"""What a foreman sees beside its slots, in order."""
HEAD = len(GENERAL)


@inlined
def write_general(world: np.void, startable_X: NDArray[np.bool_], general_O: NDArray[np.float32]) -> None:
    """The part that is the same for all trades."""
    project, day = world["project"], world["day"]
    to_go = max(world["bound"] - day, 1)
    most, total, free = 0.0, 0.0, 0.0
    for trade in range(project["trades"]):
        capacity = max(project["capacity"][trade], 1)
        load = world["work"][trade] / (capacity * to_go)
        most = max(most, load)
        total += load
        free += world["free"][trade] / capacity
    general_O[2] = most
    general_O[3] = total / project["trades"]
    general_O[4] = free / project["trades"]
    general_O[5] = 1.0 - world["done"] / project["jobs"]
    general_O[11] = world["running_count"] / DAYS
    next_end = world["bound"]
    for at in range(world["running_count"]):
        next_end = min(next_end, world["end"][world["running"][at]])
    general_O[12] = (next_end - day) / DAYS
    general_O[14] = to_go / project["critical"] if project["critical"] > 0 else 0.0
    general_O[15] = world["bound"] / project["critical"] - 1.0 if project["critical"] > 0 else 0.0
    pending = 0
    for at in range(world["ready_count"]):
        pending += world["signed"][world["ready"][at]] > 0 and startable_X[at]
    general_O[10] = pending / 4.0


@inlined
def write_own(
    world: np.void,
    trade: int,
    rows: int,
    startable_X: NDArray[np.bool_],
    general_O: NDArray[np.float32],
    table_XF: NDArray[np.float32],
    observation_NO: NDArray[np.float32],
    seat: int,
) -> None:
    """What a trade sees: `general_O` and its own load, then so many rows of slots, the last ones empty."""
    project = world["project"]
    for i in range(HEAD):
        observation_NO[seat, i] = general_O[i]
    capacity = max(project["capacity"][trade], 1)
    to_go = max(world["bound"] - world["day"], 1)
    observation_NO[seat, 0] = world["free"][trade] / capacity
    observation_NO[seat, 1] = world["work"][trade] / (capacity * to_go)
    observation_NO[seat, 6] = world["open"][trade] / DAYS
    mine, startable, ready = 0, 0, 0
    for at in range(world["ready_count"]):
        job = world["ready"][at]
        own = project["demand"][job, trade] > 0
        ready += own
        startable += own and startable_X[at]
        mine += ((world["signed"][job] >> trade) & 1) > 0 and startable_X[at]
    observation_NO[seat, 7], observation_NO[seat, 8] = startable / DAYS, ready / DAYS
    observation_NO[seat, 9] = mine / 4.0
    own_next = world["bound"]
    later = 0.0
    for at in range(world["running_count"]):
        job = world["running"][at]
        if project["demand"][job, trade] > 0:
            own_next = min(own_next, world["end"][job])
            later += project["share"][job, trade] * world["remaining"][job]
    observation_NO[seat, 13] = (own_next - world["day"]) / DAYS
    observation_NO[seat, 16] = later / DAYS
    _write_rows(world, trade, rows, startable_X, table_XF, observation_NO, seat)


@inlined
def _write_rows(
    world: np.void,
    trade: int,
    rows: int,
    startable_X: NDArray[np.bool_],
    table_XF: NDArray[np.float32],
    observation_NO: NDArray[np.float32],
    seat: int,
) -> None:
    """A trade's slots: the features that all see, and its own."""
    project, base = world["project"], HEAD
    for slot in range(rows):
        if slot >= world["slots"][trade]:
            for i in range(FEATURES):
                observation_NO[seat, base + i] = 0.0
        else:
            at = world["slot"][trade, slot]
            job = world["ready"][at]
            for i in range(FEATURES):
                observation_NO[seat, base + i] = table_XF[at, i]
            observation_NO[seat, base + SIGNED] = (world["signed"][job] >> trade) & 1
            demand = project["demand"][job, trade]
            observation_NO[seat, base + SHARE] = project["share"][job, trade]
            observation_NO[seat, base + FREE_SHARE] = (
                demand / max(world["free"][trade], 1) if startable_X[at] else 2.0
            )
        base += FEATURES


@inlined
def write_mask(
    world: np.void,
    trade: int,
    rows: int,
    modes: int,
    startable_X: NDArray[np.bool_],
    mask_NA: NDArray[np.uint8],
    seat: int,
) -> bool:
    """Each startable activity that the trade has not signed today is legal, of so many rows.

    Returns if there is one.
    """
    some = False
    for slot in range(rows):
        legal = False
        if slot < world["slots"][trade]:
            at = world["slot"][trade, slot]
            signed = (world["signed"][world["ready"][at]] >> trade) & 1
            legal = startable_X[at] and signed == 0
        some = some or legal
        for mode in range(modes):
            mask_NA[seat, 1 + slot * modes + mode] = legal
    return some


@compiled
def write_blueprint(world: np.void, jobs: int, out_O: NDArray[np.float32], base: int, first: bool) -> None:
    """Capacities, the day.

    For each activity number, state, days left, start, days, demands, and who comes after.
    """
    project = world["project"]
    for trade in range(TRADES):
        out_O[base + trade] = project["capacity"][trade]
    base += TRADES
    out_O[base] = world["day"]
    base += 1
    width = 5 + TRADES + jobs
    for job in range(jobs):
        row = base + job * width
        here = job < project["jobs"]
        out_O[row] = project["number"][job] if here else 0
        out_O[row + 1] = world["status"][job] if here else DONE
        out_O[row + 2] = world["remaining"][job] if here else 0.0
        out_O[row + 3] = world["start"][job] if here else 0.0
        out_O[row + 4] = project["duration"][job] if here else 0.0
        if not first:
            continue
        for trade in range(TRADES):
            out_O[row + 5 + trade] = project["demand"][job, trade] if here else 0.0
        for other in range(jobs):
            out_O[row + 5 + TRADES + other] = 0.0
        if here:
            for i in range(project["after_at"][job], project["after_at"][job + 1]):
                out_O[row + 5 + TRADES + project["after"][i]] = 1.0


def blueprint_size(jobs: int) -> int:
    """How many numbers `write_blueprint` writes."""
    return TRADES + 1 + jobs * (5 + TRADES + jobs)
