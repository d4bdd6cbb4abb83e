"""What follows from a network: order of latest finish, critical path, all successors, loads.

Axes: J activities, K trades, A arcs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.construction.record import ACTIVITIES, MATERIALS, TRADES
from arenas.jit import compiled

_ONE = np.uint64(1)


@compiled
def prepare(shop: np.void, project: np.void) -> bool:
    """Fill `project` from the draft's activities, arcs and capacities; False: there is a circle."""
    if not arrange(shop, project):
        return False
    measure(shop, project)
    return True


@compiled
def arrange(shop: np.void, project: np.void) -> bool:
    """Renumber the draft's activities by (latest finish, number), without what depends on capacities.

    Afterwards a scan in index order is a scan in order of latest finish. False: there is a circle.
    """
    draft, place, source = shop["draft"], shop["place"], shop["source"]
    if not _analyse(draft, shop["count"]):
        return False
    jobs, trades, arcs = draft["jobs"], draft["trades"], draft["arcs"]
    for job in range(jobs):
        key = draft["duration"][job] - draft["tail"][job]
        at = job
        while at > 0:
            other = source[at - 1]
            other_key = draft["duration"][other] - draft["tail"][other]
            if other_key < key or (other_key == key and draft["number"][other] < draft["number"][job]):
                break
            source[at] = other
            at -= 1
        source[at] = job
    for at in range(jobs):
        place[source[at]] = at
    project["jobs"], project["trades"], project["arcs"] = jobs, trades, arcs
    for trade in range(TRADES):
        project["capacity"][trade] = draft["capacity"][trade] if trade < trades else 0
    for at in range(jobs):
        job = source[at]
        project["duration"][at] = draft["duration"][job]
        project["number"][at] = draft["number"][job]
        project["exposure"][at] = draft["exposure"][job]
        project["zone"][at] = draft["zone"][job]
        for trade in range(TRADES):
            project["demand"][at, trade] = draft["demand"][job, trade]
        for material in range(MATERIALS):
            project["material"][at, material] = draft["material"][job, material]
    for arc in range(arcs):
        project["arc"][arc, 0] = place[draft["arc"][arc, 0]]
        project["arc"][arc, 1] = place[draft["arc"][arc, 1]]
    _analyse(project, shop["count"])
    return True


@compiled
def _analyse(project: np.void, missing: NDArray[np.int64]) -> bool:
    """Neighbours, a topological order, heads, tails and the critical path; False where there is a circle."""
    jobs = project["jobs"]
    arcs, after_at, before_at = project["arcs"], project["after_at"], project["before_at"]
    _gather(project["arc"], arcs, jobs, 0, after_at, project["after"], missing)
    _gather(project["arc"], arcs, jobs, 1, before_at, project["before"], missing)
    count = 0
    order = project["order"]
    for job in range(jobs):
        project["head"][job] = 0
        missing[job] = project["before_at"][job + 1] - project["before_at"][job]
        if missing[job] == 0:
            order[count] = job
            count += 1
    critical, at = 0, 0
    while at < count:
        job = order[at]
        at += 1
        end = project["head"][job] + project["duration"][job]
        critical = max(critical, end)
        for i in range(project["after_at"][job], project["after_at"][job + 1]):
            after = project["after"][i]
            project["head"][after] = max(project["head"][after], end)
            missing[after] -= 1
            if missing[after] == 0:
                order[count] = after
                count += 1
    if count < jobs:
        return False
    project["critical"], project["total"] = critical, 0
    for back in range(jobs):
        job = order[jobs - 1 - back]
        longest = 0
        for i in range(project["after_at"][job], project["after_at"][job + 1]):
            longest = max(longest, project["tail"][project["after"][i]])
        project["tail"][job] = longest + project["duration"][job]
        project["total"] += project["duration"][job]
    return True


@compiled
def _gather(
    arc_A2: NDArray[np.int16],
    arcs: int,
    jobs: int,
    end: int,
    at: NDArray[np.int16],
    found: NDArray[np.int16],
    filled: NDArray[np.int64],
) -> None:
    """The other ends of the arcs whose `end` is each activity, in the order of the arcs."""
    for job in range(jobs + 1):
        at[job] = 0
    for arc in range(arcs):
        at[arc_A2[arc, end] + 1] += 1
    for job in range(jobs):
        at[job + 1] += at[job]
        filled[job] = 0
    for arc in range(arcs):
        job = arc_A2[arc, end]
        found[at[job] + filled[job]] = arc_A2[arc, 1 - end]
        filled[job] += 1


@compiled
def measure(shop: np.void, project: np.void) -> None:
    """All successors, GRPW weights, shares and the loads behind each activity."""
    jobs, trades, work_JK = project["jobs"], project["trades"], shop["work"]
    for job in range(jobs):
        project["needs"][job] = 0
        project["most_share"][job] = project["sum_share"][job] = 0.0
        for trade in range(trades):
            share = project["demand"][job, trade] / max(project["capacity"][trade], 1)
            project["share"][job, trade] = share
            work_JK[job, trade] = project["duration"][job] * project["share"][job, trade]
            project["most_share"][job] = max(project["most_share"][job], share)
            project["sum_share"][job] += share
            project["needs"][job] += project["demand"][job, trade] > 0
    reach, words = project["reach"], ACTIVITIES // 64
    for back in range(jobs):
        job = project["order"][jobs - 1 - back]
        for word in range(words):
            reach[job, word] = 0
        weight = int(project["duration"][job])
        for i in range(project["after_at"][job], project["after_at"][job + 1]):
            after = int(project["after"][i])
            weight += project["duration"][after]
            for word in range(words):
                reach[job, word] |= reach[after, word]
            reach[job, after // 64] |= _ONE << np.uint64(after % 64)
        project["weight"][job] = weight
        _weigh_successors(project, job, work_JK, shop["load"])


@compiled
def _weigh_successors(
    project: np.void, job: int, work_JK: NDArray[np.float64], load: NDArray[np.float64]
) -> None:
    """How many come after an activity, and the load of the trade that they load most."""
    behind, trades = 0, project["trades"]
    for trade in range(trades):
        load[trade] = 0.0
    for word in range(ACTIVITIES // 64):
        bits, other = project["reach"][job, word], 64 * word
        while bits:
            if bits & _ONE:
                behind += 1
                for trade in range(trades):
                    load[trade] += work_JK[other, trade]
            bits >>= _ONE
            other += 1
    heaviest = 0.0
    for trade in range(trades):
        heaviest = max(heaviest, load[trade])
    project["behind"][job], project["load_behind"][job] = behind, heaviest
