"""Foremen who plan.

All of a site make the same plan from the network that they see, and sign what it starts today.

The plan is made when a match begins, and in a site again each day, of what is left (rolling horizon, expected
durations). Axes: R rows, J activities, K trades, S slots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agents.scripted.scheduling import (
    PARALLEL,
    SERIAL,
    Network,
    improved,
    makespan,
    priorities,
    sample,
    schedule,
)
from marl.errors import MissingExtraError, SpecError
from marl.policy import Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from marl.policy import Rows
    from marl.spec import Role, Spec

    Plan = Callable[[Network], NDArray[np.int64]]

TRADES, HEAD = 8, 5
"""Trades in a blueprint; what stands before an activity's demands.

Here, state, days left, start, duration.
"""
WAITING, RUNNING, DONE = range(3)
FEATURES, STARTABLE, SIGNED, NUMBER = 26, 1, 2, 23
PASS, MODES, NORMAL = 0, 3, 1
MATERIALS = ("concrete", "steel", "wood")
BASE_STOCK = 2.0


class Planner:
    """Acts by `plan(network) -> starts`. What the plan starts by now is signed in the order of its starts."""

    memory_size = 0

    def __init__(self, spec: Spec, plan: Plan) -> None:
        options = spec.options
        if not options["blueprint"]:
            raise SpecError(
                f"planning foreman in {spec.arena}",
                got="blueprint = false",
                expected="foremen who see the whole network",
                remedy="Set the option blueprint = true.",
            )
        self._slots, self._jobs = int(options["slots"]), int(options["activities"])
        self._site = bool(options["site"])
        self._plan = plan
        self._plans: dict[int, tuple[int, NDArray[np.int64]]] = {}

    def act(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Decision:
        """Row by row: planning takes longer than that."""
        del memory_RM, greedy
        first, last = role.slices["slots"]
        begin, end = role.slices["blueprint"]
        action_R = np.zeros(len(rows), np.int64)
        for row in range(len(rows)):
            whole = observation[0][row, begin:end]
            start_J = self._starts(int(rows.match_R[row]), whole)
            slots = observation[0][row, first:last].reshape(self._slots, FEATURES)
            action_R[row] = self._choose(slots, start_J, int(whole[TRADES]))
            if self._site:
                action_R[row] = self._order(role, observation[0][row], mask_RA[row], int(action_R[row]))
        return Decision(action_R[:, None].astype(role.action_dtype))

    def ended(self, match_R: NDArray[np.int64]) -> None:
        """Forget the plans of these matches."""
        for match in match_R.tolist():
            self._plans.pop(match, None)

    def _choose(self, slot_SF: NDArray[np.float32], start_J: NDArray[np.int64], day: int) -> int:
        due = [
            (int(start_J[round(float(slot[NUMBER]) * 128)]), s)
            for s, slot in enumerate(slot_SF)
            if slot[STARTABLE] > 0 and start_J[round(float(slot[NUMBER]) * 128)] <= day
        ]
        if not due:
            return PASS
        best = min(due)[1]
        if slot_SF[best, SIGNED] > 0:
            return PASS
        return 1 + best * MODES + NORMAL if self._site else 1 + best

    def _order(
        self, role: Role, observation_O: NDArray[np.float32], mask_A: NDArray[np.uint8], action: int
    ) -> int:
        first = 1 + self._slots * MODES
        for i, name in enumerate(MATERIALS):
            held = observation_O[role.slices[name][0]] + observation_O[role.slices[f"{name}_coming"][0]]
            if held < BASE_STOCK and mask_A[first + i]:
                return first + i
        return action

    def _starts(self, match: int, whole: NDArray[np.float32]) -> NDArray[np.int64]:
        """The plan's starts by the activities' numbers; in a site made anew each day."""
        day = int(whole[TRADES])
        held = self._plans.get(match)
        if held is None or (self._site and held[0] != day):
            network, number_J = left_of(whole, self._jobs)
            starts = np.zeros(256, np.int64)
            starts[number_J] = day + self._plan(network)
            held = self._plans[match] = (day, starts)
        return held[1]


def left_of(whole: NDArray[np.float32], jobs: int) -> tuple[Network, NDArray[np.int64]]:
    """What is left to do by a blueprint, and the activities' numbers.

    What runs holds its units from day 0 on: it needs nothing before it, and no other can come first.
    """
    capacity_K = whole[:TRADES].astype(np.int64)
    table = whole[TRADES + 1 :].reshape(jobs, -1)
    number_J = table[:, 0].astype(np.int64)
    kept = (number_J > 0) & (table[:, 1] < DONE)
    state_J = table[kept, 1].astype(np.int64)
    after_JJ = table[kept][:, HEAD + TRADES :][:, kept] > 0
    network = Network(
        duration_J=np.ceil(table[kept, 2]).astype(np.int64),
        demand_JK=table[kept, HEAD : HEAD + TRADES].astype(np.int64),
        capacity_K=capacity_K,
        after_JJ=after_JJ,
        running_J=state_J == RUNNING,
    )
    return network, number_J[kept]


def by_rule(network: Network, rule: str, *, improve: bool = False) -> NDArray[np.int64]:
    """The serial scheme over a rule, perhaps improved forward and backward."""
    start_J = schedule(network, priorities(network, rule), SERIAL)
    return improved(network, start_J) if improve and not network.running_J.any() else start_J


def best_of_samples(network: Network, count: int = 1000) -> NDArray[np.int64]:
    """The best of samples by regret of latest finish, half of them serial, half parallel."""
    value_J = priorities(network, "lft")
    found = [sample(network, value_J, scheme, count // 2, 1)[1] for scheme in (SERIAL, PARALLEL)]
    return min(found, key=lambda start_J: makespan(network, start_J))


def optimum(network: Network, seconds: float = 10.0) -> NDArray[np.int64]:
    """The best that CP-SAT finds in some seconds."""
    return solve(network, seconds)[0]


def solve(network: Network, seconds: float, workers: int = 1) -> tuple[NDArray[np.int64], int, bool]:
    """Starts, the lower bound, and whether they are proven optimal, by CP-SAT's cumulative constraint."""
    try:
        from ortools.sat.python import cp_model
    except ModuleNotFoundError as error:
        raise MissingExtraError("scheduling by CP-SAT", "ortools", "solver") from error
    start_J = schedule(network, priorities(network, "lft"))
    horizon = makespan(network, start_J)
    model = cp_model.CpModel()
    begins = [model.new_int_var(0, horizon, f"s{j}") for j in range(len(start_J))]
    spans = [
        model.new_fixed_size_interval_var(begins[j], int(network.duration_J[j]), f"i{j}")
        for j in range(len(start_J))
    ]
    end = model.new_int_var(0, horizon, "end")
    for j, begin in enumerate(begins):
        model.add(end >= begin + int(network.duration_J[j]))
        model.add_hint(begin, int(start_J[j]))
        if network.running_J[j]:
            model.add(begin == 0)
        for after in np.flatnonzero(network.after_JJ[j]).tolist():
            model.add(begins[after] >= begin + int(network.duration_J[j]))
    for k, capacity in enumerate(network.capacity_K.tolist()):
        users = np.flatnonzero(network.demand_JK[:, k]).tolist()
        if users:
            demands = [int(network.demand_JK[j, k]) for j in users]
            model.add_cumulative([spans[j] for j in users], demands, capacity)
    model.minimize(end)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    status = solver.solve(model)
    if status in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
        start_J = np.array([solver.value(begin) for begin in begins], np.int64)
    return start_J, round(solver.best_objective_bound), status == cp_model.OPTIMAL
