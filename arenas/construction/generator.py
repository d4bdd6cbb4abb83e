"""Projects drawn from a seed, in the manner of ProGen (Kolisch, Sprecher, Drexl 1995).

Network complexity NC: arcs per node, the dummies at both ends counted; resource factor RF: share of the
trades that an activity needs on average; resource strength RS: capacity between the largest demand (0) and
the peak of the earliest-start schedule (1). At most three successors and predecessors an activity; days
1..10, demands 1..10.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from arenas.construction.network import arrange, measure
from arenas.construction.record import ACTIVITIES, LONGEST, MATERIALS, TRADES
from arenas.draws import below, uniform
from arenas.jit import compiled, inlined

_ONE = np.uint64(1)
WORDS = ACTIVITIES // 64
ENDS, DEGREE, UNITS = 3, 3, 10
"""Activities without predecessor (and successor); most neighbours a side; largest demand."""


@compiled
def generate(
    rng_1: NDArray[np.uint64],
    jobs: int,
    trades: int,
    complexity: float,
    factor: float,
    strength: float,
    shop: np.void,
    project: np.void,
) -> None:
    """Draw a project into `project`; `shop` is scratch."""
    draft = shop["draft"]
    draft["jobs"], draft["trades"], draft["arcs"] = jobs, trades, 0
    for job in range(jobs):
        draft["number"][job] = job + 2
        draft["duration"][job] = 1 + below(rng_1, LONGEST)
        draft["exposure"][job] = max(0.0, 1.6 * uniform(rng_1) - 0.6)
        draft["zone"][job] = below(rng_1, 4)
    _draw_network(rng_1, shop, complexity)
    _draw_demands(rng_1, draft, factor)
    for job in range(jobs):
        for material in range(MATERIALS):
            uses = below(rng_1, 3) == 0
            draft["material"][job, material] = draft["duration"][job] * (1 + below(rng_1, 2)) if uses else 0
    arrange(shop, project)
    _set_capacities(project, strength, shop["change"])
    measure(shop, project)


@compiled
def _draw_network(rng_1: NDArray[np.uint64], shop: np.void, complexity: float) -> None:
    """A predecessor for later activities, a successor for earlier ones, then arcs that add something."""
    draft, after, before = shop["draft"], shop["after"], shop["before"]
    jobs = draft["jobs"]
    for job in range(jobs):
        after[job] = before[job] = 0
        for word in range(WORDS):
            shop["direct"][job, word] = shop["follows"][job, word] = shop["leads"][job, word] = 0
    ends = min(ENDS, jobs)
    for job in range(ends, jobs):
        _try_arc(shop, _pick(rng_1, after, 0, job), job)
    for job in range(jobs - ends):
        if after[job] == 0:
            _try_arc(shop, job, _pick(rng_1, before, max(job + 1, ends), jobs))
    firsts, lasts = 0, 0
    for job in range(jobs):
        firsts += before[job] == 0
        lasts += after[job] == 0
    wanted = math.floor(complexity * (jobs + 2) + 0.5) - firsts - lasts
    for _ in range(60 * jobs):
        if draft["arcs"] >= wanted:
            break
        first = below(rng_1, jobs)
        second = below(rng_1, jobs)
        open_ends = after[first] < DEGREE and before[second] < DEGREE
        if open_ends and first < second and second >= ends and first < jobs - ends:
            _try_arc(shop, first, second)


@compiled
def _pick(rng_1: NDArray[np.uint64], used: NDArray[np.int64], first: int, last: int) -> int:
    """A uniform choice among first..last-1 with fewer than DEGREE neighbours; -1: there is none."""
    free = 0
    for job in range(first, last):
        free += used[job] < DEGREE
    if free == 0:
        return -1
    chosen = below(rng_1, free)
    for job in range(first, last):
        if used[job] < DEGREE:
            if chosen == 0:
                return job
            chosen -= 1
    return -1


@compiled
def _try_arc(shop: np.void, first: int, second: int) -> None:
    """Add an arc unless a degree is full, or it, or one that is there, would become redundant.

    The shop knows of each activity its successors, all of them, and all its predecessors, as bits.
    """
    draft, after, before = shop["draft"], shop["after"], shop["before"]
    if first < 0 or second < 0 or after[first] >= DEGREE or before[second] >= DEGREE:
        return
    direct, follows, leads = shop["direct"], shop["follows"], shop["leads"]
    if _holds(follows, first, second) or _bypassed(shop, first, second):
        return
    draft["arc"][draft["arcs"], 0] = first
    draft["arc"][draft["arcs"], 1] = second
    draft["arcs"] += 1
    after[first] += 1
    before[second] += 1
    _add(direct, first, second)
    for a in range(first + 1):
        if a == first or _holds(leads, first, a):
            _add(follows, a, second)
            for word in range(WORDS):
                follows[a, word] |= follows[second, word]
    for b in range(second, draft["jobs"]):
        if b == second or _holds(follows, second, b):
            _add(leads, b, first)
            for word in range(WORDS):
                leads[b, word] |= leads[first, word]


@compiled
def _bypassed(shop: np.void, first: int, second: int) -> bool:
    """Whether an arc leads from `first`, or what comes before it, to `second` or what follows it."""
    direct, follows, leads = shop["direct"], shop["follows"], shop["leads"]
    for a in range(first + 1):
        if a == first or _holds(leads, first, a):
            if _holds(direct, a, second):
                return True
            for word in range(WORDS):
                if direct[a, word] & follows[second, word]:
                    return True
    return False


@inlined
def _holds(bits_JW: NDArray[np.uint64], row: int, job: int) -> bool:
    """Whether an activity is in a row's set."""
    return bool((bits_JW[row, job >> 6] >> np.uint64(job & 63)) & _ONE)


@inlined
def _add(bits_JW: NDArray[np.uint64], row: int, job: int) -> None:
    """Put an activity into a row's set."""
    bits_JW[row, job >> 6] |= _ONE << np.uint64(job & 63)


@compiled
def _draw_demands(rng_1: NDArray[np.uint64], draft: np.void, factor: float) -> None:
    """Every activity needs a trade; further pairs until the factor is reached."""
    jobs, trades = draft["jobs"], draft["trades"]
    for job in range(jobs):
        for trade in range(TRADES):
            draft["demand"][job, trade] = 0
        draft["demand"][job, below(rng_1, trades)] = 1 + below(rng_1, UNITS)
    pairs, wanted = jobs, math.floor(factor * jobs * trades + 0.5)
    while pairs < wanted:
        job, trade = below(rng_1, jobs), below(rng_1, trades)
        if draft["demand"][job, trade] == 0:
            draft["demand"][job, trade] = 1 + below(rng_1, UNITS)
            pairs += 1


@compiled
def _set_capacities(project: np.void, strength: float, change_T: NDArray[np.int64]) -> None:
    """Capacity = least + RS (peak - least), rounded; the peak is that of the earliest-start schedule."""
    jobs, days = project["jobs"], project["critical"]
    for trade in range(project["trades"]):
        least, peak, load = 1, 1, 0
        for day in range(days + 1):
            change_T[day] = 0
        for job in range(jobs):
            demand, head = project["demand"][job, trade], project["head"][job]
            least = max(least, demand)
            change_T[head] += demand
            change_T[head + project["duration"][job]] -= demand
        for day in range(days):
            load += change_T[day]
            peak = max(peak, load)
        project["capacity"][trade] = least + math.floor(strength * (peak - least) + 0.5)
