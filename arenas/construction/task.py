"""What foremen see in the pure problem: load and freedom, the slots, the whole network. Axes.

N seats, O observation, F features.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.construction.features import ALL, DAYS, FEATURES, FREE_SHARE, SHARE
from arenas.construction.record import TRADES
from arenas.construction.world import DONE
from arenas.jit import compiled, inlined, move

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
OWN_PENDING, PENDING = GENERAL.index("own_pending"), GENERAL.index("pending")


@inlined
def write_general(world: np.void, general_O: NDArray[np.float32]) -> None:
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


@inlined
def write_own(world: np.void, trade: int, general_O: NDArray[np.float32]) -> None:
    """The rest of the head, and the rows of the trade's slots, but for signatures."""
    project = world["project"]
    capacity = max(project["capacity"][trade], 1)
    to_go = max(world["bound"] - world["day"], 1)
    general_O[0] = world["free"][trade] / capacity
    general_O[1] = world["work"][trade] / (capacity * to_go)
    general_O[6] = world["open"][trade] / DAYS
    general_O[7] = world["own_startable"][trade] / DAYS
    general_O[8] = world["own_ready"][trade] / DAYS
    own_next, later = world["bound"], 0.0
    for at in range(world["running_count"]):
        job = world["running"][at]
        if project["demand"][job, trade] > 0:
            own_next = min(own_next, world["end"][job])
            later += project["share"][job, trade] * world["remaining"][job]
    general_O[13] = (own_next - world["day"]) / DAYS
    general_O[16] = later / DAYS
    for slot in range(world["slots"][trade]):
        at = world["slot"][trade, slot]
        job, row = world["ready"][at], HEAD + slot * FEATURES
        move(general_O, row, world["table"], job * ALL, FEATURES)
        general_O[row + SHARE] = project["share"][job, trade]
        general_O[row + FREE_SHARE] = (
            project["demand"][job, trade] / max(world["free"][trade], 1) if world["startable"][at] else 2.0
        )


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
