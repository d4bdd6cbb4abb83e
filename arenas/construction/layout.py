"""Where what stands in an observation, and which choice is which number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arenas.construction.features import PURE, SLOT
from arenas.construction.record import MATERIAL_NAMES
from arenas.construction.site_showing import COMMON, OWN
from arenas.construction.task import GENERAL, blueprint_size

if TYPE_CHECKING:
    from arenas.construction.options import Options

MODES = 3


def choices(options: Options) -> int:
    """A: pass, the slots (each with its modes in a site), then orders of the materials, a briefing, help."""
    return 1 + options.slots * MODES + len(MATERIAL_NAMES) + 2 if options.site else 1 + options.slots


def observation_slices(options: Options) -> dict[str, tuple[int, int]]:
    """The named parts; `slots` has a row of `features.PURE` for each slot."""
    sizes = dict.fromkeys(GENERAL, 1)
    sizes["slots"] = options.slots * len(PURE)
    if options.site:
        sizes |= dict.fromkeys((*COMMON, *OWN), 1)
        sizes["site_slots"] = options.slots * len(SLOT)
    if options.blueprint:
        sizes["blueprint"] = blueprint_size(options.activities)
    spans, at = {}, 0
    for name, size in sizes.items():
        spans[name] = (at, at + size)
        at += size
    return spans


def observation_size(options: Options) -> int:
    """O."""
    return max(end for _, end in observation_slices(options).values())


def state_size(options: Options) -> int:
    """S: the blueprint, then bound, cash, cost, weather and stocks."""
    return blueprint_size(options.activities) + 4 + len(MATERIAL_NAMES)
