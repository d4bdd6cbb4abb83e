"""What signatures change of what is shown, and nothing else: most rounds are no more than signatures.

Axes: N seats, A choices, O observation, K trades.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.construction.features import FEATURES, SIGNED, SIGNED_SHARE
from arenas.construction.task import HEAD, OWN_PENDING, PENDING
from arenas.jit import inlined


@inlined
def write_signatures(
    world: np.void,
    rules: np.void,
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
    acting_N: NDArray[np.bool_],
    signed_K: NDArray[np.int64],
) -> None:
    """Who has signed what, who may still sign, and which live seats are asked; `signed_K` is scratch."""
    pending, crews = _count(world, signed_K), rules["crews"]
    for trade in range(world["project"]["trades"]):
        for seat in range(trade * crews, (trade + 1) * crews):
            if world["alive"][seat]:
                observation_NO[seat, OWN_PENDING] = signed_K[trade] / 4.0
                observation_NO[seat, PENDING] = pending / 4.0
                some = _write_slots(world, rules, trade, observation_NO, mask_NA, seat)
                acting_N[seat] = some or world["commands"][seat] > 0


@inlined
def _count(world: np.void, signed_K: NDArray[np.int64]) -> int:
    """Shares of those who have signed each ready activity.

    Returns how many that can start somebody has signed; of each trade in `signed_K`.
    """
    trades, pending = world["project"]["trades"], 0
    for trade in range(trades):
        signed_K[trade] = 0
    for at in range(world["ready_count"]):
        job = world["ready"][at]
        signed, who = 0, world["signed"][job]
        if who:
            can = world["startable"][at]
            pending += can
            for trade in range(trades):
                bit = (who >> trade) & 1
                signed += bit
                signed_K[trade] += bit & can
        world["table"][job, SIGNED_SHARE] = signed / max(world["project"]["needs"][job], 1)
    return pending


@inlined
def _write_slots(
    world: np.void,
    rules: np.void,
    trade: int,
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
    seat: int,
) -> bool:
    """Each startable activity that the trade has not signed today is legal; returns if there is one."""
    some, modes = False, rules["modes"]
    for slot in range(world["slots"][trade]):
        at = world["slot"][trade, slot]
        job = world["ready"][at]
        signed = (world["signed"][job] >> trade) & 1
        legal = world["startable"][at] > 0 and signed == 0
        some = some or legal
        row = HEAD + slot * FEATURES
        observation_NO[seat, row + SIGNED] = signed
        observation_NO[seat, row + SIGNED_SHARE] = world["table"][job, SIGNED_SHARE]
        for mode in range(modes):
            mask_NA[seat, 1 + slot * modes + mode] = legal
    return some
