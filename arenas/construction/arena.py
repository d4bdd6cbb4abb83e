"""`ConstructionBatch`: copies of the site as a BatchArena."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from arenas.construction import kernel
from arenas.construction.entry import UNKNOWN, entry
from arenas.construction.layout import choices, observation_size, observation_slices, state_size
from arenas.construction.options import Options, rules
from arenas.construction.project import packed
from arenas.construction.readers import read_projects
from arenas.construction.record import ACTIVITIES, PROJECT, TRADES, WORKSHOP
from arenas.construction.spectator import spectate
from arenas.construction.weather import sky_codes
from arenas.construction.world import WORLD
from marl.batch import BatchArena
from marl.errors import SpecError
from marl.spaces import to_json
from marl.spec import Role, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from marl.frame import Frame, Orders

NAME = "arenas.construction:ConstructionBatch"
VERSION = "1"
ROLE = "foreman"
SAME = ("slots", "site", "blueprint", "crews")
"""Options that fix the shape of observation and action: the same in each variant.

`trades`, `activities` may be less.
"""


class ConstructionBatch(BatchArena):
    """Foremen of n trades build a project together.

    Precedence, shared units, and in `site` all that goes wrong.

    A day has rounds: each foreman signs an activity of its slots, or passes; what all trades that it needs
    have signed starts; in a round where nobody does anything the day is worked. Observation: float32 in named
    slices (`layout.observation_slices`). Action: 0 passes; then an activity's slot (in `site` with its mode:
    careful, normal, overtime), then orders of material, a briefing, help for another crew. Mask: precedence,
    free units, stock, weather. A foreman without a choice is not asked. Reward: points of the team (`alpha`)
    and of the crew, over `reward_scale`; in the pure problem they are minus the growth of a bound of
    completion. Score: points; in the pure problem minus the makespan's excess over the critical path, in
    percent. Termination: a trade without work leaves; all at completion; insolvent crews. Truncation: a site
    at `max_days`.
    """

    options_type = Options

    def __init__(self, options: Mapping[str, Any], capacity: Mapping[str, Any] | None = None) -> None:
        first = Options.read(NAME, options)
        self._capacity = first if capacity is None else Options.read(NAME, capacity)
        self.spec = _spec(self._capacity)
        self._projects: dict[str, tuple[int, int]] = {"generated": (0, 0)}
        self._records_P = np.zeros(1, PROJECT)
        self._skies: dict[str, tuple[int, int]] = {}
        self._sky_D = np.zeros(1, np.int8)
        self._rules_V = np.zeros(0, rules(first, 0, 0, 0, 0).dtype)
        self._options: list[Options] = []
        self._scratch = (
            np.zeros(self.spec.roles[0].observation[0].size, np.float32),
            np.zeros(TRADES, np.int64),
            np.zeros(ACTIVITIES, np.int64),
            np.zeros(1, WORKSHOP),
        )
        self._step = entry()
        self._add(first)

    def add_variant(self, options: Mapping[str, Any]) -> int:
        """Make options known; SpecError where they need more than the capacities, or another observation."""
        return self._add(Options.read(NAME, options))

    def attach(self, frame: Frame, orders: Orders) -> None:
        """Take the arrays to read and write, and make the state of their copies."""
        super().attach(frame, orders)
        self._worlds_B = np.zeros(self.copies, WORLD)
        self._faces = tuple(_faces(frame, orders))
        self._variant_B = np.zeros(self.copies, np.int64)

    def step(self) -> None:
        """Advance every copy by one step, in place."""
        told = self._step(
            self._worlds_B,
            self._faces,
            self._rules_V,
            self._variant_B,
            self._records_P,
            self._sky_D,
            self._scratch,
            self._capacity.activities,
        )
        if told == UNKNOWN:
            raise SpecError(
                NAME,
                got=f"variants {sorted(set(self.orders.variant_B.tolist()))}",
                expected=f"0 to {len(self._rules_V) - 1}",
            )

    def view(self, copy: int) -> dict[str, Any]:
        """Gantt chart, loads, weather, incidents and cash, as plain JSON."""
        options = self._options[int(self._variant_B[copy])]
        return spectate(self._worlds_B[copy], options)

    def _add(self, options: Options) -> int:
        self._check_fits(options)
        projects = self._read(options)
        sky = self._read_sky(options.weather)
        self._rules_V = np.concatenate([self._rules_V, rules(options, *projects, *sky)])
        self._options.append(options)
        return len(self._options) - 1

    def _read(self, options: Options) -> tuple[int, int]:
        """First row and count of an option's projects among all records; each file is read once."""
        source, capacity = options.project, self._capacity
        if source not in self._projects:
            found = read_projects(source)
            for project in found:
                if len(project.duration_J) > capacity.activities or len(project.capacity_K) > capacity.trades:
                    raise SpecError(
                        f"{NAME}: project {project.name}",
                        got=f"{len(project.duration_J)} activities of {len(project.capacity_K)} trades",
                        expected=f"at most {capacity.activities} of {capacity.trades}",
                        remedy="Declare larger options activities and trades as capacity.",
                    )
            self._projects[source] = len(self._records_P), len(found)
            self._records_P = np.concatenate([self._records_P, *[packed(project) for project in found]])
        return self._projects[source]

    def _read_sky(self, weather: str) -> tuple[int, int]:
        if weather in {"none", "uniform", "chain"}:
            return 0, 0
        if weather not in self._skies:
            codes_D = sky_codes(weather)
            self._skies[weather] = len(self._sky_D), len(codes_D)
            self._sky_D = np.concatenate([self._sky_D, codes_D])
        return self._skies[weather]

    def _check_fits(self, options: Options) -> None:
        capacity = self._capacity
        for name in SAME:
            if getattr(options, name) != getattr(capacity, name):
                raise SpecError(
                    f"{NAME}: option {name}",
                    got=str(getattr(options, name)),
                    expected=f"{getattr(capacity, name)}, the capacity's",
                    remedy="Observations and actions never change their shape within a pool.",
                )
        for name in ("trades", "activities"):
            if getattr(options, name) > getattr(capacity, name):
                raise SpecError(
                    f"{NAME}: option {name}",
                    got=str(getattr(options, name)),
                    expected=f"at most {getattr(capacity, name)}, the capacity's",
                    remedy="Declare the largest stage as capacity.",
                )


def _spec(capacity: Options) -> Spec:
    seats = tuple(f"{ROLE}_{i}" for i in range(capacity.seats))
    role = Role(
        ROLE,
        seats,
        to_json(spaces.Box(-np.inf, np.inf, (observation_size(capacity),), np.float32)),
        to_json(spaces.Discrete(choices(capacity))),
        masked=True,
        slices=observation_slices(capacity),
    )
    return Spec(
        arena=NAME,
        version=VERSION,
        options=capacity.model_dump(mode="json"),
        roles=(role,),
        teams={"crew": seats},
        state_size=state_size(capacity),
        scores="points, higher is better; in the pure problem minus the % over the critical path",
        forfeit_score=-1000.0,
    )


def _faces(frame: Frame, orders: Orders) -> kernel.Faces:
    role = frame.roles[ROLE]
    arrays: dict[str, NDArray[Any]] = {
        "observation_BNO": role.observation[0],
        "last_observation_BNO": role.last_observation[0],
        "action_BNK": orders.action[ROLE],
        "want_state_B": orders.want_state,
    }
    for name in kernel.Faces._fields:
        for source in (role, frame, orders):
            if name not in arrays and hasattr(source, name):
                arrays[name] = getattr(source, name)
    for name, array in arrays.items():
        assert array.flags.c_contiguous, name
    return kernel.Faces(**arrays)
