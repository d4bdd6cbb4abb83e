"""The pure problem's state and its rules.

Signatures, starts, working until something ends, the earliest completion.

Axes: J activities, K trades, N seats.
"""

from __future__ import annotations

import numpy as np

from arenas.construction.features import ALL
from arenas.construction.record import ACTIVITIES, MATERIALS, PROJECT, TRADES
from arenas.jit import compiled

SEATS, SLOTS, AHEAD = 16, 16, 4
"""The most seats and slots; days of weather that are known to the kernel: today and three ahead."""

WAITING, RUNNING, DONE = range(3)
CAREFUL, NORMAL, OVERTIME = range(3)
NONE = -1

WORLD = np.dtype(
    [
        ("project", PROJECT),
        ("rng", np.uint64, (1,)),
        *(
            (name, np.int64)
            for name in (
                "step",
                "day",
                "over",
                "live",
                "done",
                "ready_count",
                "running_count",
                "bound",
                "due",
            )
        ),
        ("status", np.int8, (ACTIVITIES,)),
        ("start", np.int16, (ACTIVITIES,)),
        ("finish", np.int16, (ACTIVITIES,)),
        ("since", np.int16, (ACTIVITIES,)),
        ("missing", np.int16, (ACTIVITIES,)),
        ("end", np.int16, (ACTIVITIES,)),
        ("signed", np.uint8, (ACTIVITIES,)),
        ("wanted", np.uint8, (ACTIVITIES,)),
        ("mode", np.int8, (ACTIVITIES,)),
        ("lead", np.int8, (ACTIVITIES, TRADES)),
        ("remaining", np.float64, (ACTIVITIES,)),
        ("rework", np.int8, (ACTIVITIES,)),
        ("defects", np.float64, (ACTIVITIES,)),
        ("pace", np.float64, (ACTIVITIES,)),
        ("ready", np.int16, (ACTIVITIES,)),
        ("running", np.int16, (ACTIVITIES,)),
        ("free", np.int16, (TRADES,)),
        ("work", np.float64, (TRADES,)),
        ("open", np.int16, (TRADES,)),
        ("slot", np.int16, (TRADES, SLOTS)),
        ("slots", np.int16, (TRADES,)),
        ("alive", np.uint8, (SEATS,)),
        ("leaving", np.uint8, (SEATS,)),
        ("own", np.float64, (SEATS,)),
        ("account", np.float64, (SEATS,)),
        ("tired", np.float64, (SEATS,)),
        ("hours", np.float64, (SEATS,)),
        ("crew_over", np.uint8, (SEATS,)),
        ("crew_busy", np.uint8, (SEATS,)),
        ("helps", np.int16, (SEATS,)),
        ("helped", np.int8, (ACTIVITIES,)),
        ("built", np.int16, (TRADES,)),
        ("agency", np.uint8, (TRADES,)),
        ("gone", np.int16, (TRADES,)),
        ("out", np.int16, (TRADES, 4, 2)),
        ("broken", np.int16, (TRADES,)),
        ("sky", np.int8, (AHEAD,)),
        ("forecast", np.int8, (AHEAD,)),
        ("stock", np.float64, (MATERIALS,)),
        ("price", np.float64, (MATERIALS,)),
        ("transit", np.float64, (MATERIALS, 4, 2)),
        ("ordered", np.uint8, (MATERIALS,)),
        ("ledger", np.float64, (MATERIALS, 4)),
        *(
            (name, np.float64)
            for name in ("cash", "cost", "earned", "paid", "units", "points", "worker_days", "outlook")
        ),
        *(
            (name, np.int64)
            for name in ("briefed", "stopped", "incidents", "reworks", "breakdowns", "calendar")
        ),
        *((name, np.int64) for name in ("sky_at", "overrun", "wet_days", "left_early", "finished", "told")),
        ("stale", np.int64),
        ("moved", np.int64),
        ("shown", np.int16, (TRADES,)),
        ("startable", np.uint8, (ACTIVITIES,)),
        ("own_ready", np.int16, (TRADES,)),
        ("own_startable", np.int16, (TRADES,)),
        ("commands", np.uint8, (SEATS,)),
        ("table", np.float32, (ACTIVITIES, ALL)),
    ],
    align=True,
)
"""One copy. due: the day when it should be done. since: when an activity became ready. end.

Its earliest end as things
stand; bound: that of the whole; outlook: the same, with the trades' loads. signed: trades that signed it
today, as bits; wanted: those that must. lead: who signed for each trade. work: unit-days that are left of a
trade; open: activities. out: (units, days) of workers that are hurt. helps:
the activity that a crew helps in today; helped: by how many. transit: (units, days) of orders.
ledger: units that came in, were used, spoiled, and were turned away. stale: what a site shows to all has
changed; moved: more than signatures has changed; shown: rows of slots that observations hold. startable: of
the ready list's places; own_ready, own_startable: a trade's; commands: whether a crew may give one; table:
what slots show of each activity, kept from round to round.
"""


@compiled
def begin(world: np.void, rules: np.void) -> None:
    """Nothing is built; the project is in `world["project"]`; all foremen are there whose trade is needed."""
    project = world["project"]
    jobs = project["jobs"]
    world["step"] = world["day"] = world["over"] = world["done"] = 0
    world["ready_count"] = world["running_count"] = 0
    for trade in range(TRADES):
        world["free"][trade] = project["capacity"][trade]
        world["work"][trade] = 0.0
        world["open"][trade] = world["slots"][trade] = world["built"][trade] = 0
        world["agency"][trade] = 0
    for job in range(jobs):
        world["status"][job] = WAITING
        world["start"][job] = world["finish"][job] = NONE
        world["signed"][job] = world["wanted"][job] = world["rework"][job] = 0
        world["mode"][job] = NORMAL
        world["remaining"][job] = project["duration"][job]
        world["missing"][job] = project["before_at"][job + 1] - project["before_at"][job]
        for trade in range(project["trades"]):
            demand = project["demand"][job, trade]
            if demand > 0:
                world["wanted"][job] |= 1 << trade
                world["open"][trade] += 1
                world["work"][trade] += project["duration"][job] * demand
    world["live"] = 0
    world["points"] = 0.0
    for seat in range(SEATS):
        trade = seat // rules["crews"]
        here = trade < project["trades"] and seat < rules["seats"] and world["open"][trade] > 0
        world["alive"][seat] = here
        world["leaving"][seat] = 0
        world["live"] += here
        world["own"][seat] = 0.0
    for job in range(jobs):
        if world["missing"][job] == 0:
            make_ready(world, job)
    start_unstaffed(world)
    world["bound"] = earliest_completion(world)
    world["outlook"] = outlook(world)
    world["due"] = int(np.ceil(rules["deadline"] * project["critical"]))


@compiled
def make_ready(world: np.void, job: int) -> None:
    """Put an activity whose predecessors are done into the list, which stays in order of latest finish."""
    world["since"][job] = world["day"]
    at = world["ready_count"]
    ready = world["ready"]
    while at > 0 and ready[at - 1] > job:
        ready[at] = ready[at - 1]
        at -= 1
    ready[at] = job
    world["ready_count"] += 1


@compiled
def fits(world: np.void, job: int) -> bool:
    """Whether the units that it needs are free; where many are hurt fewer than none can be."""
    project = world["project"]
    fit = True
    for trade in range(project["trades"]):
        demand = project["demand"][job, trade]
        fit &= demand <= max(world["free"][trade], 0)
    return fit


@compiled
def start(world: np.void, job: int) -> None:
    """Take it from the ready list and set it to work; one that takes no time is done at once."""
    project, ready = world["project"], world["ready"]
    at = 0
    while ready[at] != job:
        at += 1
    for i in range(at, world["ready_count"] - 1):
        ready[i] = ready[i + 1]
    world["ready_count"] -= 1
    for trade in range(project["trades"]):
        world["free"][trade] -= project["demand"][job, trade]
    world["status"][job] = RUNNING
    world["moved"] = 1
    world["end"][job] = world["day"] + int(np.ceil(world["remaining"][job]))
    if world["start"][job] == NONE:
        world["start"][job] = world["day"]
    world["running"][world["running_count"]] = job
    world["running_count"] += 1
    if world["remaining"][job] <= 0:
        complete(world, world["running_count"] - 1)


@compiled
def complete(world: np.void, at: int) -> None:
    """The at-th running activity is done: units are free, successors may be ready."""
    project, job = world["project"], world["running"][at]
    release(world, at)
    world["status"][job], world["finish"][job] = DONE, world["day"]
    world["done"] += 1
    for trade in range(project["trades"]):
        if project["demand"][job, trade] > 0:
            world["open"][trade] -= 1
            world["built"][trade] += 1
    for i in range(project["after_at"][job], project["after_at"][job + 1]):
        after = project["after"][i]
        world["missing"][after] -= 1
        if world["missing"][after] == 0:
            make_ready(world, after)


@compiled
def release(world: np.void, at: int) -> None:
    """Take the at-th running activity off the list and give its units back."""
    project, running = world["project"], world["running"]
    job = running[at]
    for i in range(at, world["running_count"] - 1):
        running[i] = running[i + 1]
    world["running_count"] -= 1
    for trade in range(project["trades"]):
        world["free"][trade] += project["demand"][job, trade]


@compiled
def start_unstaffed(world: np.void) -> None:
    """Activities that need no foreman's signature start by themselves."""
    at = 0
    while at < world["ready_count"]:
        job = world["ready"][at]
        if world["wanted"][job] == 0 and fits(world, job):
            start(world, job)
            at = 0
        else:
            at += 1


@compiled
def work_on(world: np.void) -> None:
    """Work until the next activity is done.

    A site where all passed and nothing runs starts the most urgent one.
    """
    if world["running_count"] == 0:
        start(world, world["ready"][0])
    if world["running_count"] == 0:
        return
    project, running = world["project"], world["running"]
    days = world["remaining"][running[0]]
    for at in range(1, world["running_count"]):
        days = min(days, world["remaining"][running[at]])
    world["day"] += int(days)
    for at in range(world["running_count"]):
        job = running[at]
        world["remaining"][job] -= days
        for trade in range(project["trades"]):
            world["work"][trade] -= days * project["demand"][job, trade]
    at = 0
    while at < world["running_count"]:
        if world["remaining"][running[at]] <= 0:
            complete(world, at)
            at = 0
        else:
            at += 1
    for at in range(world["ready_count"]):
        world["signed"][world["ready"][at]] = 0
    start_unstaffed(world)


@compiled
def earliest_completion(world: np.void) -> int:
    """The day when all would be done if from now on there were units without end; dates what runs.

    All that is left to do is ready, runs, or follows something that does.
    """
    project, day = world["project"], world["day"]
    bound = day
    for at in range(world["running_count"]):
        job = world["running"][at]
        world["end"][job] = day + int(np.ceil(world["remaining"][job]))
        bound = max(bound, world["end"][job] + project["tail"][job] - project["duration"][job])
    for at in range(world["ready_count"]):
        job = world["ready"][at]
        end = day + int(np.ceil(world["remaining"][job]))
        bound = max(bound, end + project["tail"][job] - project["duration"][job])
    return int(bound)


@compiled
def outlook(world: np.void) -> float:
    """The earliest completion, but no earlier than every trade needs for the work that is left to it."""
    project = world["project"]
    latest = float(world["bound"])
    for trade in range(project["trades"]):
        if project["capacity"][trade] > 0:
            latest = max(latest, world["day"] + world["work"][trade] / project["capacity"][trade])
    return latest
