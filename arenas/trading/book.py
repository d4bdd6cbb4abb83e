"""The matching engine: a limit order book with price-time priority over preallocated int32 arrays.

A fixed ladder of ticks, one first-in-first-out queue a tick (an intrusive doubly linked list of order slots),
a list of its orders for each owner, and a roster of all resting orders: submit, match and cancel take O(1)
apart from the search for the next best price. Prices are whole ticks in 0..L-1, quantities whole lots.

A book is one record (`BOOK`) of arrays of a fixed size: numba passes it as one pointer, without counting
references. Axes of its arrays: slots (M order slots, columns below), levels (L ticks), owners (W), top, tape
(T trades).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from arenas.jit import compiled

BUY: Any = np.int64(0)
SELL: Any = np.int64(1)
REST: Any = np.bool_(True)
TAKE: Any = np.bool_(False)
"""Arguments, not literals of Python: numba would compile what they are handed to once for each literal."""
CROWD: Any = np.int64(0)
"""The owner of anonymous orders: many traders in one account, so that they may trade with one another."""

NONE = -1
TICKS, SLOTS, TAPE, OWNERS = 1024, 1024, 1024, 128
"""L, M, T, W."""

PRICE, LOTS, OWNER, SIDE, NEXT, BEFORE, OWN_NEXT, OWN_BEFORE, PLACE, ROSTER, NUMBER = range(11)
"""Columns of a slot. PLACE: its index in the roster. ROSTER: row i has the slot of the i-th resting one."""

HEAD, TAIL, DEPTH, QUEUE = range(4)
"""Columns of a level: first and last slot, lots, orders. Its side follows from the best prices."""

FIRST, OPEN, COUNT = 0, 2, 4
"""Columns of an owner, each for BUY and SELL: first slot, resting lots, resting orders."""

BID, ASK, FREE, RESTING, TRADES, NUMBERS, BIDS, ASKS = range(8)
"""Best bid (-1: none) and ask (L: none), head of the free slots, and counts of orders and trades."""
SUBMITTED, FILLED, CANCELLED = 8, 9, 10
"""Lots ever submitted, filled (on both sides) and cancelled (or able neither to trade nor to rest)."""

T_PRICE, T_LOTS, T_TAKER, T_MAKER, T_SIDE, T_NUMBER = range(6)
"""Columns of a trade: price, lots, owners, the taker's side, the number of the resting order."""

BOOK_FIELDS: list[tuple[str, Any, tuple[int, ...]]] = [
    ("slots", np.int32, (SLOTS, 12)),
    ("levels", np.int32, (TICKS, 4)),
    ("owners", np.int32, (OWNERS, 8)),
    ("top", np.int32, (16,)),
    ("tape", np.int32, (TAPE, 6)),
]
BOOK = np.dtype([*BOOK_FIELDS, ("alone", np.uint8)], align=True)
"""A book by itself. `alone`: so that no market's record begins like it. Where one record begins like another,
numba takes the longer for the shorter wherever it has compiled that first."""


@compiled
def clear(book: np.void) -> None:
    """Remove every order and forget all counts."""
    slots, owners, top = book["slots"], book["owners"], book["top"]
    for slot in range(SLOTS):
        slots[slot, NEXT] = slot + 1
        slots[slot, NUMBER] = NONE
    slots[SLOTS - 1, NEXT] = NONE
    for price in range(TICKS):
        for column in range(4):
            book["levels"][price, column] = 0
    for owner in range(OWNERS):
        for column in range(8):
            owners[owner, column] = NONE if column < OPEN else 0
    for column in range(16):
        top[column] = 0
    top[BID] = NONE
    top[ASK] = TICKS


@compiled
def remove(book: np.void, slot: int) -> None:
    """Take a resting order out of every list; its lots leave the level and the owner's total."""
    slots, levels, top = book["slots"], book["levels"], book["top"]
    price, side, lots = slots[slot, PRICE], slots[slot, SIDE], slots[slot, LOTS]
    before, after = slots[slot, BEFORE], slots[slot, NEXT]
    if before == NONE:
        levels[price, HEAD] = after
    else:
        slots[before, NEXT] = after
    if after == NONE:
        levels[price, TAIL] = before
    else:
        slots[after, BEFORE] = before
    levels[price, DEPTH] -= lots
    levels[price, QUEUE] -= 1
    _disown(book, slot, side, lots)
    top[RESTING] -= 1
    last, place = slots[top[RESTING], ROSTER], slots[slot, PLACE]
    slots[place, ROSTER] = last
    slots[last, PLACE] = place
    slots[slot, NUMBER] = NONE
    slots[slot, NEXT] = top[FREE]
    top[FREE] = slot
    top[BIDS + side] -= 1
    if levels[price, QUEUE] == 0 and top[BID + side] == price:
        _next_best(book, side, price)


@compiled
def _disown(book: np.void, slot: int, side: int, lots: int) -> None:
    slots, owners = book["slots"], book["owners"]
    owner = slots[slot, OWNER]
    before, after = slots[slot, OWN_BEFORE], slots[slot, OWN_NEXT]
    if before == NONE:
        owners[owner, FIRST + side] = after
    else:
        slots[before, OWN_NEXT] = after
    if after != NONE:
        slots[after, OWN_BEFORE] = before
    owners[owner, OPEN + side] -= lots
    owners[owner, COUNT + side] -= 1


@compiled
def _next_best(book: np.void, side: int, price: int) -> None:
    """Find the best price of a side again, beyond a price that just emptied."""
    top, levels = book["top"], book["levels"]
    if top[BIDS + side] == 0:
        top[BID + side] = NONE if side == BUY else TICKS
        return
    step = -1 if side == BUY else 1
    price += step
    while levels[price, QUEUE] == 0:
        price += step
    top[BID + side] = price


@compiled
def cancel(book: np.void, slot: int, number: int) -> bool:
    """Cancel the order `number` if it still rests in `slot`."""
    if book["slots"][slot, NUMBER] != number or number < 0:
        return False
    book["top"][CANCELLED] += book["slots"][slot, LOTS]
    remove(book, slot)
    return True


@compiled
def cancel_all(book: np.void, owner: int, side: int) -> None:
    """Cancel an owner's orders of one side."""
    slot = book["owners"][owner, FIRST + side]
    while slot != NONE:
        after = book["slots"][slot, OWN_NEXT]
        book["top"][CANCELLED] += book["slots"][slot, LOTS]
        remove(book, slot)
        slot = after


@compiled
def submit(book: np.void, owner: int, side: int, price: int, lots: int, rest: bool) -> int:
    """Match an order against the book, then let what is left rest (or cancel it); returns its slot or NONE.

    A resting order of the same owner that would trade is cancelled instead (CROWD excepted). A market order
    is one at the ladder's end, or at a band's, that does not rest. Its number is `top[NUMBERS] - 1`
    afterwards.
    """
    top = book["top"]
    number = top[NUMBERS]
    top[NUMBERS] += 1
    top[SUBMITTED] += lots
    lots = _match(book, owner, side, price, lots)
    if lots == 0:
        return NONE
    slot = top[FREE]
    if not rest or slot == NONE:
        top[CANCELLED] += lots
        return NONE
    _insert(book, slot, owner, side, price, lots, number)
    return int(slot)


@compiled
def _match(book: np.void, owner: int, side: int, price: int, lots: int) -> int:
    """Trade with the other side at its prices, best and oldest first; returns the lots left."""
    slots, levels, top, tape = book["slots"], book["levels"], book["top"], book["tape"]
    other = 1 - side
    while lots > 0:
        best = top[BID + other]
        if (best > price) if side == BUY else (best < price):
            break
        slot = levels[best, HEAD]
        maker = slots[slot, OWNER]
        if maker == owner and owner != CROWD:
            top[CANCELLED] += slots[slot, LOTS]
            remove(book, slot)
            continue
        fill = min(lots, slots[slot, LOTS])
        at = top[TRADES] % TAPE
        tape[at, T_PRICE], tape[at, T_LOTS], tape[at, T_TAKER] = best, fill, owner
        tape[at, T_MAKER], tape[at, T_SIDE], tape[at, T_NUMBER] = maker, side, slots[slot, NUMBER]
        top[TRADES] += 1
        top[FILLED] += 2 * fill
        lots -= fill
        slots[slot, LOTS] -= fill
        levels[best, DEPTH] -= fill
        book["owners"][maker, OPEN + other] -= fill
        if slots[slot, LOTS] == 0:
            remove(book, slot)
    return lots


@compiled
def _insert(book: np.void, slot: int, owner: int, side: int, price: int, lots: int, number: int) -> None:
    """Queue an order behind those of its price."""
    slots, levels, owners, top = book["slots"], book["levels"], book["owners"], book["top"]
    top[FREE] = slots[slot, NEXT]
    slots[slot, PRICE], slots[slot, LOTS], slots[slot, OWNER] = price, lots, owner
    slots[slot, SIDE], slots[slot, NUMBER], slots[slot, NEXT] = side, number, NONE
    if levels[price, QUEUE] == 0:
        slots[slot, BEFORE] = NONE
        levels[price, HEAD] = slot
    else:
        tail = levels[price, TAIL]
        slots[slot, BEFORE] = tail
        slots[tail, NEXT] = slot
    levels[price, TAIL] = slot
    levels[price, DEPTH] += lots
    levels[price, QUEUE] += 1
    first = owners[owner, FIRST + side]
    slots[slot, OWN_BEFORE], slots[slot, OWN_NEXT] = NONE, first
    if first != NONE:
        slots[first, OWN_BEFORE] = slot
    owners[owner, FIRST + side] = slot
    owners[owner, OPEN + side] += lots
    owners[owner, COUNT + side] += 1
    slots[slot, PLACE] = top[RESTING]
    slots[top[RESTING], ROSTER] = slot
    top[RESTING] += 1
    top[BIDS + side] += 1
    if (price > top[BID]) if side == BUY else (price < top[ASK]):
        top[BID + side] = price
