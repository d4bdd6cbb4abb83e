"""A project: activities with durations, precedence and demands for trades.

As plain arrays, and as the kernel's record.

Axes: J activities (no dummies), K trades, A arcs, P materials.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arenas.construction.network import prepare
from arenas.construction.record import ACTIVITIES, ARCS, MATERIALS, PROJECT, TRADES, WORKSHOP
from marl.errors import SpecError


@dataclass(frozen=True)
class Project:
    """What is to be built. Durations in days, demands and capacities in units of a trade.

    `arc_A2`: (before, after) pairs of activities. `number_J`: their names in the file. `exposure_J`: share of
    its work that weather reaches; `zone_J`: where on the site; `material_JP`: units of concrete, steel and
    wood. Raises SpecError where a demand exceeds its capacity, arcs form a circle, or there is more of
    something than the record holds.
    """

    name: str
    duration_J: NDArray[np.int64]
    demand_JK: NDArray[np.int64]
    capacity_K: NDArray[np.int64]
    arc_A2: NDArray[np.int64]
    number_J: NDArray[np.int64]
    exposure_J: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    zone_J: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    material_JP: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, MATERIALS), np.int64))

    def __post_init__(self) -> None:
        sizes = (
            ("activities", len(self.duration_J), ACTIVITIES),
            ("trades", len(self.capacity_K), TRADES),
            ("arcs", len(self.arc_A2), ARCS),
        )
        for what, size, most in sizes:
            if size > most or (size == 0 and what != "arcs"):
                raise SpecError(
                    f"project {self.name}: {what}", got=str(size), expected=f"1 to {most}, of arcs also 0"
                )
        over = np.argwhere(self.demand_JK > self.capacity_K)
        if len(over):
            j, k = (int(i) for i in over[0])
            raise SpecError(
                f"project {self.name}: activity {self.number_J[j]}",
                got=f"{self.demand_JK[j, k]} units of trade {k}",
                expected=f"at most its capacity, {self.capacity_K[k]}",
            )
        if self.duration_J.min() < 0 or self.demand_JK.min() < 0 or self.duration_J.sum() >= 2**15:
            raise SpecError(
                f"project {self.name}",
                got="a negative number, or durations of over 32,767 days in all",
                expected="durations and demands of 0 and more",
            )


def packed(project: Project) -> NDArray[Any]:
    """The kernel's record (one row of PROJECT), with activities in order of their latest finish."""
    shop, record = np.zeros(1, WORKSHOP), np.zeros(1, PROJECT)
    row = shop[0]["draft"]
    jobs, trades = project.demand_JK.shape
    row["jobs"], row["trades"], row["arcs"] = jobs, trades, len(project.arc_A2)
    row["duration"][:jobs] = project.duration_J
    row["demand"][:jobs, :trades] = project.demand_JK
    row["capacity"][:trades] = project.capacity_K
    row["number"][:jobs] = project.number_J
    row["arc"][: len(project.arc_A2)] = project.arc_A2
    for name in ("exposure", "zone", "material"):
        values = getattr(
            project, {"exposure": "exposure_J", "zone": "zone_J", "material": "material_JP"}[name]
        )
        if len(values):
            row[name][:jobs] = values
    if not prepare(shop[0], record[0]):
        raise SpecError(
            f"project {project.name}",
            got="precedence that runs in a circle",
            expected="a network without circles",
        )
    return record


def unpacked(record: np.void, name: str) -> Project:
    """The project of a record, activities in the record's order."""
    jobs, trades, arcs = int(record["jobs"]), int(record["trades"]), int(record["arcs"])
    return Project(
        name=name,
        duration_J=record["duration"][:jobs].astype(np.int64),
        demand_JK=record["demand"][:jobs, :trades].astype(np.int64),
        capacity_K=record["capacity"][:trades].astype(np.int64),
        arc_A2=record["arc"][:arcs].astype(np.int64),
        number_J=record["number"][:jobs].astype(np.int64),
        exposure_J=record["exposure"][:jobs].astype(np.float64),
        zone_J=record["zone"][:jobs].astype(np.int64),
        material_JP=record["material"][:jobs].astype(np.int64),
    )
