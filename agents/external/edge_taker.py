"""A trader from outside, for `marl/client.py`: takes what it holds for cheap, and quotes otherwise.

Numbers of the observation and of the choices are those that `marl arenas show trading` prints. Nothing of the
platform is imported: copy this file and the client to any machine.
"""

from __future__ import annotations

HOLD, BUY_QUARTER, SELL_QUARTER = 0, 1, 4
BID_AT_BEST, ASK_AT_BEST = 9, 19
SPREAD, TAKER_FEE, INVENTORY, SIGNAL = 84, 95, 96, 106
MARGIN = 0.1
"""Least gain for which it crosses the spread, in tens of ticks."""


def act(observation: list[float], mask: list[int]) -> int:
    """One of 30 choices: cross where the view exceeds spread and fee, else quote where it points."""
    edge = observation[SIGNAL] - 0.2 * observation[INVENTORY]
    cost = 0.5 * observation[SPREAD] + 0.1 * observation[TAKER_FEE] + MARGIN
    if edge > cost:
        wishes = [BUY_QUARTER, BID_AT_BEST]
    elif edge < -cost:
        wishes = [SELL_QUARTER, ASK_AT_BEST]
    else:
        wishes = [BID_AT_BEST] if edge > 0 else [ASK_AT_BEST]
    return next((choice for choice in wishes if mask[choice]), HOLD)
