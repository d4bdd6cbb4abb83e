"""The background ecology: anonymous zero-intelligence flow, value traders, trend followers, market makers.

Anonymous orders follow Smith, Farmer, Gillemot, Krishnamurthy (2003): limit orders uniform over a depth of
ticks behind the opposite best price, market orders and cancellations at constant rates; market orders may
repeat the last side, as real order flow does (Lillo, Farmer 2004).
"""

from __future__ import annotations

import math

import numpy as np

from arenas.draws import below, normal, poisson, uniform
from arenas.jit import compiled
from arenas.trading.book import (
    ASK,
    BID,
    BUY,
    CROWD,
    NONE,
    NUMBER,
    OWNER,
    REST,
    RESTING,
    ROSTER,
    SELL,
    TICKS,
    cancel,
)
from arenas.trading.options import MOMENTUM_TRADERS, VALUE_TRADERS
from arenas.trading.world import SHARES, close_out, cross, trade, within_band


@compiled
def background(world: np.void, rules: np.void) -> None:
    """The background orders of a step: makers, value traders, trend followers, then the crowd."""
    first = rules["seats"] + 1
    for trader in range(rules["makers"]):
        if uniform(world["rng"]) < rules["maker_rate"]:
            _make(world, rules, first + VALUE_TRADERS + MOMENTUM_TRADERS + trader)
    for trader in range(rules["value_traders"]):
        if uniform(world["rng"]) < rules["value_rate"]:
            _trade_value(world, rules, first + trader)
    for trader in range(rules["momentum_traders"]):
        if uniform(world["rng"]) < rules["momentum_rate"]:
            _follow(world, rules, first + VALUE_TRADERS + trader)
    _crowd(world, rules)


@compiled
def _make(world: np.void, rules: np.void, owner: int) -> None:
    """Both quotes afresh around the mean mid, shifted against the inventory, never crossing."""
    close_out(world, owner)
    top, lots = world["top"], rules["maker_lots"]
    skew = min(max(0.5 * world["accounts"][owner, SHARES] / lots, -3.0), 3.0)
    centre = world["fast"] - skew
    bid = min(math.floor(centre - rules["maker_spread"]), top[ASK] - 1)
    ask = max(math.ceil(centre + rules["maker_spread"]), top[BID] + 1)
    trade(world, rules, owner, BUY, within_band(world, rules, bid), lots, REST)
    trade(world, rules, owner, SELL, within_band(world, rules, ask), lots, REST)


@compiled
def _trade_value(world: np.void, rules: np.void, owner: int) -> None:
    """Take what is mispriced against a noisy estimate of the value; else quote at the wanted edge."""
    close_out(world, owner)
    top = world["top"]
    estimate = world["value"] + rules["value_noise"] * normal(world["rng"])
    most, least = math.floor(estimate - rules["value_edge"]), math.ceil(estimate + rules["value_edge"])
    side = below(world["rng"], 2)
    if top[ASK] <= most:
        side = BUY
    elif top[BID] >= least:
        side = SELL
    price = within_band(world, rules, most if side == BUY else least)
    trade(world, rules, owner, side, price, rules["value_lots"], REST)


@compiled
def _follow(world: np.void, rules: np.void, owner: int) -> None:
    """Buy an upward trend, sell a downward one, up to ten orders' worth."""
    trend = world["fast"] - world["slow"]
    if abs(trend) < rules["momentum_edge"]:
        return
    lots = rules["momentum_lots"]
    if abs(world["accounts"][owner, SHARES] + (lots if trend > 0 else -lots)) > 10 * lots:
        return
    cross(world, rules, owner, BUY if trend > 0 else SELL, lots)


@compiled
def _crowd(world: np.void, rules: np.void) -> None:
    """A Poisson number of anonymous limit orders, market orders and cancellations, by their rates."""
    rng, top, slots = world["rng"], world["top"], world["slots"]
    limits, markets = rules["noise_limit"], rules["noise_market"]
    rate = limits + markets + rules["noise_cancel"] * top[RESTING]
    for _ in range(poisson(rng, rate)):
        event = uniform(rng) * rate
        lots = 1 + below(rng, 2 * rules["noise_lots"] - 1)
        if event < limits:
            _anonymous_limit(world, rules, lots)
        elif event < limits + markets:
            if uniform(rng) >= rules["herding"]:
                world["side"] = below(rng, 2)
            cross(world, rules, CROWD, world["side"], lots)
        elif top[RESTING] > 0:
            slot = slots[below(rng, top[RESTING]), ROSTER]
            if slots[slot, OWNER] == CROWD:
                cancel(world, slot, slots[slot, NUMBER])


@compiled
def _anonymous_limit(world: np.void, rules: np.void, lots: int) -> None:
    top = world["top"]
    side, distance = below(world["rng"], 2), 1 + below(world["rng"], rules["noise_depth"])
    if side == BUY:
        best = top[ASK] if top[ASK] != TICKS else world["mid2"] // 2 + 1
        price = best - distance
    else:
        best = top[BID] if top[BID] != NONE else (world["mid2"] + 1) // 2 - 1
        price = best + distance
    trade(world, rules, CROWD, side, within_band(world, rules, price), lots, REST)
