"""The site's knobs, named sets of them, and how a set becomes one record that the kernel reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, model_validator

from arenas.construction.record import ACTIVITIES, TRADES
from marl.arena import Options as ArenaOptions
from marl.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MAX_SEATS = 16


class Options(ArenaOptions):
    """Time in working days, units of a trade are workers, money in thousands, unless a field says so."""

    project: str = Field(
        "generated", description="generated, or a file or folder: psplib:path, csv:path, json:path."
    )
    trades: int = Field(4, ge=1, le=TRADES, description="Trades, each a renewable resource (capacity).")
    crews: int = Field(1, ge=1, le=4, description="Foremen of each trade, who share its units (capacity).")
    activities: int = Field(
        30, ge=3, le=ACTIVITIES, description="Most activities of a generated project (capacity)."
    )
    activities_low: int | None = Field(
        None, ge=3, le=ACTIVITIES, description="Fewest activities; none: always `activities`."
    )
    slots: int = Field(8, ge=1, le=16, description="Activities that a foreman can choose among (capacity).")
    site: bool = Field(
        False, description="Modes, supply, weather and safety, or the pure problem (capacity)."
    )
    consent: bool = Field(
        False, description="A round of passes lets the most urgent activity start that a trade has signed."
    )
    forecast: bool = Field(
        False, description="The site office forecasts completion for each choice, by a simulation."
    )
    blueprint: bool = Field(False, description="Foremen see the whole network and its progress (capacity).")
    complexity_low: float = Field(1.5, ge=1, le=3, description="Least network complexity NC.")
    complexity_high: float = Field(2.1, ge=1, le=3, description="Greatest network complexity NC.")
    factor_low: float = Field(0.25, ge=0.05, le=1, description="Least resource factor RF.")
    factor_high: float = Field(1.0, ge=0.05, le=1, description="Greatest resource factor RF.")
    strength_low: float = Field(0.2, ge=0, le=1, description="Least resource strength RS.")
    strength_high: float = Field(1.0, ge=0, le=1, description="Greatest resource strength RS.")

    max_days: int = Field(365, ge=1, le=10_000, description="Days after which a site is closed (site only).")
    deadline: float = Field(1.5, ge=0.5, le=10, description="Due date in critical paths of the project.")
    duration_noise: float = Field(
        0.0, ge=0, le=0.9, description="An activity takes up to so much more or less: Beta(2, 2)."
    )
    weather: str = Field(
        "none",
        description="none, uniform (days independent), chain (Seattle), or seattle or csv:path (replayed).",
    )
    weather_variability: float = Field(
        0.2, ge=0, le=1, description="Chance of a wet day where weather is uniform."
    )
    weather_severity: float = Field(
        0.3, ge=0, le=1, description="Share of exposed work that a wet day costs; bad days cost all of it."
    )
    forecast_error: float = Field(
        0.15, ge=0, le=1, description="Chance, for each day ahead, that the forecast of a day is a guess."
    )
    hazard_scale: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="Factor on the rate of incidents (US construction: 2.3 per 100 FTE-years).",
    )
    incident_days: int = Field(10, ge=1, le=200, description="Days that an injured crew's workers are out.")
    fatigue: float = Field(1.0, ge=0, le=5, description="Factor on how fast overtime tires a crew.")
    learning: float = Field(0.0, ge=0, le=1, description="Speed gained by a trade's first ten activities.")
    congestion: float = Field(0.0, ge=0, le=1, description="Speed lost for each other activity in the zone.")
    defect_rate: float = Field(
        0.0, ge=0, le=1, description="Chance that an inspection finds a normal activity's work wanting."
    )
    breakdown_rate: float = Field(
        0.0, ge=0, le=1, description="Chance a day that a trade's equipment breaks down."
    )
    breakdown_days: int = Field(2, ge=1, le=50, description="Days that a breakdown lasts.")
    supply: bool = Field(False, description="Activities need concrete, steel and wood, which are ordered.")
    lead_days: int = Field(5, ge=0, le=60, description="Days from order to delivery, on average.")
    storage: int = Field(120, ge=1, le=10_000, description="Units of each material that the site can hold.")
    lot: int = Field(30, ge=1, le=1000, description="Units of an order.")
    spoilage: float = Field(0.0, ge=0, le=0.5, description="Share of the stock that spoils in a day.")
    price_noise: float = Field(0.02, ge=0, le=0.5, description="Daily log change of material prices.")
    budget: float = Field(
        1000.0, gt=0, description="What the site may cost; the owner pays it as work is done."
    )
    credit: float = Field(200.0, ge=0, description="How far cash may fall below zero.")
    wage: float = Field(0.3, ge=0, description="Pay of a worker for a normal day.")
    crew_credit: float = Field(
        40.0, gt=0, description="Losses at which a subcontractor's crew is insolvent and leaves (alpha < 1)."
    )

    alpha: float = Field(
        1.0, ge=0, le=1, description="Share of the team's reward in a seat's; the rest is its own."
    )
    progress_weight: float = Field(0.0, ge=0, description="Points for all work done.")
    delay_weight: float = Field(
        100.0, ge=0, description="Points lost as the earliest completion grows by a critical path."
    )
    quality_weight: float = Field(0.0, ge=0, description="Points lost if all work had to be done again.")
    safety_weight: float = Field(
        0.0, ge=0, description="Points lost for a crew-day of overtime by a tired crew."
    )
    incident_weight: float = Field(0.0, ge=0, description="Points lost for an incident.")
    completion_weight: float = Field(0.0, ge=0, description="Points for completion.")
    overrun_weight: float = Field(0.0, ge=0, description="Points lost when costs exceed the budget.")
    late_weight: float = Field(0.0, ge=0, description="Points lost for a day after the due date.")
    reward_scale: float = Field(10.0, gt=0, description="Points that count as reward 1.")

    @property
    def seats(self) -> int:
        """How many foremen there are."""
        return self.trades * self.crews

    @model_validator(mode="after")
    def _consistent(self) -> Options:
        for name in ("complexity", "factor", "strength"):
            if getattr(self, f"{name}_low") > getattr(self, f"{name}_high"):
                raise ValueError(f"{name}_low must not exceed {name}_high")
        if self.activities_low is not None and self.activities_low > self.activities:
            raise ValueError("activities_low must not exceed activities")
        if self.seats > MAX_SEATS:
            raise ValueError(f"trades x crews must not exceed {MAX_SEATS}")
        if not self.site and (self.supply or self.weather != "none" or self.duration_noise > 0):
            raise ValueError("supply, weather and duration_noise need site = true")
        return self


_SITE: Mapping[str, Any] = {
    "site": True,
    "crews": 2,
    "duration_noise": 0.3,
    "weather": "chain",
    "learning": 0.1,
    "congestion": 0.05,
    "defect_rate": 0.1,
    "breakdown_rate": 0.01,
    "supply": True,
    "spoilage": 0.01,
    "budget": 1500.0,
    "credit": 300.0,
    "progress_weight": 100.0,
    "quality_weight": 20.0,
    "safety_weight": 30.0,
    "incident_weight": 100.0,
    "completion_weight": 1000.0,
    "overrun_weight": 50.0,
    "late_weight": 2.0,
    "reward_scale": 100.0,
}
_CLASSIC: Mapping[str, Any] = {
    **_SITE,
    "crews": 1,
    "weather": "uniform",
    "weather_variability": 0.2,
    "max_days": 365,
    "budget": 1000.0,
    "credit": 200.0,
    "duration_noise": 0.0,
    "breakdown_rate": 0.0,
}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "rcpsp": {},
    "site": _SITE,
    "classic": {**_CLASSIC, "activities": 20, "strength_low": 0.5},
    "classic_residential": {**_CLASSIC, "activities": 15, "strength_low": 0.7, "factor_high": 0.5},
    "classic_commercial": {**_CLASSIC, "activities": 25, "strength_low": 0.5},
    "classic_industrial": {**_CLASSIC, "activities": 30, "strength_low": 0.2, "factor_low": 0.5},
    "stage_pure_10": {"activities": 10, "strength_low": 0.5},
    "stage_pure_30": {},
    "stage_pure_60": {"activities": 60},
    "stage_pure_120": {"activities": 120},
    "stage_weather": {
        **_SITE,
        "supply": False,
        "defect_rate": 0.0,
        "breakdown_rate": 0.0,
        "hazard_scale": 0.0,
    },
    "stage_supply": {**_SITE, "weather": "none", "hazard_scale": 0.0},
    "stage_tight": {**_SITE, "strength_high": 0.5, "deadline": 1.2},
    "stage_hazard": {**_SITE, "hazard_scale": 10.0},
    "subcontractors": {**_SITE, "alpha": 0.5},
}
"""Named sets of options.

`rcpsp` is the pure benchmark, `site` has everything on, `stage_*` make curricula.
"""


def preset(name: str, **options: Any) -> dict[str, Any]:
    """The options of a preset with some of them changed; UnknownNameError lists the presets."""
    if name not in PRESETS:
        raise UnknownNameError("construction preset", name, PRESETS)
    return {**PRESETS[name], **options}


_COUNTS = tuple(name for name, field in Options.model_fields.items() if field.annotation in {int, bool})
_RATES = tuple(name for name, field in Options.model_fields.items() if field.annotation is float)
_DERIVED = ("seats", "few", "first", "projects", "sky", "sky_first", "sky_days", "modes")
NO_WEATHER, UNIFORM, CHAIN, REPLAY = range(4)
RULES = np.dtype(
    [(name, np.int64) for name in (*_COUNTS, *_DERIVED)] + [(name, np.float64) for name in _RATES]
)
"""One record a variant: every counted or measured option by its name, and what is derived from the others.

seats, few: foremen, fewest activities. first, projects: rows of the projects that matches choose among (0:
generated). sky, sky_first, sky_days: kind of weather, and the days that are replayed. modes: ways to carry
out an activity.
"""


def rules(options: Options, first: int, projects: int, sky_first: int, sky_days: int) -> NDArray[Any]:
    """The record of one variant."""
    record = np.zeros(1, RULES)
    for name in (*_COUNTS, *_RATES):
        record[name] = getattr(options, name)
    record["few"] = options.activities if options.activities_low is None else options.activities_low
    record["seats"] = options.seats
    record["first"], record["projects"] = first, projects
    kinds = {"none": NO_WEATHER, "uniform": UNIFORM, "chain": CHAIN}
    record["sky"] = kinds.get(options.weather, REPLAY)
    record["sky_first"], record["sky_days"] = sky_first, sky_days
    record["modes"] = 3 if options.site else 1
    return record
