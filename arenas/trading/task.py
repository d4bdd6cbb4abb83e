"""What seats see of the world and what they are paid: observation, state, reward.

Axes: N seats (capacity), D depth, H history, O observation, S state. Distances are in tens of ticks,
quantities in parts of the limit, money in tens of ticks x the limit; no absolute price is shown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.jit import compiled
from arenas.trading.book import (
    ASK,
    BID,
    BIDS,
    BUY,
    DEPTH,
    FIRST,
    NONE,
    OPEN,
    OWN_NEXT,
    PRICE,
    QUEUE,
    SELL,
    TICKS,
)
from arenas.trading.options import CENTS
from arenas.trading.world import (
    CASH,
    CHANGE,
    COST,
    EQUITY,
    FLOW,
    IMBALANCE,
    PAID,
    SHARES,
    SPREAD,
    room,
)

UNIT = 10.0
"""Ticks that count as 1 in observations."""
MARKET, PRIVATE = 12, 11
"""Lengths of the blocks `market` and of all private ones together."""


def observation_slices(depth: int, history: int) -> dict[str, tuple[int, int]]:
    """The named parts; history: change, spread, imbalance, flow of each step, oldest first."""
    sizes = {
        "history": 4 * history,
        "bids": 2 * depth,
        "asks": 2 * depth,
        "spread": 1,
        "imbalance": 1,
        "depth_imbalance": 1,
        "micro": 1,
        "last": 1,
        "fast": 1,
        "slow": 1,
        "flow": 1,
        "heat": 1,
        "rivals": 1,
        "maker_fee": 1,
        "taker_fee": 1,
        "inventory": 1,
        "equity": 1,
        "gain": 1,
        "bid": 2,
        "ask": 2,
        "room": 2,
        "time": 1,
        "signal": 1,
    }
    spans, at = {}, 0
    for name, size in sizes.items():
        spans[name] = (at, at + size)
        at += size
    return spans


def observation_size(depth: int, history: int) -> int:
    """O."""
    return observation_slices(depth, history)["signal"][1]


def state_size(seats: int, depth: int) -> int:
    """S: the book and market as all see them, value less mid, time; then five numbers a seat."""
    return 4 * depth + MARKET + 2 + 5 * seats


@compiled
def remember(world: np.void, rules: np.void, previous_mid2: int, flow: int) -> None:
    """Append a step to the history and renew the means."""
    history, cursor = world["history"], world["cursor"]
    mid = 0.5 * world["mid2"]
    change = 0.5 * (world["mid2"] - previous_mid2)
    world["fast"] += 0.3 * (mid - world["fast"])
    world["slow"] += 0.06 * (mid - world["slow"])
    world["flow"] += 0.2 * (flow - world["flow"])
    world["heat"] += 0.1 * (abs(change) - world["heat"])
    for row in (cursor, cursor + rules["history"]):
        history[row, CHANGE] = change / UNIT
        history[row, SPREAD] = spread_of(world) / UNIT
        history[row, IMBALANCE] = imbalance(world)
        history[row, FLOW] = flow / rules["limit"]
    world["cursor"] = (cursor + 1) % rules["history"]


@compiled
def spread_of(world: np.void) -> float:
    """Best ask less best bid in ticks; 0 where a side is empty."""
    return float(world["ask"] - world["bid"]) if world["bid"] != NONE and world["ask"] != TICKS else 0.0


@compiled
def imbalance(world: np.void) -> float:
    """(bid - ask) / (bid + ask) of the lots at the best prices, in [-1, 1]; an empty side counts 0."""
    top, levels = world["top"], world["levels"]
    bid = levels[top[BID], DEPTH] if top[BID] != NONE else 0
    ask = levels[top[ASK], DEPTH] if top[ASK] != TICKS else 0
    return (bid - ask) / max(bid + ask, 1)


@compiled
def write_public(world: np.void, rules: np.void, depth: int, out_O: NDArray[np.float32]) -> int:
    """History, book and market; returns where the private part begins."""
    history, cursor, at = world["history"], world["cursor"], 0
    for row in range(cursor, cursor + rules["history"]):
        for column in range(4):
            out_O[at] = history[row, column]
            at += 1
    return write_book(world, rules, depth, out_O, at)


@compiled
def write_book(world: np.void, rules: np.void, depth: int, out_O: NDArray[np.float32], at: int) -> int:
    """The best `depth` levels of both sides and the market block; returns where it ends."""
    mid, limit = 0.5 * world["mid2"], rules["limit"]
    bids = _write_side(world, rules, BUY, depth, out_O, at)
    asks = _write_side(world, rules, SELL, depth, out_O, at + 2 * depth)
    at += 4 * depth
    top = imbalance(world)
    out_O[at] = spread_of(world) / UNIT
    out_O[at + 1] = top
    out_O[at + 2] = (bids - asks) / max(bids + asks, 1)
    out_O[at + 3] = 0.5 * top * spread_of(world) / UNIT
    out_O[at + 4] = (world["last"] - mid) / UNIT
    out_O[at + 5] = (world["fast"] - mid) / UNIT
    out_O[at + 6] = (world["slow"] - mid) / UNIT
    out_O[at + 7] = world["flow"] / limit
    out_O[at + 8] = world["heat"] / UNIT
    out_O[at + 9] = (world["live"] - 1) / rules["seats"]
    out_O[at + 10] = rules["maker_fee"]
    out_O[at + 11] = rules["taker_fee"]
    return at + MARKET


@compiled
def _write_side(
    world: np.void, rules: np.void, side: int, depth: int, out_O: NDArray[np.float32], at: int
) -> int:
    """Distance from the mid and lots of a side's best levels, (0, 0) where absent. Returns the lots."""
    levels = world["levels"]
    price, step = world["top"][BID + side], -1 if side == BUY else 1
    left, lots, limit = world["top"][BIDS + side], 0, rules["limit"]
    for level in range(depth):
        while left > 0 and levels[price, QUEUE] == 0:
            price += step
        if left == 0:
            out_O[at + 2 * level] = 0.0
            out_O[at + 2 * level + 1] = 0.0
            continue
        out_O[at + 2 * level] = abs(price - 0.5 * world["mid2"]) / UNIT
        out_O[at + 2 * level + 1] = levels[price, DEPTH] / limit
        lots += levels[price, DEPTH]
        left -= levels[price, QUEUE]
        price += step
    return lots


@compiled
def write_private(world: np.void, rules: np.void, seat: int, out_O: NDArray[np.float32], at: int) -> None:
    """A seat's own part, from `at` on."""
    account = world["accounts"][seat + 1]
    limit, mid = float(rules["limit"]), 0.5 * world["mid2"]
    money = CENTS * UNIT * limit
    out_O[at] = account[SHARES] / limit
    out_O[at + 1] = (account[EQUITY] - rules["capital"] * CENTS) / money
    out_O[at + 2] = (account[SHARES] * mid * CENTS - account[COST]) / money
    for side in (BUY, SELL):
        own = world["owners"][seat + 1]
        out_O[at + 3 + 2 * side] = own[OPEN + side] / limit
        best = best_own(world, seat + 1, side)
        out_O[at + 4 + 2 * side] = abs(mid - best) / UNIT if best != NONE else 0.0
        out_O[at + 7 + side] = room(world, rules, seat, side) / limit
    out_O[at + 9] = 1.0 - world["step"] / rules["horizon"]
    signal = world["value"] - mid + world["error"][seat]
    out_O[at + 10] = signal / UNIT if rules["informed"] else 0.0


@compiled
def best_own(world: np.void, owner: int, side: int) -> int:
    """The best price of an owner's orders on a side, or NONE."""
    slot, best = world["owners"][owner, FIRST + side], NONE
    while slot != NONE:
        price = world["slots"][slot, PRICE]
        if best == NONE or ((price > best) if side == BUY else (price < best)):
            best = price
        slot = world["slots"][slot, OWN_NEXT]
    return best


@compiled
def write_state(world: np.void, rules: np.void, depth: int, out_S: NDArray[np.float32]) -> None:
    """What a central critic may see: book, market, the value itself, time, and all seats' accounts."""
    for i in range(len(out_S)):
        out_S[i] = 0.0
    at = write_book(world, rules, depth, out_S, 0)
    limit = float(rules["limit"])
    out_S[at] = (world["value"] - 0.5 * world["mid2"]) / UNIT
    out_S[at + 1] = 1.0 - world["step"] / rules["horizon"]
    at += 2
    for seat in range(rules["seats"]):
        account, own = world["accounts"][seat + 1], world["owners"][seat + 1]
        out_S[at] = 1.0 if world["alive"][seat] else 0.0
        out_S[at + 1] = account[SHARES] / limit
        out_S[at + 2] = (account[EQUITY] - rules["capital"] * CENTS) / (CENTS * UNIT * limit)
        out_S[at + 3] = own[OPEN + BUY] / limit
        out_S[at + 4] = own[OPEN + SELL] / limit
        at += 5


@compiled
def pay(
    world: np.void, rules: np.void, seen_cents: int, paid_cents: int, reward_N: NDArray[np.float64]
) -> None:
    """Mark the live seats' accounts; pay the change of worth, less what inventory and rivals' gains cost.

    `seen_cents`, `paid_cents`: what a lot counts in the equity that seats see, and in what they are paid.
    """
    accounts = world["accounts"]
    total, live = 0, 0
    for seat in range(rules["seats"]):
        if not world["alive"][seat]:
            continue
        account = accounts[seat + 1]
        account[EQUITY] = account[CASH] + account[SHARES] * seen_cents
        worth = account[CASH] + account[SHARES] * paid_cents
        gain = worth - account[PAID]
        account[PAID] = worth
        reward_N[seat] = gain
        total += gain
        live += 1
    for seat in range(rules["seats"]):
        if not world["alive"][seat]:
            continue
        gain = reward_N[seat]
        if live > 1:
            gain -= rules["relative"] * (total - gain) / (live - 1)
        held = abs(accounts[seat + 1, SHARES])
        reward_N[seat] = (gain / CENTS - rules["inventory_penalty"] * held) / rules["reward_scale"]
