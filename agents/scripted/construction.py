"""Scripted foremen for `arenas.construction`: priority rules over their slots, plans over the whole network.

Rules read the slots and reproduce the parallel scheme when all foremen share one. Planners need `blueprint =
true`: each makes the same plan from the same network, then signs what the plan starts today. Axes: R rows, S
slots, F features, J activities, K = 1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from agents.scripted.planning import Planner, best_of_samples, by_rule, optimum
from marl.errors import SpecError
from marl.policy import Decision
from marl.rng import mix, uniforms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from marl.policy import Policy, Rows
    from marl.spec import Role, Spec

    Floats = NDArray[np.float32]

FEATURES = 26
"""Of a slot. These are the columns that the rules read."""
STARTABLE, SIGNED, DURATION, STATIC_SLACK, LATEST_START, LATEST_FINISH = 1, 2, 4, 6, 7, 8
ALL_SUCCESSORS, WEIGHT, WAITING, NUMBER, FORECAST = 11, 12, 22, 23, 24
PASS, MODES, NORMAL, OVERTIME = 0, 3, 1, 2
MATERIALS = ("concrete", "steel", "wood")
HELP = 4
"""Behind the slots' choices: an order of each material, a briefing, help."""


class Crew:
    """Signs the startable activity of the best value of its slots, unless it has; else waits for the others.

    `value`: the least is the best, slots (sorted by latest finish) break ties. In a site it works in normal
    hours, or `overtime`, orders material by base stock, a lot as soon as stock and orders fall below `base`
    lots, and if it `helps`, lends workers where it would pass.
    """

    memory_size: int = 0
    base = 2.0

    def __init__(
        self,
        spec: Spec,
        column: int,
        *,
        greatest: bool = False,
        overtime: bool = False,
        helps: bool = False,
    ) -> None:
        options = spec.options
        self._slots, self._site = int(options["slots"]), bool(options["site"])
        self._column, self._sign = column, -1.0 if greatest else 1.0
        self._overtime, self._helps = overtime, helps

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
        """A signature, an order, or a pass for each row."""
        del memory_RM, greedy
        first, last = role.slices["slots"]
        slot_RSF = observation[0][:, first:last].reshape(len(rows), self._slots, FEATURES)
        startable_RS = slot_RSF[:, :, STARTABLE] > 0
        value_RS = np.where(startable_RS, self.value(slot_RSF, rows), np.inf)
        best_R = value_RS.argmin(1)
        row_R = np.arange(len(rows))
        waits_R = ~startable_RS.any(1) | (slot_RSF[row_R, best_R, SIGNED] > 0)
        action_R = np.where(waits_R, PASS, self._sign_choice(best_R))
        if self._site:
            action_R = self._order(role, observation[0], mask_RA, action_R)
        return Decision(action_R[:, None].astype(role.action_dtype))

    def value(self, slot_RSF: Floats, rows: Rows) -> NDArray[Any]:
        """What is compared: a column of the slots."""
        del rows
        return np.asarray(self._sign * slot_RSF[:, :, self._column])

    def _sign_choice(self, slot_R: NDArray[np.int64]) -> NDArray[np.int64]:
        if not self._site:
            return 1 + slot_R
        return np.asarray(1 + slot_R * MODES + (OVERTIME if self._overtime else NORMAL))

    def _order(
        self, role: Role, observation_RO: Floats, mask_RA: NDArray[np.uint8], action_R: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        first = 1 + self._slots * MODES
        for i, name in enumerate(MATERIALS):
            held_R = (
                observation_RO[:, role.slices[name][0]] + observation_RO[:, role.slices[f"{name}_coming"][0]]
            )
            wants_R = (held_R < self.base) & (mask_RA[:, first + i] > 0)
            action_R = np.where(wants_R, first + i, action_R)
        if self._helps:
            can_R = mask_RA[:, first + HELP] > 0
            action_R = np.where((action_R == PASS) & can_R, first + HELP, action_R)
        return action_R


class Pilot(Crew):
    """Follows the site office's forecast, which needs `forecast = true`; never waits by choice."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, FORECAST)
        if not spec.options["forecast"]:
            raise SpecError(
                f"pilot in {spec.arena}",
                got="forecast = false",
                expected="a site office that forecasts",
                remedy="Set the option forecast = true.",
            )

    def value(self, slot_RSF: Floats, rows: Rows) -> NDArray[Any]:
        """The forecast; ties go to the least latest finish."""
        del rows
        return np.asarray(slot_RSF[:, :, FORECAST])


class RandomSampling(Crew):
    """Regret-biased random sampling (alpha = eps = 1) of the least latest finish.

    Foremen of a match draw alike.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, LATEST_FINISH)

    def value(self, slot_RSF: Floats, rows: Rows) -> NDArray[Any]:
        """Keys of a weighted draw without replacement (Efraimidis, Spirakis 2006).

        All foremen of a match share the key of an activity, so that they draw the same order.
        """
        finish_RS = np.rint(slot_RSF[:, :, LATEST_FINISH] * 10)
        startable_RS = slot_RSF[:, :, STARTABLE] > 0
        worst_R1 = np.where(startable_RS, finish_RS, -np.inf).max(1, keepdims=True)
        weight_RS = np.where(startable_RS, worst_R1 - finish_RS + 1, 1)
        number_RS = np.rint(slot_RSF[:, :, NUMBER] * 128).astype(np.uint64)
        draw_RS = uniforms(mix(rows.seed_R[:, None], number_RS).ravel(), 1)[:, 0].reshape(number_RS.shape)
        return np.asarray(-np.log(draw_RS) / weight_RS)


SCRIPTED: Mapping[str, Callable[[Spec], Policy]] = {
    "lft": partial(Crew, column=LATEST_FINISH),
    "lst": partial(Crew, column=LATEST_START),
    "grpw": partial(Crew, column=WEIGHT, greatest=True),
    "mts": partial(Crew, column=ALL_SUCCESSORS, greatest=True),
    "minslk": partial(Crew, column=STATIC_SLACK),
    "spt": partial(Crew, column=DURATION),
    "fifo": partial(Crew, column=WAITING, greatest=True),
    "overtime": partial(Crew, column=LATEST_FINISH, overtime=True),
    "helpful": partial(Crew, column=LATEST_FINISH, helps=True),
    "lft_sampled": RandomSampling,
    "pilot": Pilot,
    "serial_lst": partial(Planner, plan=partial(by_rule, rule="lst")),
    "serial_lft": partial(Planner, plan=partial(by_rule, rule="lft")),
    "improved": partial(Planner, plan=partial(by_rule, rule="lft", improve=True)),
    "sampled_plan": partial(Planner, plan=best_of_samples),
    "optimal": partial(Planner, plan=optimum),
}
"""Name to factory(spec). The last five plan.

They need `blueprint = true`, and `optimal` the extra `solver`.
"""
