"""What foremen see on a site beside the pure problem, and the commands that they may give.

Axes: N seats, O observation, A choices.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from arenas.construction.features import ALL, FEATURES, SLOT_SIZE
from arenas.construction.record import MATERIALS
from arenas.construction.supply import in_stock, may_order, on_its_way
from arenas.construction.task import HEAD
from arenas.construction.weather import BAD, WET, YEAR
from arenas.construction.world import AHEAD, NONE
from arenas.jit import inlined, move

COMMON = (
    *("wet", "bad", "wet_1", "bad_1", "wet_2", "bad_2", "wet_3", "bad_3", "season_sin", "season_cos"),
    *("concrete", "steel", "wood", "concrete_coming", "steel_coming", "wood_coming"),
    *("concrete_price", "steel_price", "wood_price", "cash", "budget_left", "days_to_due"),
    *("schedule_index", "cost_index", "incidents", "crews_left", "briefed", "stopped"),
)
OWN = ("tired", "hours", "account", "broken", "workers_out", "supplier", "helping")
"""What a site adds to the observation behind the slots: the same for all, and of the crew."""
_COMMON, _OWN = len(COMMON), len(OWN)
_SEASON = 2.0 * math.pi * np.arange(YEAR) / YEAR
_SINE, _COSINE = np.sin(_SEASON), np.cos(_SEASON)


@inlined
def write_common(world: np.void, rules: np.void, general_O: NDArray[np.float32]) -> None:
    """COMMON, where it stands in an observation."""
    at = HEAD + rules["slots"] * FEATURES
    for ahead in range(AHEAD):
        code = world["forecast"][ahead]
        general_O[at + 2 * ahead] = (code & WET) > 0
        general_O[at + 2 * ahead + 1] = (code & BAD) > 0
    at += 2 * AHEAD
    season = world["calendar"] % YEAR
    general_O[at], general_O[at + 1] = _SINE[season], _COSINE[season]
    at += 2
    for material in range(MATERIALS):
        general_O[at + material] = world["stock"][material] / rules["lot"]
        general_O[at + MATERIALS + material] = on_its_way(world, material) / rules["lot"]
        general_O[at + 2 * MATERIALS + material] = world["price"][material]
    at += 3 * MATERIALS
    general_O[at] = world["cash"] / rules["budget"]
    general_O[at + 1] = 1.0 - world["cost"] / rules["budget"]
    general_O[at + 2] = (world["due"] - world["day"]) / 50.0
    planned = min(world["day"] / max(world["due"], 1), 1.0)
    earned = world["earned"] / world["units"] if world["units"] > 0 else 1.0
    general_O[at + 3] = min(earned / planned, 3.0) if planned > 0 else 1.0
    general_O[at + 4] = min(earned * rules["budget"] / max(world["cost"], 1.0), 3.0)
    general_O[at + 5] = world["incidents"] / 4.0
    general_O[at + 6] = world["live"] / rules["seats"]
    general_O[at + 7] = world["briefed"]
    general_O[at + 8] = world["stopped"]


@inlined
def write_trade(world: np.void, rules: np.void, trade: int, general_O: NDArray[np.float32]) -> None:
    """What crews of a trade share of OWN."""
    at, away = HEAD + rules["slots"] * FEATURES + _COMMON, 0
    for case in range(world["out"].shape[1]):
        away += world["out"][trade, case, 0] if world["out"][trade, case, 1] > 0 else 0
    general_O[at + 3] = world["broken"][trade] / 2.0
    general_O[at + 4] = away / max(world["project"]["capacity"][trade], 1)


@inlined
def write_crew(
    world: np.void,
    rules: np.void,
    supplier: bool,
    general_O: NDArray[np.float32],
    observation_NO: NDArray[np.float32],
    seat: int,
) -> None:
    """COMMON and OWN to a foreman."""
    at = HEAD + rules["slots"] * FEATURES
    move(observation_NO, seat * observation_NO.shape[1] + at, general_O, at, _COMMON + _OWN)
    at += _COMMON
    observation_NO[seat, at] = world["tired"][seat]
    observation_NO[seat, at + 1] = world["hours"][seat] / 40.0
    observation_NO[seat, at + 2] = world["account"][seat] / rules["crew_credit"]
    observation_NO[seat, at + 5] = supplier
    observation_NO[seat, at + 6] = world["helps"][seat] != NONE


@inlined
def describe_site(world: np.void, rules: np.void) -> None:
    """SLOT of every ready activity, behind its other features."""
    project, table = world["project"], world["table"]
    for at in range(world["ready_count"]):
        job = world["ready"][at]
        crowd, zone = 0, project["zone"][job]
        for i in range(world["running_count"]):
            crowd += project["zone"][world["running"][i]] == zone
        table[job, FEATURES] = project["exposure"][job]
        table[job, FEATURES + 1] = crowd / 4.0
        table[job, FEATURES + 2] = in_stock(world, rules, job)
        table[job, FEATURES + 3] = world["rework"][job]


@inlined
def slots_at(rules: np.void) -> int:
    """Where SLOT's rows begin in an observation."""
    return HEAD + rules["slots"] * FEATURES + _COMMON + _OWN  # type: ignore[no-any-return]


@inlined
def write_slots(world: np.void, rules: np.void, trade: int, general_O: NDArray[np.float32]) -> None:
    """SLOT of a trade's slots, where they stand in an observation."""
    at = slots_at(rules)
    for slot in range(world["slots"][trade]):
        job = world["ready"][world["slot"][trade, slot]]
        move(general_O, at, world["table"], job * ALL + FEATURES, SLOT_SIZE)
        at += SLOT_SIZE


@inlined
def write_commands(
    world: np.void, rules: np.void, supplier: bool, helpful: bool, mask_NA: NDArray[np.uint8], seat: int
) -> bool:
    """Orders, of the supplier alone, briefing and help in the mask; returns if one is legal.

    `helpful`: there is somebody whom the trade can help.
    """
    first = 1 + rules["slots"] * rules["modes"]
    some = False
    for material in range(MATERIALS):
        legal = supplier and may_order(world, rules, material)
        mask_NA[seat, first + material] = legal
        some = some or legal
    briefing = world["briefed"] == 0 and world["running_count"] > 0 and rules["hazard_scale"] > 0
    mask_NA[seat, first + MATERIALS] = briefing
    helps = helpful and world["helps"][seat] == NONE
    mask_NA[seat, first + MATERIALS + 1] = helps
    return some or briefing or helps
