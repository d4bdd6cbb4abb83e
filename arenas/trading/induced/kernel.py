"""The laboratory market's step, for a whole batch, over the platform's order book.

Axes: B copies, N seats (capacity), A choices, K = 1, O observation, S state, V variants.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.draws import below, word
from arenas.jit import compiled
from arenas.trading.book import (
    ASK,
    BID,
    BOOK_FIELDS,
    BUY,
    FIRST,
    NONE,
    PRICE,
    REST,
    T_MAKER,
    T_PRICE,
    TAPE,
    TICKS,
    TRADES,
    cancel_all,
    clear,
    submit,
)
from arenas.trading.faces import Faces
from arenas.trading.induced.options import MAX_EVENTS, MAX_SEATS, MAX_TRADES

PARKED = -1

D_PERIOD, D_PRICE, D_BUYER, D_SELLER = range(4)
"""Columns of a deal: period, price, seats."""

WORLD = np.dtype(
    [
        *BOOK_FIELDS,
        ("who", np.int64, (MAX_SEATS,)),
        ("done", np.int64, (MAX_SEATS,)),
        ("gain", np.int64, (MAX_SEATS,)),
        ("turn", np.int64, (MAX_SEATS,)),
        ("deals", np.int32, (MAX_TRADES, 4)),
        ("events", np.float32, (2 * MAX_EVENTS, 3)),
        ("rng", np.uint64, (1,)),
        *((name, np.int64) for name in ("step", "period", "deal", "fresh", "cursor", "last", "period_deals")),
        ("period_sum", np.int64),
    ],
    align=True,
)
"""One copy. who: whose values or costs a seat was dealt. done: units that it traded in this period. gain: its
surplus in the match. deals: all trades of the match. events: the last quotes heard, newest first from the
cursor on (side, price, whether it traded), written twice. fresh: quotes heard in the last step. period_deals,
period_sum: trades of this period and their prices' sum.
"""


@compiled
def step_copies(
    worlds_B: NDArray[np.void], faces: Faces, rules_V: NDArray[np.void], variant_B: NDArray[np.int64]
) -> bool:
    """Advance every copy by one step; `variant_B` is whose rules each plays.

    Nothing is done where a copy asks for a variant that does not exist; returns whether it was done.
    """
    seats = faces.alive_BN.shape[1]
    for copy in range(len(worlds_B)):
        if not 0 <= faces.variant_B[copy] < len(rules_V):
            return False
    for copy in range(len(worlds_B)):
        world = worlds_B[copy]
        faces.over_B[copy] = faces.lost_B[copy] = False
        faces.ended_B[copy] = PARKED
        for seat in range(seats):
            faces.reward_BN[copy, seat] = 0.0
            faces.terminated_BN[copy, seat] = faces.truncated_BN[copy, seat] = False
        if faces.restart_B[copy] or faces.ticket_B[copy] == PARKED:
            faces.steps_B[copy] = 0
            _start(world, rules_V, variant_B, faces, copy)
        else:
            rules = rules_V[variant_B[copy]]
            _play(world, rules, faces.action_BNK[copy], faces.mask_BNA[copy], faces.reward_BN[copy])
            faces.steps_B[copy] = world["step"]
            if world["step"] == rules["periods"] * rules["period_steps"]:
                _finish(world, rules, faces, copy)
                _start(world, rules_V, variant_B, faces, copy)
        if faces.ticket_B[copy] != PARKED:
            rules = rules_V[variant_B[copy]]
            show(world, rules, faces.observation_BNO[copy], faces.mask_BNA[copy])
            if faces.want_state_B[copy]:
                _write_state(world, rules, faces.state_BS[copy])
    return True


@compiled
def _start(
    world: np.void, rules_V: NDArray[np.void], variant_B: NDArray[np.int64], faces: Faces, copy: int
) -> None:
    """Begin the next ticket of a copy, or park it."""
    faces.ticket_B[copy] = faces.next_B[copy]
    parked = faces.ticket_B[copy] == PARKED
    if not parked:
        variant_B[copy] = faces.variant_B[copy]
        world["rng"][0] = faces.seed_B[copy]
        world["rng"][0] = word(world["rng"])
        _begin(world, rules_V[variant_B[copy]])
    for seat in range(faces.alive_BN.shape[1]):
        alive = not parked and seat < rules_V[variant_B[copy]]["seats"]
        faces.alive_BN[copy, seat] = faces.acting_BN[copy, seat] = alive
        if parked:
            continue
        for i in range(faces.observation_BNO.shape[2]):
            faces.observation_BNO[copy, seat, i] = 0.0
        for choice in range(faces.mask_BNA.shape[2]):
            faces.mask_BNA[copy, seat, choice] = choice == 0


@compiled
def _begin(world: np.void, rules: np.void) -> None:
    """An empty book, no deals; values and costs as written, or dealt anew."""
    clear(world)
    for seat in range(MAX_SEATS):
        world["who"][seat] = seat
        world["done"][seat] = world["gain"][seat] = 0
    if rules["deal"]:
        _shuffle(world["rng"], world["who"], rules["seats"])
    for row in range(2 * MAX_EVENTS):
        for column in range(3):
            world["events"][row, column] = 0.0
    world["step"] = world["period"] = world["deal"] = world["fresh"] = world["cursor"] = 0
    world["last"] = world["period_deals"] = world["period_sum"] = 0


@compiled
def _shuffle(rng_1: NDArray[np.uint64], order_N: NDArray[np.int64], count: int) -> None:
    for place in range(count - 1, 0, -1):
        other = below(rng_1, place + 1)
        order_N[place], order_N[other] = order_N[other], order_N[place]


@compiled
def side_of(world: np.void, rules: np.void, seat: int) -> int:
    """Whether a seat buys or sells."""
    return 0 if world["who"][seat] < rules["buyers"] else 1


@compiled
def left_of(world: np.void, rules: np.void, seat: int) -> int:
    """Units that a seat may still trade in this period."""
    return int(rules["units"][world["who"][seat]] - world["done"][seat])


@compiled
def limit_of(world: np.void, rules: np.void, seat: int) -> int:
    """Value or cost of the unit in hand; 0 without one."""
    if left_of(world, rules, seat) == 0:
        return 0
    return int(rules["limits"][world["who"][seat], world["done"][seat]])


@compiled
def _play(
    world: np.void,
    rules: np.void,
    action_NK: NDArray[np.int32],
    mask_NA: NDArray[np.uint8],
    reward_N: NDArray[np.float64],
) -> None:
    """Hear one trader or all; renew the units where a period ends."""
    world["step"] += 1
    world["fresh"] = 0
    count, turn = 0, world["turn"]
    for seat in range(rules["seats"]):
        if left_of(world, rules, seat) > 0:
            turn[count] = seat
            count += 1
    if rules["one"]:
        if count > 0:
            seat = turn[below(world["rng"], count)]
            _hear(world, rules, seat, action_NK[seat, 0], mask_NA[seat], reward_N)
    elif rules["shout"]:
        if count > 0:
            _shout(world, rules, turn[below(world["rng"], count)], action_NK, mask_NA, reward_N)
    else:
        _shuffle(world["rng"], turn, count)
        for place in range(count):
            seat = turn[place]
            _hear(world, rules, seat, action_NK[seat, 0], mask_NA[seat], reward_N)
    if world["step"] % rules["period_steps"] == 0:
        world["period"] += 1
        world["period_deals"] = world["period_sum"] = 0
        for seat in range(rules["seats"]):
            world["done"][seat] = 0
        _sweep(world, rules)


@compiled
def _hear(
    world: np.void,
    rules: np.void,
    seat: int,
    action: int,
    mask_A: NDArray[np.uint8],
    reward_N: NDArray[np.float64],
) -> None:
    """A trader's quote for one unit: it replaces its last one, trades where it crosses, else rests."""
    # A trade earlier in the step may have taken the unit that the mask spoke of.
    if not 0 < action < len(mask_A) or not mask_A[action] or left_of(world, rules, seat) == 0:
        return
    side, top = side_of(world, rules, seat), world["top"]
    limit = limit_of(world, rules, seat)
    if rules["constrained"] and ((action > limit) if side == BUY else (action < limit)):
        return
    best = top[BID + side]
    if (
        rules["improve"]
        and best not in (NONE, TICKS)
        and ((action <= best) if side == BUY else (action >= best))
    ):
        return
    cancel_all(world, seat + 1, side)
    before, price = top[TRADES], int(action)
    submit(world, seat + 1, side, action, 1, REST)
    traded = top[TRADES] > before
    if traded:
        at = before % TAPE
        price = int(world["tape"][at, T_PRICE])
        other = int(world["tape"][at, T_MAKER]) - 1
        buyer, seller = (seat, other) if side == BUY else (other, seat)
        _deal(world, rules, buyer, seller, price, reward_N)
    _note(world, rules, side, price, traded)


@compiled
def _shout(
    world: np.void,
    rules: np.void,
    caller: int,
    action_NK: NDArray[np.int32],
    mask_NA: NDArray[np.uint8],
    reward_N: NDArray[np.float64],
) -> None:
    """A price offered to all: one of those on the other side whose own price now meets it deals at it."""
    side, price = side_of(world, rules, caller), int(action_NK[caller, 0])
    if not 0 < price < mask_NA.shape[1] or not mask_NA[caller, price]:
        return
    count, turn = 0, world["turn"]
    for seat in range(rules["seats"]):
        answer = int(action_NK[seat, 0])
        willing = 0 < answer < mask_NA.shape[1] and mask_NA[seat, answer] > 0
        willing = willing and side_of(world, rules, seat) != side and left_of(world, rules, seat) > 0
        if willing and ((answer <= price) if side == BUY else (answer >= price)):
            turn[count] = seat
            count += 1
    if count > 0:
        other = turn[below(world["rng"], count)]
        buyer, seller = (caller, other) if side == BUY else (other, caller)
        _deal(world, rules, buyer, seller, price, reward_N)
    _note(world, rules, side, price, count > 0)


@compiled
def _deal(
    world: np.void, rules: np.void, buyer: int, seller: int, price: int, reward_N: NDArray[np.float64]
) -> None:
    """Both sides of a trade earn their surplus and turn to their next unit."""
    gains = (limit_of(world, rules, buyer) - price, price - limit_of(world, rules, seller))
    for side in range(2):
        seat = buyer if side == BUY else seller
        world["gain"][seat] += gains[side]
        world["done"][seat] += 1
        reward_N[seat] += gains[side] / rules["reward_scale"]
    deal = world["deals"][world["deal"]]
    deal[D_PERIOD], deal[D_PRICE], deal[D_BUYER], deal[D_SELLER] = world["period"], price, buyer, seller
    world["deal"] += 1
    world["last"] = price
    world["period_deals"] += 1
    world["period_sum"] += price
    if rules["clear"]:
        _sweep(world, rules)


@compiled
def _sweep(world: np.void, rules: np.void) -> None:
    """Remove all quotes."""
    for seat in range(rules["seats"]):
        cancel_all(world, seat + 1, side_of(world, rules, seat))


@compiled
def _note(world: np.void, rules: np.void, side: int, price: int, traded: bool) -> None:
    """Put a quote on top of those that all have heard."""
    world["cursor"] = (world["cursor"] - 1) % rules["events"]
    world["fresh"] += 1
    for row in (world["cursor"], world["cursor"] + rules["events"]):
        world["events"][row, 0] = 1.0 if side == BUY else -1.0
        world["events"][row, 1] = price / rules["price_max"]
        world["events"][row, 2] = 1.0 if traded else 0.0


@compiled
def _finish(world: np.void, rules: np.void, faces: Faces, copy: int) -> None:
    """Write scores and the last observations."""
    for seat in range(faces.score_BN.shape[1]):
        inside = seat < rules["seats"]
        faces.score_BN[copy, seat] = world["gain"][seat] if inside else 0.0
        faces.truncated_BN[copy, seat] = inside
    show(world, rules, faces.last_observation_BNO[copy], faces.last_mask_BNA[copy])
    if faces.want_state_B[copy]:
        _write_state(world, rules, faces.last_state_BS[copy])
    faces.over_B[copy] = True
    faces.ended_B[copy] = faces.ticket_B[copy]


@compiled
def show(
    world: np.void, rules: np.void, observation_NO: NDArray[np.float32], mask_NA: NDArray[np.uint8]
) -> None:
    """What every seat sees, and which prices it may quote; the order is that of `observation_slices`."""
    top, unit = world["top"], float(rules["price_max"])
    steps, cursor = rules["period_steps"], world["cursor"]
    for seat in range(rules["seats"]):
        out_O, side = observation_NO[seat], side_of(world, rules, seat)
        left, limit = left_of(world, rules, seat), limit_of(world, rules, seat)
        own = world["owners"][seat + 1, FIRST + side]
        out_O[0] = 1.0 if side == BUY else -1.0
        out_O[1] = left / rules["units"][world["who"][seat]]
        out_O[2] = limit / unit
        out_O[3] = top[BID] / unit if top[BID] != NONE else 0.0
        out_O[4] = top[ASK] / unit if top[ASK] != TICKS else 0.0
        out_O[5] = world["slots"][own, PRICE] / unit if own != NONE else 0.0
        out_O[6] = world["last"] / unit
        out_O[7] = world["period_sum"] / (max(world["period_deals"], 1) * unit)
        out_O[8] = world["period_deals"] / rules["tradable"]
        out_O[9] = 1.0 - (world["step"] % steps) / steps
        out_O[10] = 1.0 - world["step"] / (steps * rules["periods"])
        out_O[11] = world["fresh"]
        at = 12
        for row in range(cursor, cursor + rules["events"]):
            for column in range(3):
                out_O[at] = world["events"][row, column]
                at += 1
        low, high = 1, rules["price_max"] if left > 0 else 0
        if rules["constrained"] and left > 0:
            low, high = (1, limit) if side == BUY else (limit, high)
        for choice in range(1, mask_NA.shape[1]):
            mask_NA[seat, choice] = low <= choice <= high
        mask_NA[seat, 0] = 1


@compiled
def _write_state(world: np.void, rules: np.void, out_S: NDArray[np.float32]) -> None:
    """What a central critic may see: the best quotes, time, then side, units and limit of each seat."""
    top, unit = world["top"], float(rules["price_max"])
    for i in range(len(out_S)):
        out_S[i] = 0.0
    out_S[0] = top[BID] / unit if top[BID] != NONE else 0.0
    out_S[1] = top[ASK] / unit if top[ASK] != TICKS else 0.0
    out_S[2] = 1.0 - (world["step"] % rules["period_steps"]) / rules["period_steps"]
    out_S[3] = world["last"] / unit
    for seat in range(rules["seats"]):
        out_S[4 + 3 * seat] = 1.0 if side_of(world, rules, seat) == BUY else -1.0
        out_S[5 + 3 * seat] = left_of(world, rules, seat)
        out_S[6 + 3 * seat] = limit_of(world, rules, seat) / unit
