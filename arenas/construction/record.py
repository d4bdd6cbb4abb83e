"""How a project lies in memory, in the kernel's eyes."""

from __future__ import annotations

import numpy as np

ACTIVITIES, TRADES, ARCS, MATERIALS = 128, 8, 1024, 3
"""The most that a project may have; materials are concrete, steel and wood."""
LONGEST = 10
"""Days that a generated activity takes at most."""

MATERIAL_NAMES = ("concrete", "steel", "wood")

PROJECT = np.dtype(
    [
        *((name, np.int64) for name in ("jobs", "trades", "arcs", "critical", "total")),
        ("duration", np.int16, (ACTIVITIES,)),
        ("demand", np.int16, (ACTIVITIES, TRADES)),
        ("capacity", np.int16, (TRADES,)),
        ("number", np.int16, (ACTIVITIES,)),
        ("arc", np.int16, (ARCS, 2)),
        ("after_at", np.int16, (ACTIVITIES + 1,)),
        ("after", np.int16, (ARCS,)),
        ("before_at", np.int16, (ACTIVITIES + 1,)),
        ("before", np.int16, (ARCS,)),
        ("order", np.int16, (ACTIVITIES,)),
        ("head", np.int16, (ACTIVITIES,)),
        ("tail", np.int16, (ACTIVITIES,)),
        ("needs", np.int16, (ACTIVITIES,)),
        ("behind", np.int16, (ACTIVITIES,)),
        ("weight", np.int32, (ACTIVITIES,)),
        ("load_behind", np.float32, (ACTIVITIES,)),
        ("share", np.float32, (ACTIVITIES, TRADES)),
        ("most_share", np.float32, (ACTIVITIES,)),
        ("sum_share", np.float32, (ACTIVITIES,)),
        ("exposure", np.float32, (ACTIVITIES,)),
        ("zone", np.int16, (ACTIVITIES,)),
        ("material", np.int16, (ACTIVITIES, MATERIALS)),
        ("reach", np.uint64, (ACTIVITIES, ACTIVITIES // 64)),
    ],
    align=True,
)
"""jobs, trades, arcs: how many. critical: length of the critical path; total.

Days of all activities together.

after, before: successors and predecessors, those of j from after_at[j] to after_at[j + 1]. order: a
topological order. head: earliest start; tail: longest path from an activity's start to the end. needs: trades
that it needs. behind: all successors; weight: GRPW, its own and its direct successors' days. load_behind:
days that all successors keep the trade that they load most. share: demands as parts of capacities. reach: all
successors, as bits.
"""

WORKSHOP = np.dtype(
    [
        ("draft", PROJECT),
        *((name, np.int64, (ACTIVITIES,)) for name in ("count", "place", "source", "after", "before")),
        *((name, np.uint64, (ACTIVITIES, ACTIVITIES // 64)) for name in ("direct", "follows", "leads")),
        ("work", np.float64, (ACTIVITIES, TRADES)),
        ("load", np.float64, (TRADES,)),
        ("change", np.int64, (LONGEST * ACTIVITIES + 1,)),
    ],
    align=True,
)
"""Where a project is made: a draft of it, and memory for counts, places, sets of activities, loads, days."""
