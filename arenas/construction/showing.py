"""What foremen are shown after a step: observations, masks, who is asked, the state.

Nothing is written twice: where a round was signatures only they alone are written; else (`moved`) the rows of
slots that hold or held something (`shown`), and what a site shows of weather, stocks, money and crews where
that has changed (`stale`). Each part is put together once, in `general_O`, and moved to all who see it.
Axes: N seats, A choices, O observation, S state, K trades, X places of lists.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arenas.construction import site, site_showing
from arenas.construction.features import FEATURES, SLOT_SIZE
from arenas.construction.forecast import write_forecasts
from arenas.construction.helping import may_help
from arenas.construction.signatures import write_signatures
from arenas.construction.slots import describe, fill_slots, mark_startable
from arenas.construction.task import HEAD, write_blueprint, write_general, write_own
from arenas.construction.world import NONE
from arenas.jit import compiled, inlined, move


class Scratch(NamedTuple):
    """Memory that outlives no step.

    An observation, how much each trade has signed, running activities by their end, where projects are made.
    """

    general_O: NDArray[np.float32]
    signed_K: NDArray[np.int64]
    by_end_X: NDArray[np.int64]
    shop_1: NDArray[np.void]


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
    world["stale"] = world["moved"] = 1
    for seat in range(rules["seats"]):
        world["commands"][seat] = 0
    for trade in range(world["shown"].shape[0]):
        world["shown"][trade] = 0
    for job in range(world["project"]["jobs"]):
        world["table"][job, 0] = 0.0
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
    if world["moved"]:
        _prepare(world, rules, scratch)
        _write_trades(world, rules, observation_NO, mask_NA, scratch.general_O)
        if rules["blueprint"]:
            _write_blueprints(world, rules, observation_NO, jobs)
    if rules["site"] and world["stale"]:
        _write_crews(world, rules, observation_NO, mask_NA, scratch.general_O)
    write_signatures(world, rules, observation_NO, mask_NA, acting_N, scratch.signed_K)
    world["moved"] = world["stale"] = 0


@inlined
def _prepare(world: np.void, rules: np.void, scratch: Scratch) -> None:
    """What can start, the slots, the features of activities, and what all see."""
    count = mark_startable(world)
    if rules["site"]:
        count = site.restrict(world, rules)
    fill_slots(world, rules)
    describe(world, count, scratch.by_end_X)
    if rules["site"]:
        site_showing.describe_site(world, rules)
    write_general(world, scratch.general_O)
    scratch.general_O[HEAD - 1] = write_forecasts(world, count) if rules["forecast"] else 0.0


@inlined
def _write_trades(
    world: np.void,
    rules: np.void,
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
    general_O: NDArray[np.float32],
) -> None:
    """Each trade's head and slots to its live foremen."""
    crews = rules["crews"]
    for trade in range(world["project"]["trades"]):
        write_own(world, trade, general_O)
        if rules["site"]:
            site_showing.write_slots(world, rules, trade, general_O)
        for seat in range(trade * crews, (trade + 1) * crews):
            if world["alive"][seat]:
                _write_rows(world, rules, trade, seat, observation_NO, mask_NA, general_O)
        world["shown"][trade] = world["slots"][trade]


@inlined
def _write_rows(
    world: np.void,
    rules: np.void,
    trade: int,
    seat: int,
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
    general_O: NDArray[np.float32],
) -> None:
    """Head and slots to a foreman; those that held something are cleared."""
    rows, shown, modes = world["slots"][trade], world["shown"][trade], rules["modes"]
    row = seat * observation_NO.shape[1]
    move(observation_NO, row, general_O, 0, HEAD)
    for at in range(HEAD, HEAD + rows * FEATURES, FEATURES):
        move(observation_NO, row + at, general_O, at, FEATURES)
    for i in range(HEAD + rows * FEATURES, HEAD + shown * FEATURES):
        observation_NO[seat, i] = 0.0
    for choice in range(1 + rows * modes, 1 + shown * modes):
        mask_NA[seat, choice] = 0
    if rules["site"]:
        first = site_showing.slots_at(rules)
        for at in range(first, first + rows * SLOT_SIZE, SLOT_SIZE):
            move(observation_NO, row + at, general_O, at, SLOT_SIZE)
        for i in range(first + rows * SLOT_SIZE, first + shown * SLOT_SIZE):
            observation_NO[seat, i] = 0.0


@inlined
def _write_crews(
    world: np.void,
    rules: np.void,
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
    general_O: NDArray[np.float32],
) -> None:
    """What a site shows to all and to each crew, and the commands that are legal."""
    site_showing.write_common(world, rules, general_O)
    supplier, crews = NONE, rules["crews"]
    for trade in range(world["project"]["trades"]):
        site_showing.write_trade(world, rules, trade, general_O)
        helpful = may_help(world, trade)
        for seat in range(trade * crews, (trade + 1) * crews):
            if not world["alive"][seat]:
                continue
            if supplier == NONE and not world["leaving"][seat]:
                supplier = seat
            first = seat == supplier
            site_showing.write_crew(world, rules, first, general_O, observation_NO, seat)
            world["commands"][seat] = site_showing.write_commands(world, rules, first, helpful, mask_NA, seat)


@inlined
def _write_blueprints(world: np.void, rules: np.void, observation_NO: NDArray[np.float32], jobs: int) -> None:
    """Progress in the network, to all live foremen."""
    for seat in range(rules["seats"]):
        if world["alive"][seat]:
            out_O = observation_NO[seat]
            write_blueprint(world, jobs, out_O, len(out_O) - _blueprint_length(jobs), False)


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
