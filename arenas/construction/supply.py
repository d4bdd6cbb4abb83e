"""Concrete, steel and wood: prices that wander, orders on their way, a store that is finite and spoils."""

from __future__ import annotations

import math

import numpy as np

from arenas.construction.record import MATERIALS
from arenas.draws import below, normal
from arenas.jit import compiled, inlined

PRICES = np.array([0.5, 1.0, 0.4])
"""Of a unit of concrete, steel, wood at the start, in thousands."""
CAME, USED, SPOILED, REFUSED = range(4)
"""Columns of the ledger."""


@compiled
def begin_supply(world: np.void, rules: np.void) -> None:
    """A lot of each material is there."""
    for material in range(MATERIALS):
        world["price"][material] = PRICES[material]
        world["stock"][material] = rules["lot"] if rules["supply"] else 0
        world["ordered"][material] = 0
        for column in range(4):
            world["ledger"][material, column] = 0.0
            world["transit"][material, column, 0] = world["transit"][material, column, 1] = 0.0
        world["ledger"][material, CAME] = world["stock"][material]


@inlined
def on_its_way(world: np.void, material: int) -> float:
    """Units ordered and not yet there."""
    total = 0.0
    for order in range(world["transit"].shape[1]):
        total += world["transit"][material, order, 0]
    return total


@inlined
def may_order(world: np.void, rules: np.void, material: int) -> bool:
    """Once a day, with room in the store for all that comes, and money to pay."""
    if not rules["supply"] or world["ordered"][material]:
        return False
    free = False
    for order in range(world["transit"].shape[1]):
        free = free or world["transit"][material, order, 0] == 0
    room = rules["storage"] - world["stock"][material] - on_its_way(world, material)
    price = world["price"][material] * rules["lot"]
    return free and room >= rules["lot"] and world["cash"] - price >= -rules["credit"]


@compiled
def order(world: np.void, rules: np.void, material: int) -> None:
    """Pay for a lot, which comes after the lead time, a day earlier or later."""
    price = world["price"][material] * rules["lot"]
    world["cash"] -= price
    world["cost"] += price
    world["ordered"][material] = 1
    for place in range(world["transit"].shape[1]):
        if world["transit"][material, place, 0] == 0:
            world["transit"][material, place, 0] = rules["lot"]
            world["transit"][material, place, 1] = max(rules["lead_days"] + below(world["rng"], 3) - 1, 1)
            return


@inlined
def in_stock(world: np.void, rules: np.void, job: int) -> bool:
    """Whether all that an activity needs is there; once started, it has it."""
    if not rules["supply"] or world["start"][job] >= 0:
        return True
    for material in range(MATERIALS):
        if world["project"]["material"][job, material] > world["stock"][material]:
            return False
    return True


@compiled
def take(world: np.void, rules: np.void, job: int) -> None:
    """Take what an activity needs from the store, at its first start."""
    if not rules["supply"] or world["start"][job] >= 0:
        return
    for material in range(MATERIALS):
        units = world["project"]["material"][job, material]
        world["stock"][material] -= units
        world["ledger"][material, USED] += units


@inlined
def turn_supply(world: np.void, rules: np.void) -> None:
    """A night: some spoils, deliveries come, prices move."""
    if not rules["supply"]:
        return
    for material in range(MATERIALS):
        world["ordered"][material] = 0
        spoiled = rules["spoilage"] * world["stock"][material]
        world["stock"][material] -= spoiled
        world["ledger"][material, SPOILED] += spoiled
        for place in range(world["transit"].shape[1]):
            if world["transit"][material, place, 0] > 0:
                world["transit"][material, place, 1] -= 1
                if world["transit"][material, place, 1] <= 0:
                    _deliver(world, rules, material, world["transit"][material, place, 0])
                    world["transit"][material, place, 0] = 0.0
        world["price"][material] *= math.exp(rules["price_noise"] * normal(world["rng"]))
        world["price"][material] = min(
            max(world["price"][material], 0.4 * PRICES[material]), 2.5 * PRICES[material]
        )


@compiled
def _deliver(world: np.void, rules: np.void, material: int, units: float) -> None:
    """Into the store, as far as there is room."""
    taken = min(units, rules["storage"] - world["stock"][material])
    world["stock"][material] += taken
    world["ledger"][material, CAME] += taken
    world["ledger"][material, REFUSED] += units - taken
