"""What a spectator may see of a site: plain JSON for replays, and a Gantt chart in text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arenas.construction.record import MATERIAL_NAMES
from arenas.construction.weather import BAD, WET
from arenas.construction.world import DONE, NONE, RUNNING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from arenas.construction.options import Options

STATES = ("waiting", "running", "done")
MODES = ("careful", "normal", "overtime")
WIDTH = 100
"""Columns of a chart in text; longer projects are shown in steps of several days."""


def spectate(world: np.void, options: Options) -> dict[str, Any]:
    """Days, units of trades, and per activity [number, state, start, end (None: not yet), demands, mode].

    `load`: units at work, of how many. `chart`: the same as a Gantt chart in text. In a site also weather,
    stocks, money and incidents.
    """
    project = world["project"]
    jobs, trades = int(project["jobs"]), int(project["trades"])
    state_J, start_J, finish_J = world["status"][:jobs], world["start"][:jobs], world["finish"][:jobs]
    running_J = state_J == RUNNING
    view: dict[str, Any] = {
        "day": int(world["day"]),
        "earliest_completion": int(world["bound"]),
        "critical_path": int(project["critical"]),
        "done": int(world["done"]),
        "load": [
            [int(project["demand"][:jobs, k][running_J].sum()), int(project["capacity"][k])]
            for k in range(trades)
        ],
        "activities": [
            [
                int(project["number"][j]),
                STATES[state_J[j]],
                None if start_J[j] == NONE else int(start_J[j]),
                int(finish_J[j]) if state_J[j] == DONE else None,
                project["demand"][j, :trades].tolist(),
                MODES[world["mode"][j]],
            ]
            for j in range(jobs)
        ],
        "seats": [bool(world["alive"][seat]) for seat in range(options.seats)],
    }
    if options.site:
        sky = int(world["sky"][0])
        view |= {
            "weather": {"wet": bool(sky & WET), "bad": bool(sky & BAD)},
            "stock": {name: round(float(world["stock"][i]), 1) for i, name in enumerate(MATERIAL_NAMES)},
            "cash": round(float(world["cash"]), 1),
            "cost": round(float(world["cost"]), 1),
            "incidents": int(world["incidents"]),
            "rework": int(world["reworks"]),
            "due": int(world["due"]),
        }
    view["chart"] = gantt(view)
    return view


def gantt(view: Mapping[str, Any]) -> str:
    """A view as a chart: a line an activity, `=` where it was worked on; then each trade's units at work."""
    end = max(view["day"], view["earliest_completion"], 1)
    step = -(-end // WIDTH)
    lines = [
        f"day {view['day']}, earliest completion {view['earliest_completion']}, one column is {step} day(s)"
    ]
    for number, state, start, finish, needs, _ in sorted(view["activities"], key=_by_start):
        if start is None:
            bar = ""
        else:
            until = view["day"] if finish is None else finish
            length = max((until + step - 1) // step - start // step, 1)
            bar = " " * (start // step) + "=" * length + (">" if state == "running" else "")
        demand = " ".join(f"{units:>2}" for units in needs)
        lines.append(f"{number:>4} {state:<8}[{demand}] |{bar}")
    for trade, (units, capacity) in enumerate(view["load"]):
        lines.append(f"trade {trade}: {units} of {capacity} units at work")
    if "cash" in view:
        sky = "bad" if view["weather"]["bad"] else "wet" if view["weather"]["wet"] else "dry"
        lines.append(
            f"{sky} day, cash {view['cash']}, cost {view['cost']}, {view['incidents']} incidents, "
            f"{view['rework']} activities done again, due on day {view['due']}"
        )
    return "\n".join(lines)


def _by_start(row: list[Any]) -> tuple[int, int]:
    return (10**6 if row[2] is None else row[2], row[0])
