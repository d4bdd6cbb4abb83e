"""The market's state and what moves it: value, orders, settlement, margin. Money in hundredths.

Axes: N seats (capacity), W accounts (the crowd, the seats, the background traders), H history.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from arenas.draws import below, normal, uniform
from arenas.jit import compiled
from arenas.trading.book import (
    ASK,
    BID,
    BOOK_FIELDS,
    BUY,
    COUNT,
    CROWD,
    NONE,
    OPEN,
    OWNERS,
    REST,
    SELL,
    T_LOTS,
    T_MAKER,
    T_PRICE,
    T_SIDE,
    T_TAKER,
    TAKE,
    TAPE,
    TICKS,
    TRADES,
    cancel_all,
    clear,
    submit,
)
from arenas.trading.options import CENTS, MAX_SEATS

START, MARGIN = 512, 64
"""Matches start at this tick, and the value keeps MARGIN from the ends of the ladder."""

CASH, SHARES, FEES, COST, VOLUME, EQUITY, PAID = range(7)
"""Columns of an account. COST: what the open position cost. EQUITY: worth at the last mid, as seats see it.
PAID: worth up to which rewards have been paid."""

CHANGE, SPREAD, IMBALANCE, FLOW = range(4)
"""Columns of the history, as observed: the mid's change, spread, imbalance, signed volume."""
MAX_HISTORY = 64

WORLD = np.dtype(
    [
        *BOOK_FIELDS,
        ("accounts", np.int64, (OWNERS, 8)),
        ("history", np.float32, (2 * MAX_HISTORY, 4)),
        ("error", np.float64, (MAX_SEATS,)),
        ("alive", np.uint8, (MAX_SEATS,)),
        ("turn", np.int64, (MAX_SEATS,)),
        ("rng", np.uint64, (1,)),
        *(
            (name, np.int64)
            for name in ("step", "live", "over", "mid2", "bid", "ask", "last", "cursor", "side")
        ),
        *((name, np.int64) for name in ("row", "left", "halt")),
        *(
            (name, np.float64)
            for name in ("value", "target", "origin", "gain", "fast", "slow", "flow", "heat")
        ),
    ],
    align=True,
)
"""One copy: its book and accounts (0 the crowd, 1.. the seats, then background traders), and the moment.

history: written twice, a history's length apart, so that a window is contiguous. error: of each seat's view
of the value. mid2: mid in half ticks. bid, ask: the best prices that the seats see. last: last trade. cursor:
next row of the history. side: of the last anonymous market order. row, left, target, origin, gain: replay's
place, steps left in its bar, the bar's last value, the series at the start, the factor. fast, slow: means of
the mid. halt: steps for which trading still rests. flow: mean signed volume. heat:
mean absolute change of the mid.
"""


@compiled
def begin(world: np.void, rules: np.void, series: NDArray[np.float64], windows_W2: NDArray[np.int64]) -> None:
    """An empty market at START, all accounts fresh; the caller has set the random state."""
    clear(world)
    for owner in range(OWNERS):
        for column in range(8):
            world["accounts"][owner, column] = 0
    for row in range(2 * MAX_HISTORY):
        for column in range(4):
            world["history"][row, column] = 0.0
    seats, capital = rules["seats"], rules["capital"] * CENTS
    for seat in range(MAX_SEATS):
        world["alive"][seat] = seat < seats
        if seat < seats:
            world["error"][seat] = rules["signal_noise"] * normal(world["rng"])
            world["accounts"][seat + 1, CASH] = capital
            world["accounts"][seat + 1, EQUITY] = capital
            world["accounts"][seat + 1, PAID] = capital
    for seat in range(rules["liquidator_seats"]):
        account = world["accounts"][seat + 1]
        account[SHARES], account[COST] = rules["mission"], rules["mission"] * START * CENTS
        account[CASH] -= account[COST]
    world["step"] = world["over"] = world["cursor"] = world["left"] = world["halt"] = 0
    world["live"] = seats
    world["mid2"], world["last"] = 2 * START, START
    world["side"] = below(world["rng"], 2)
    world["value"] = world["fast"] = world["slow"] = float(START)
    world["flow"] = world["heat"] = 0.0
    if rules["replay"]:
        _choose_window(world, rules, series, windows_W2)
    _open_book(world, rules)
    look(world)


@compiled
def _choose_window(
    world: np.void, rules: np.void, series: NDArray[np.float64], windows_W2: NDArray[np.int64]
) -> None:
    """A uniform start among all bars whose window holds a whole match; factor and sign of the returns."""
    bars = (rules["horizon"] + rules["bar_steps"] - 1) // rules["bar_steps"]
    starts = 0
    for window in range(rules["window"], rules["window"] + rules["windows"]):
        starts += windows_W2[window, 1] - windows_W2[window, 0] - bars
    start = below(world["rng"], starts)
    for window in range(rules["window"], rules["window"] + rules["windows"]):
        here = windows_W2[window, 1] - windows_W2[window, 0] - bars
        if start < here:
            world["row"] = windows_W2[window, 0] + start
            break
        start -= here
    world["origin"] = series[world["row"]]
    low, high = math.log(rules["scale_low"]), math.log(rules["scale_high"])
    gain = math.exp(low + (high - low) * uniform(world["rng"]))
    world["gain"] = -gain if rules["mirror"] and below(world["rng"], 2) else gain


@compiled
def _open_book(world: np.void, rules: np.void) -> None:
    """Two anonymous orders a rung on both sides, where there are anonymous orders at all."""
    if rules["noise_limit"] == 0:
        return
    for distance in range(1, rules["noise_depth"] + 1):
        for _ in range(2):
            submit(
                world,
                CROWD,
                BUY,
                START - distance,
                1 + below(world["rng"], 2 * rules["noise_lots"] - 1),
                REST,
            )
            submit(
                world,
                CROWD,
                SELL,
                START + distance,
                1 + below(world["rng"], 2 * rules["noise_lots"] - 1),
                REST,
            )


@compiled
def move_value(world: np.void, rules: np.void, series: NDArray[np.float64]) -> None:
    """The value's next step: a Brownian bridge to the next close, or Ornstein-Uhlenbeck with jumps."""
    value = world["value"]
    if rules["replay"]:
        if world["left"] == 0:
            world["row"] += 1
            world["left"] = rules["bar_steps"]
            world["target"] = START * math.exp(world["gain"] * (series[world["row"]] - world["origin"]))
        left = world["left"]
        value += (world["target"] - value) / left
        value += rules["bridge_noise"] * math.sqrt((left - 1) / left) * normal(world["rng"])
        world["left"] = left - 1
    else:
        value += rules["ou_pull"] * (START - value) + rules["ou_noise"] * normal(world["rng"])
        if uniform(world["rng"]) < rules["jump_rate"]:
            value += rules["jump_size"] * normal(world["rng"])
    world["value"] = min(max(value, float(MARGIN)), float(TICKS - MARGIN))


@compiled
def blur(world: np.void, rules: np.void) -> None:
    """The errors of the seats' views move on: first-order autoregressive, of constant spread."""
    memory = rules["signal_memory"]
    fresh = rules["signal_noise"] * math.sqrt(1.0 - memory * memory)
    for seat in range(rules["seats"]):
        if world["alive"][seat]:
            world["error"][seat] = memory * world["error"][seat] + fresh * normal(world["rng"])


@compiled
def settle(world: np.void, rules: np.void, first: int) -> None:
    """Book the trades from `first` on: cash against shares, fees to both sides."""
    tape, accounts = world["tape"], world["accounts"]
    for number in range(first, world["top"][TRADES]):
        at = number % TAPE
        price, lots = int(tape[at, T_PRICE]), int(tape[at, T_LOTS])
        signed = lots if tape[at, T_SIDE] == BUY else -lots
        _book_side(accounts, tape[at, T_TAKER], price, signed, rules["taker_cents"] * lots)
        _book_side(accounts, tape[at, T_MAKER], price, -signed, rules["maker_cents"] * lots)
        world["last"] = price


@compiled
def _book_side(accounts: NDArray[np.int64], owner: int, price: int, signed: int, fee: int) -> None:
    """One side of a trade; a reduced position keeps its mean cost, a turned one starts at the price."""
    held, worth = accounts[owner, SHARES], price * CENTS
    accounts[owner, CASH] -= signed * worth + fee
    accounts[owner, FEES] += fee
    accounts[owner, VOLUME] += abs(signed)
    accounts[owner, SHARES] = held + signed
    if held * signed >= 0:
        accounts[owner, COST] += signed * worth
    elif abs(signed) <= abs(held):
        accounts[owner, COST] += accounts[owner, COST] * signed // held
    else:
        accounts[owner, COST] = (held + signed) * worth


@compiled
def trade(world: np.void, rules: np.void, owner: int, side: int, price: int, lots: int, rest: bool) -> None:
    """Submit an order inside the ladder and settle what it traded."""
    price = min(max(price, 0), TICKS - 1)
    first = world["top"][TRADES]
    submit(world, owner, side, price, lots, rest)
    settle(world, rules, first)


@compiled
def room(world: np.void, rules: np.void, seat: int, side: int) -> int:
    """Lots that a seat may still buy or sell by its limits and margin; closing is always allowed."""
    cash, shares = world["accounts"][seat + 1, CASH], world["accounts"][seat + 1, SHARES]
    if seat < rules["liquidator_seats"]:
        lots = 0 if side == BUY else shares
        return int(lots if rules["replace"] else max(lots - world["owners"][seat + 1, OPEN + side], 0))
    held = shares if side == BUY else -shares
    lots = (rules["limit"] if side == BUY else rules["short_limit"]) - held
    need = rules["initial_margin"] * world["mid2"] * (CENTS // 2)
    if need > 0:
        equity = cash + shares * world["mid2"] * (CENTS // 2)
        affordable = int(max(equity, 0) / need) - held
        lots = min(lots, max(affordable, -held, 0))
    if not rules["replace"]:
        lots -= world["owners"][seat + 1, OPEN + side]
    return int(max(lots, 0))


@compiled
def size_of(rules: np.void, size: int) -> int:
    """Lots of size 0, 1, 2: a quarter, half, or all of the limit."""
    return int(max(rules["limit"] * (1 << size) // 4, 1))


@compiled
def within_band(world: np.void, rules: np.void, price: int) -> int:
    """The price, moved to the band around the last mid if it lies outside."""
    low, high = (world["mid2"] + 1) // 2 - rules["band"], world["mid2"] // 2 + rules["band"]
    return int(min(max(price, low), high))


@compiled
def quote(world: np.void, side: int, offset: int) -> int:
    """`offset` ticks behind the best price that the seats saw; an empty side's is next to the mid."""
    if side == BUY:
        best = world["bid"] if world["bid"] != NONE else (world["mid2"] + 1) // 2 - 1
        return int(best - offset)
    best = world["ask"] if world["ask"] != TICKS else world["mid2"] // 2 + 1
    return int(best + offset)


@compiled
def cross(world: np.void, rules: np.void, owner: int, side: int, lots: int) -> None:
    """A market order: whatever the band lets it reach, the rest is cancelled."""
    far = TICKS if side == BUY else 0
    trade(world, rules, owner, side, within_band(world, rules, far), lots, TAKE)


@compiled
def look(world: np.void) -> None:
    """Take mid and best prices from the book; a mid without two sides stays, but beyond the one left."""
    bid, ask = np.int64(world["top"][BID]), np.int64(world["top"][ASK])
    world["bid"], world["ask"] = bid, ask
    if bid != NONE and ask != TICKS:
        world["mid2"] = bid + ask
    elif bid != NONE:
        world["mid2"] = max(world["mid2"], 2 * bid + 1)
    elif ask != TICKS:
        world["mid2"] = min(world["mid2"], 2 * ask - 1)


@compiled
def margin_call(world: np.void, rules: np.void, seat: int) -> bool:
    """Liquidate a seat whose equity no longer covers its maintenance margin, or is negative; it leaves.

    What the book cannot absorb inside the band stays in its account and is settled at the match's end.
    """
    cash, shares = world["accounts"][seat + 1, CASH], world["accounts"][seat + 1, SHARES]
    worth = world["mid2"] * (CENTS // 2)
    equity = cash + shares * worth
    if equity >= rules["maintenance_margin"] * abs(shares) * worth and equity >= 0:
        return False
    close_out(world, seat + 1)
    if shares != 0:
        cross(world, rules, seat + 1, SELL if shares > 0 else BUY, abs(shares))
    return True


@compiled
def close_out(world: np.void, owner: int) -> None:
    """Cancel all orders of an owner."""
    for side in (BUY, SELL):
        if world["owners"][owner, COUNT + side] > 0:
            cancel_all(world, owner, side)
