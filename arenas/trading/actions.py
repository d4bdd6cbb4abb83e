"""What a trader may do: 30 choices, which of them are legal, and how one is carried out.

0 hold; 1-3 buy and 4-6 sell at market (a quarter, half, all of the limit); 7-16 bid and 17-26 offer at 1 tick
better than, at, and 1, 2, 4 ticks behind the best price (for each a quarter and half of the limit); 27, 28,
29 cancel bids, offers, all. Quantities are cut to the room that limits and margin leave. An illegal choice is
carried out as hold.

Or, continuous, four numbers from -1 to 1: (behind, size) of the bid, then of the offer. `REACH` x `behind`
ticks behind the best price of its side, below 0 better ones that may trade at once; `size` x the limit,
nothing up to 0. They replace what rests; a quote that stands as wished keeps its place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.draws import below
from arenas.jit import compiled
from arenas.trading.book import (
    ASK,
    BID,
    BUY,
    COUNT,
    FIRST,
    LOTS,
    NONE,
    PRICE,
    REST,
    SELL,
    TICKS,
    cancel_all,
)
from arenas.trading.world import cross, quote, room, size_of, trade, within_band

HOLD, MARKET, LIMIT, CANCEL, CHOICES = 0, 1, 7, 27, 30
OFFSETS = np.array([-1, 0, 1, 2, 4], np.int64)
"""Ticks behind the best price, in the order of the choices."""
REACH, NUMBERS = 8, 4
"""Of a continuous action: ticks that 1 stands for, how many numbers."""


@compiled
def obey(world: np.void, rules: np.void, seat: int, action: int) -> None:
    """Carry out a choice; the room is taken anew, since earlier orders of the step may have filled quotes."""
    if action == HOLD:
        return
    owner = seat + 1
    if action >= CANCEL:
        if action != CANCEL + 1:
            cancel_all(world, owner, BUY)
        if action != CANCEL:
            cancel_all(world, owner, SELL)
        return
    if action < LIMIT:
        side, size, offset = (action - MARKET) // 3, (action - MARKET) % 3, -2
    else:
        side, size = (action - LIMIT) // 10, (action - LIMIT) % 2
        offset = OFFSETS[(action - LIMIT) % 10 // 2]
    if rules["replace"]:
        cancel_all(world, owner, side)
    lots = min(size_of(rules, size), room(world, rules, seat, side))
    if lots == 0:
        return
    if action < LIMIT:
        cross(world, rules, owner, side, lots)
    else:
        place(world, rules, seat, side, quote(world, side, offset), lots)


@compiled
def is_maker(rules: np.void, seat: int) -> bool:
    """Whether a seat quotes only."""
    first = rules["liquidator_seats"]
    return bool(first <= seat < first + rules["maker_seats"])


@compiled
def place(world: np.void, rules: np.void, seat: int, side: int, price: int, lots: int) -> None:
    """A limit order, moved into the band; a maker's also out of the way of what it would trade with."""
    price = within_band(world, rules, price)
    if is_maker(rules, seat):
        best = world["top"][ASK] if side == BUY else world["top"][BID]
        price = min(price, best - 1) if side == BUY else max(price, best + 1)
    trade(world, rules, seat + 1, side, price, lots, REST)


@compiled
def steer(world: np.void, rules: np.void, seat: int, wish_K: NDArray[np.float32]) -> None:
    """Carry out a continuous action, the more eager side first; one with a number outside -1..1 is hold."""
    for number in range(NUMBERS):
        if not -1.0 <= wish_K[number] <= 1.0:
            return
    first = BUY if wish_K[0] < wish_K[2] else SELL
    if wish_K[0] == wish_K[2]:
        first = below(world["rng"], 2)
    for side in (first, 1 - first):
        lots = round(rules["limit"] * max(float(wish_K[2 * side + 1]), 0.0))
        _renew(world, rules, seat, side, round(REACH * float(wish_K[2 * side])), lots)


@compiled
def _renew(world: np.void, rules: np.void, seat: int, side: int, behind: int, lots: int) -> None:
    """Replace a side's orders by one; in a halt they are only cancelled, by a wish for none."""
    own = world["owners"][seat + 1]
    if world["halt"] > 0:
        if lots == 0:
            cancel_all(world, seat + 1, side)
        return
    price, slot = within_band(world, rules, quote(world, side, behind)), own[FIRST + side]
    stands = own[COUNT + side] == 1 and world["slots"][slot, PRICE] == price
    if stands and lots > 0 and world["slots"][slot, LOTS] == lots:
        return
    cancel_all(world, seat + 1, side)
    lots = min(lots, room(world, rules, seat, side))
    if lots > 0:
        place(world, rules, seat, side, price, lots)


@compiled
def write_mask(world: np.void, rules: np.void, seat: int, mask_A: NDArray[np.uint8]) -> None:
    """Legal choices: sizes that the room tells apart, cancels where orders rest, hold always."""
    for choice in range(CHOICES):
        mask_A[choice] = 0
    mask_A[HOLD] = 1
    if world["halt"] > 0:
        for side in (BUY, SELL):
            mask_A[CANCEL + side] = world["owners"][seat + 1, COUNT + side] > 0
        mask_A[CANCEL + 2] = mask_A[CANCEL] and mask_A[CANCEL + 1]
        return
    inside = world["bid"] == NONE or world["ask"] == TICKS or world["ask"] - world["bid"] > 1
    for side in (BUY, SELL):
        lots = room(world, rules, seat, side)
        best = world["ask"] if side == BUY else world["bid"]
        tradable = best not in (NONE, TICKS) and within_band(world, rules, best) == best
        tradable = tradable and not is_maker(rules, seat)
        may_rest = rules["replace"] or world["owners"][seat + 1, COUNT + side] < rules["open_orders"]
        for size in range(3):
            if lots <= (size_of(rules, size - 1) if size > 0 else 0):
                break
            mask_A[MARKET + 3 * side + size] = tradable
            if size < 2 and may_rest:
                for offset in range(len(OFFSETS)):
                    legal = inside or offset > 0
                    mask_A[LIMIT + 10 * side + 2 * offset + size] = legal
        mask_A[CANCEL + side] = world["owners"][seat + 1, COUNT + side] > 0
    mask_A[CANCEL + 2] = mask_A[CANCEL] and mask_A[CANCEL + 1]
