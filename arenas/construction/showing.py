"""What foremen are shown after a step: observations, masks, who is asked, the state.

Rows of empty slots stay zero between steps: only those that were filled before are cleared (`shown`), and
what a site shows of weather, stocks and money is written when it has changed (`stale`).
Axes: N seats, A choices, O observation, S state.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arenas.construction import site
from arenas.construction.forecast import write_forecasts
from arenas.construction.slots import FEATURES, describe, fill_slots, mark_startable
from arenas.construction.task import HEAD, write_blueprint, write_general, write_mask, write_own
from arenas.construction.world import NONE
from arenas.jit import compiled, inlined


class Scratch(NamedTuple):
    """Memory that outlives no step.

    What trades see, which ready activities can start, their features, a draft.
    """

    general_O: NDArray[np.float32]
    startable_X: NDArray[np.bool_]
    table_XF: NDArray[np.float32]
    draft_1: NDArray[np.void]


@compiled
def clear(
    world: np.void,
    rules: np.void,
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
    jobs: int,
) -> None:
    """The faces of a match that begins: nothing is shown yet but the network."""
    observation_NO[:] = 0.0
    mask_NA[:] = 0
    mask_NA[:, 0] = 1
    world["stale"] = 1
    for trade in range(world["shown"].shape[0]):
        world["shown"][trade] = 0
    if rules["blueprint"]:
        base = observation_NO.shape[1] - _blueprint_length(jobs)
        for seat in range(rules["seats"]):
            write_blueprint(world, jobs, observation_NO[seat], base, True)


@inlined
def show(
    world: np.void,
    rules: np.void,
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
    acting_N: NDArray[np.bool_],
    scratch: Scratch,
    jobs: int,
) -> None:
    """Observations and masks of the live seats; who has nothing to choose is not asked."""
    startable_X, table_XF, general_O = scratch.startable_X, scratch.table_XF, scratch.general_O
    count = mark_startable(world, startable_X)
    if rules["site"]:
        count = site.restrict(world, rules, startable_X)
    fill_slots(world, rules, startable_X)
    describe(world, startable_X, count, table_XF)
    write_general(world, startable_X, general_O)
    general_O[HEAD - 1] = write_forecasts(world, startable_X, count, table_XF) if rules["forecast"] else 0.0
    if rules["site"] and world["stale"]:
        site.write_common(world, rules, general_O, HEAD)
    supplier = NONE
    for trade in range(world["project"]["trades"]):
        first = NONE
        for seat in range(trade * rules["crews"], (trade + 1) * rules["crews"]):
            if not world["alive"][seat]:
                continue
            if supplier == NONE and not world["leaving"][seat]:
                supplier = seat
            if first == NONE:
                first = seat
                acting_N[seat] = _write(world, rules, trade, seat, scratch, observation_NO, mask_NA)
            else:
                acting_N[seat] = acting_N[first]
                _copy(world, rules, trade, first, seat, observation_NO, mask_NA)
        some = acting_N[first] if first != NONE else False
        for seat in range(trade * rules["crews"], (trade + 1) * rules["crews"]):
            if world["alive"][seat] and rules["site"]:
                if world["stale"]:
                    site.write_seat(world, rules, trade, seat == supplier, general_O, observation_NO, seat)
                commands = site.write_commands(world, rules, trade, seat == supplier, mask_NA, seat)
                acting_N[seat] = some or commands
            if world["alive"][seat] and rules["blueprint"]:
                out_O = observation_NO[seat]
                write_blueprint(world, jobs, out_O, len(out_O) - _blueprint_length(jobs), False)
        world["shown"][trade] = world["slots"][trade]
    world["stale"] = 0


@inlined
def _write(
    world: np.void,
    rules: np.void,
    trade: int,
    seat: int,
    scratch: Scratch,
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
) -> bool:
    """A trade's slots and what it may sign, to its first foreman; returns if there is something to sign."""
    rows = max(world["slots"][trade], world["shown"][trade])
    startable_X = scratch.startable_X
    write_own(
        world,
        trade,
        rows,
        startable_X,
        scratch.general_O,
        scratch.table_XF,
        observation_NO,
        seat,
    )
    if rules["site"]:
        site.write_slots(world, rules, trade, rows, observation_NO, seat, HEAD + rules["slots"] * FEATURES)
    return write_mask(world, trade, rows, rules["modes"], startable_X, mask_NA, seat)


@inlined
def _copy(
    world: np.void,
    rules: np.void,
    trade: int,
    first: int,
    seat: int,
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
) -> None:
    """The same to another foreman of the trade."""
    rows = max(world["slots"][trade], world["shown"][trade])
    _repeat(observation_NO, first, seat, 0, HEAD + rows * FEATURES)
    for choice in range(1, 1 + rows * rules["modes"]):
        mask_NA[seat, choice] = mask_NA[first, choice]
    if rules["site"]:
        at = HEAD + rules["slots"] * FEATURES + site.slots_at()
        _repeat(observation_NO, first, seat, at, at + rows * site.slot_size())


@inlined
def _repeat(observation_NO: NDArray[np.float32], source: int, seat: int, begin: int, end: int) -> None:
    """Show a seat a part of what another one sees."""
    for i in range(begin, end):
        observation_NO[seat, i] = observation_NO[source, i]


@inlined
def _blueprint_length(jobs: int) -> int:
    return 9 + jobs * (13 + jobs)


@compiled
def write_state(world: np.void, out_S: NDArray[np.float32], jobs: int) -> None:
    """The whole network and its progress, then bound and stocks."""
    write_blueprint(world, jobs, out_S, 0, True)
    base = _blueprint_length(jobs)
    out_S[base] = world["bound"]
    out_S[base + 1] = world["cash"]
    out_S[base + 2] = world["cost"]
    out_S[base + 3] = world["sky"][0]
    for material in range(3):
        out_S[base + 4 + material] = world["stock"][material]
