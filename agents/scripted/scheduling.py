"""Schedules from networks.

Critical path, priority rules, serial and parallel generation, sampling, improvement.

A plan is arrays only, so that crews can make it of what they see. Axes: J activities, K trades, A arcs, P
priorities. Sources: Kolisch 1996 (EJOR 90, schemes and rules), Kolisch and Hartmann 1999 (sampling), Tormos
and Lova 2001 (forward- backward improvement).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Function = TypeVar("Function", bound=Callable[..., Any])
else:
    Function = TypeVar("Function")

SERIAL, PARALLEL = 0, 1
RULES = ("lft", "lst", "grpw", "grpw_all", "mts", "minslk", "spt", "fifo")
"""Latest finish, latest start, greatest rank positional weight (of direct, of all successors).

Then most total successors, least slack, shortest, first.
"""


def compiled(function: Function) -> Function:
    """Numba's njit, kept on disk, which keeps a function's type for readers and for mypy."""
    return cast("Function", njit(cache=True)(function))


@dataclass(frozen=True)
class Network:
    """A project without dummies, or what is left of one: `running_J` started already and come first."""

    duration_J: NDArray[np.int64]
    demand_JK: NDArray[np.int64]
    capacity_K: NDArray[np.int64]
    after_JJ: NDArray[np.bool_]
    running_J: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def __post_init__(self) -> None:
        if not len(self.running_J):
            object.__setattr__(self, "running_J", np.zeros(len(self.duration_J), np.bool_))

    def order(self) -> NDArray[np.int64]:
        """A topological order."""
        missing = self.after_JJ.sum(0)
        order: list[int] = np.flatnonzero(missing == 0).tolist()
        for j in order:
            for after in np.flatnonzero(self.after_JJ[j]).tolist():
                missing[after] -= 1
                if missing[after] == 0:
                    order.append(after)
        return np.array(order, np.int64)

    def heads(self) -> NDArray[np.int64]:
        """Earliest starts."""
        head_J = np.zeros(len(self.duration_J), np.int64)
        for j in self.order():
            after = self.after_JJ[j]
            head_J[after] = np.maximum(head_J[after], head_J[j] + self.duration_J[j])
        return head_J

    def tails(self) -> NDArray[np.int64]:
        """Longest path from each activity's start to the end."""
        tail_J = self.duration_J.copy()
        for j in self.order()[::-1]:
            if self.after_JJ[j].any():
                tail_J[j] += tail_J[self.after_JJ[j]].max()
        return tail_J

    @property
    def critical(self) -> int:
        """Length of the critical path."""
        return int(self.tails().max(initial=0))

    def all_after(self) -> NDArray[np.bool_]:
        """All successors, not only direct ones."""
        reach_JJ = self.after_JJ.copy()
        for j in self.order()[::-1]:
            reach_JJ[j] |= reach_JJ[self.after_JJ[j]].any(0)
        return reach_JJ

    def mirrored(self) -> Network:
        """The same, backwards in time."""
        return Network(self.duration_J, self.demand_JK, self.capacity_K, self.after_JJ.T.copy())


def priorities(network: Network, rule: str) -> NDArray[np.float64]:
    """The value of a rule for each activity; the least is first, ties go to the lower index."""
    tail_J, duration_J = network.tails(), network.duration_J
    finish_J = tail_J.max() - tail_J + duration_J
    if rule == "lft":
        value_J = finish_J
    elif rule == "lst":
        value_J = finish_J - duration_J
    elif rule == "grpw":
        value_J = -(duration_J + network.after_JJ @ duration_J)
    elif rule == "grpw_all":
        value_J = -(duration_J + network.all_after() @ duration_J)
    elif rule == "mts":
        value_J = -network.all_after().sum(1)
    elif rule == "minslk":
        value_J = finish_J - duration_J - network.heads()
    elif rule == "spt":
        value_J = duration_J
    elif rule == "fifo":
        value_J = network.heads()
    else:
        raise ValueError(rule)
    return np.where(network.running_J, -1e9, np.asarray(value_J, np.float64))


def schedule(network: Network, value_J: NDArray[np.float64], scheme: int = PARALLEL) -> NDArray[np.int64]:
    """Starts by a single pass of a scheme over a priority list."""
    return _single(
        network.duration_J, network.demand_JK, network.capacity_K, network.after_JJ, value_J, scheme
    )


def sample(
    network: Network, value_J: NDArray[np.float64], scheme: int, count: int, seed: int
) -> tuple[int, NDArray[np.int64]]:
    """The best of `count` schedules whose choices are drawn by regret (alpha = eps = 1); equal values.

    Uniformly.
    """
    return _sampled(
        network.duration_J,
        network.demand_JK,
        network.capacity_K,
        network.after_JJ,
        value_J,
        scheme,
        count,
        seed,
    )


def makespan(network: Network, start_J: NDArray[np.int64]) -> int:
    """When the last one ends."""
    return int((start_J + network.duration_J).max(initial=0))


def improved(network: Network, start_J: NDArray[np.int64]) -> NDArray[np.int64]:
    """Forward-backward improvement.

    Push all to the right by their ends, then to the left by their starts, while it helps.
    """
    mirror = network.mirrored()
    best = makespan(network, start_J)
    while True:
        right_J = schedule(mirror, -(start_J + network.duration_J).astype(np.float64), SERIAL)
        length = makespan(network, right_J)
        begins_J = length - right_J - network.duration_J
        left_J = schedule(network, begins_J.astype(np.float64), SERIAL)
        if makespan(network, left_J) >= best:
            return left_J if makespan(network, left_J) == best else start_J
        start_J, best = left_J, makespan(network, left_J)


@compiled
def _single(
    duration_J: NDArray[np.int64],
    demand_JK: NDArray[np.int64],
    capacity_K: NDArray[np.int64],
    after_JJ: NDArray[np.bool_],
    value_J: NDArray[np.float64],
    scheme: int,
) -> NDArray[np.int64]:
    start_J = np.zeros(len(duration_J), np.int64)
    random_1 = np.zeros(1, np.uint64)
    if scheme == SERIAL:
        _serial(duration_J, demand_JK, capacity_K, after_JJ, value_J, False, random_1, start_J)
    else:
        _parallel(duration_J, demand_JK, capacity_K, after_JJ, value_J, False, random_1, start_J)
    return start_J


@compiled
def _sampled(
    duration_J: NDArray[np.int64],
    demand_JK: NDArray[np.int64],
    capacity_K: NDArray[np.int64],
    after_JJ: NDArray[np.bool_],
    value_J: NDArray[np.float64],
    scheme: int,
    count: int,
    seed: int,
) -> tuple[int, NDArray[np.int64]]:
    start_J = np.zeros(len(duration_J), np.int64)
    best_J = start_J.copy()
    random_1 = np.array([seed], np.uint64)
    best = -1
    for _ in range(count):
        if scheme == SERIAL:
            _serial(duration_J, demand_JK, capacity_K, after_JJ, value_J, True, random_1, start_J)
        else:
            _parallel(duration_J, demand_JK, capacity_K, after_JJ, value_J, True, random_1, start_J)
        length = 0
        for job in range(len(duration_J)):
            length = max(length, start_J[job] + duration_J[job])
        if best < 0 or length < best:
            best = length
            best_J[:] = start_J
    return best, best_J


@compiled
def _uniform(random_1: NDArray[np.uint64]) -> float:
    """SplitMix64 (Steele, Lea, Flood 2014)."""
    random_1[0] += np.uint64(0x9E3779B97F4A7C15)
    z = random_1[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return float((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@compiled
def _choose(
    open_X: NDArray[np.int64],
    count: int,
    value_J: NDArray[np.float64],
    drawn: bool,
    random_1: NDArray[np.uint64],
) -> int:
    """A place in the list: of the least value, or drawn in proportion to regret + 1."""
    if drawn:
        worst, total = value_J[open_X[0]], 0.0
        for at in range(count):
            worst = max(worst, value_J[open_X[at]])
        for at in range(count):
            total += worst - value_J[open_X[at]] + 1.0
        left = _uniform(random_1) * total
        for at in range(count):
            left -= worst - value_J[open_X[at]] + 1.0
            if left < 0:
                return at
        return count - 1
    best = 0
    for at in range(1, count):
        a, b = open_X[at], open_X[best]
        if value_J[a] < value_J[b] or (value_J[a] == value_J[b] and a < b):
            best = at
    return best


@compiled
def _serial(  # noqa: C901, PLR0912  # one scheme, read top to bottom; numba inlines no closures
    duration_J: NDArray[np.int64],
    demand_JK: NDArray[np.int64],
    capacity_K: NDArray[np.int64],
    after_JJ: NDArray[np.bool_],
    value_J: NDArray[np.float64],
    drawn: bool,
    random_1: NDArray[np.uint64],
    start_J: NDArray[np.int64],
) -> None:
    """Take eligible activities one by one, each to its earliest feasible start."""
    jobs, trades = demand_JK.shape
    days = 1
    for job in range(jobs):
        days += duration_J[job]
    load_TK = np.zeros((days, trades), np.int64)
    missing, ready = np.zeros(jobs, np.int64), np.zeros(jobs, np.int64)
    for job in range(jobs):
        for after in range(jobs):
            missing[after] += after_JJ[job, after]
    open_X, count = np.zeros(jobs, np.int64), 0
    for job in range(jobs):
        if missing[job] == 0:
            open_X[count] = job
            count += 1
    while count > 0:
        at = _choose(open_X, count, value_J, drawn, random_1)
        job = open_X[at]
        count -= 1
        open_X[at] = open_X[count]
        day, run = ready[job], 0
        while run < duration_J[job]:
            fit = True
            for trade in range(trades):
                if load_TK[day + run, trade] + demand_JK[job, trade] > capacity_K[trade]:
                    fit = False
                    break
            if fit:
                run += 1
            else:
                day, run = day + run + 1, 0
        start_J[job] = day
        for run in range(duration_J[job]):
            for trade in range(trades):
                load_TK[day + run, trade] += demand_JK[job, trade]
        for after in range(jobs):
            if after_JJ[job, after]:
                ready[after] = max(ready[after], day + duration_J[job])
                missing[after] -= 1
                if missing[after] == 0:
                    open_X[count] = after
                    count += 1


@compiled
def _parallel(  # noqa: C901, PLR0912  # one scheme, read top to bottom
    duration_J: NDArray[np.int64],
    demand_JK: NDArray[np.int64],
    capacity_K: NDArray[np.int64],
    after_JJ: NDArray[np.bool_],
    value_J: NDArray[np.float64],
    drawn: bool,
    random_1: NDArray[np.uint64],
    start_J: NDArray[np.int64],
) -> None:
    """Day by event: start what is eligible and fits, one by one; then go to the next end."""
    jobs, trades = demand_JK.shape
    missing = np.zeros(jobs, np.int64)
    state = np.zeros(jobs, np.int64)
    free_K = capacity_K.copy()
    open_X = np.zeros(jobs, np.int64)
    for job in range(jobs):
        for after in range(jobs):
            missing[after] += after_JJ[job, after]
    day, done = 0, 0
    while done < jobs:
        while True:
            count = 0
            for job in range(jobs):
                if state[job] == 0 and missing[job] == 0:
                    fit = True
                    for trade in range(trades):
                        fit = fit and demand_JK[job, trade] <= free_K[trade]
                    if fit:
                        open_X[count] = job
                        count += 1
            if count == 0:
                break
            job = open_X[_choose(open_X, count, value_J, drawn, random_1)]
            state[job], start_J[job] = 1, day
            for trade in range(trades):
                free_K[trade] -= demand_JK[job, trade]
        following = -1
        for job in range(jobs):
            if state[job] == 1 and (following < 0 or start_J[job] + duration_J[job] < following):
                following = start_J[job] + duration_J[job]
        day = following
        for job in range(jobs):
            if state[job] == 1 and start_J[job] + duration_J[job] == day:
                state[job] = 2
                done += 1
                for trade in range(trades):
                    free_K[trade] += demand_JK[job, trade]
                for after in range(jobs):
                    missing[after] -= after_JJ[job, after]
