"""What a slot shows of an activity: the names of its numbers, in their order."""

from __future__ import annotations

PURE = (
    "present",
    "startable",
    "signed",
    "signed_share",
    "duration",
    "slack",
    "static_slack",
    "latest_start",
    "latest_finish",
    "tail",
    "successors",
    "all_successors",
    "weight",
    "load_behind",
    "needs",
    "most_share",
    "sum_share",
    "share",
    "free_share",
    "excludes",
    "harm",
    "regret",
    "waiting",
    "number",
    "forecast",
    "forecast_best",
)
"""Features of a slot; days are in tens. See docs/reference/construction.md."""
SLOT = ("exposure", "crowd", "in_stock", "rework")
"""What a site adds to each slot, in a part of the observation of its own."""

FEATURES, SLOT_SIZE = len(PURE), len(SLOT)
ALL = FEATURES + SLOT_SIZE
PRESENT, SIGNED, SIGNED_SHARE = (PURE.index(name) for name in ("present", "signed", "signed_share"))
SHARE, FREE_SHARE, FORECAST = (PURE.index(name) for name in ("share", "free_share", "forecast"))
DAYS = 10.0
