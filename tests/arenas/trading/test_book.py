"""The matching engine keeps price-time priority and every account of lots, and equals its slow twin."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.registry import cpu_target
from numba.np.numpy_support import from_dtype

from arenas.jit import compiled
from arenas.trading import book as engine
from arenas.trading.book import ASK, BID, BOOK, BUY, CROWD, NONE, SELL, SLOTS, TAPE, TICKS
from arenas.trading.induced.kernel import WORLD as INDUCED
from arenas.trading.oracle import OracleBook, Trade
from arenas.trading.world import WORLD

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT, MARKET, CANCEL, CANCEL_ALL = range(4)
OWNERS = 6


def empty() -> np.void:
    """A fresh book."""
    book: np.void = np.zeros(1, BOOK)[0]
    engine.clear(book)
    return book


def stream(count: int, seed: int) -> NDArray[np.int32]:
    """Random operations (kind, owner, side, price or order, lots) around a wandering price."""
    rng = np.random.default_rng(seed)
    ops = np.empty((count, 5), np.int32)
    ops[:, 0] = rng.choice(4, count, p=[0.6, 0.13, 0.25, 0.02])
    ops[:, 1] = rng.integers(OWNERS, size=count)
    ops[:, 2] = rng.integers(2, size=count)
    centre = np.clip(500 + np.cumsum(rng.normal(0, 0.3, count)), 100, 900)
    ops[:, 3] = centre + rng.normal(0, 6, count)
    numbers = np.maximum(np.cumsum(ops[:, 0] <= MARKET) - 1 - rng.integers(0, 300, count), 0)
    ops[:, 3] = np.where(ops[:, 0] == CANCEL, numbers, ops[:, 3])
    ops[:, 4] = rng.integers(1, 12, count)
    return ops


@compiled
def replay(
    book: np.void,
    ops: NDArray[np.int32],
    trades: NDArray[np.int32],
    bests: NDArray[np.int32],
    slots: NDArray[np.int32],
) -> int:
    """Run a stream through the engine; all trades and the best prices after each operation."""
    count = 0
    for i in range(len(ops)):
        kind, owner, side, price, lots = ops[i]
        before = book["top"][engine.TRADES]
        if kind == CANCEL:
            if slots[price] != NONE:
                engine.cancel(book, slots[price], price)
        elif kind == CANCEL_ALL:
            engine.cancel_all(book, owner, side)
        else:
            number = book["top"][engine.NUMBERS]
            if kind == MARKET:
                price = TICKS - 1 if side == BUY else 0
            slots[number] = engine.submit(book, owner, side, price, lots, kind == LIMIT)
        for trade in range(before, book["top"][engine.TRADES]):
            trades[count] = book["tape"][trade % TAPE]
            count += 1
        bests[i, 0], bests[i, 1] = book["top"][BID], book["top"][ASK]
    return count


def compare(count: int, seed: int) -> None:
    """One stream through both books: same trades and best prices after each operation, same book."""
    ops = stream(count, seed)
    book, twin = empty(), OracleBook()
    trades, bests = np.zeros((3 * count, 6), np.int32), np.zeros((count, 2), np.int32)
    done = replay(book, ops, trades, bests, np.full(count + 1, NONE, np.int32))
    twin_bests = np.zeros_like(bests)
    for i, (kind, owner, side, price, lots) in enumerate(ops.tolist()):
        if kind == CANCEL:
            twin.cancel(price)
        elif kind == CANCEL_ALL:
            twin.cancel_all(owner, side)
        else:
            limit = price if kind == LIMIT else TICKS - 1 if side == BUY else 0
            twin.submit(owner, side, limit, lots, rest=kind == LIMIT)
        twin_bests[i] = twin.best(BUY), twin.best(SELL)
    expected = [(t.price, t.lots, t.taker, t.maker, t.side, t.number) for t in twin.trades]
    assert done == len(expected) > count // 10
    np.testing.assert_array_equal(trades[:done], np.array(expected, np.int32))
    np.testing.assert_array_equal(bests, twin_bests)
    check_equal(book, twin)
    check_whole(book)


def check_equal(book: np.void, twin: OracleBook) -> None:
    """Same sums, same lots at each price, same open lots of each owner."""
    top = book["top"]
    assert (top[engine.SUBMITTED], top[engine.FILLED], top[engine.CANCELLED]) == (
        twin.submitted,
        twin.filled,
        twin.cancelled,
    )
    for side in (BUY, SELL):
        assert depth(book, side) == twin.depth(side)
        for owner in range(OWNERS):
            assert book["owners"][owner, engine.OPEN + side] == twin.open_lots(owner, side)


def depth(book: np.void, side: int) -> dict[int, int]:
    """Lots by price."""
    levels, bid, ask = book["levels"], book["top"][BID], book["top"][ASK]
    prices = range(bid + 1) if side == BUY else range(ask, TICKS)
    return {p: int(levels[p, engine.DEPTH]) for p in prices if levels[p, engine.QUEUE]}


def queue(book: np.void, price: int) -> list[int]:
    """The slots that wait at a price, oldest first."""
    slots, slot = [], book["levels"][price, engine.HEAD]
    while slot != NONE and book["levels"][price, engine.QUEUE]:
        slots.append(int(slot))
        slot = book["slots"][slot, engine.NEXT]
    return slots


def check_whole(book: np.void) -> None:
    """Never crossed; a level is the sum of its orders, in order of arrival; all lots are accounted for."""
    top, slots = book["top"], book["slots"]
    assert top[BID] < top[ASK]
    resting = orders = 0
    for price in range(TICKS):
        waiting = queue(book, price)
        numbers = [int(slots[s, engine.NUMBER]) for s in waiting]
        assert numbers == sorted(numbers)
        assert all(slots[s, engine.PRICE] == price for s in waiting)
        lots = sum(int(slots[s, engine.LOTS]) for s in waiting)
        assert lots == book["levels"][price, engine.DEPTH]
        assert len(waiting) == book["levels"][price, engine.QUEUE]
        resting += lots
        orders += len(waiting)
    assert orders == top[engine.RESTING] == top[engine.BIDS] + top[engine.ASKS]
    assert top[engine.SUBMITTED] == top[engine.FILLED] + top[engine.CANCELLED] + resting
    roster = slots[: top[engine.RESTING], engine.ROSTER]
    assert len(set(roster.tolist())) == orders
    assert all(slots[s, engine.PLACE] == i and slots[s, engine.NUMBER] >= 0 for i, s in enumerate(roster))


def test_engine_equals_its_twin_on_a_million_orders() -> None:
    """A million random orders leave the same trades and the same book in the engine and in plain Python."""
    compare(1_000_000, 2)


operations = st.lists(
    st.tuples(
        st.sampled_from([LIMIT, LIMIT, LIMIT, MARKET, CANCEL, CANCEL_ALL]),
        st.integers(0, OWNERS - 1),
        st.integers(0, 1),
        st.integers(495, 505),
        st.integers(1, 9),
    ),
    max_size=80,
)


@settings(max_examples=120, deadline=None)
@given(operations)
def test_books_agree_and_stay_whole_after_every_event(ops: list[tuple[int, int, int, int, int]]) -> None:
    """After each event of any stream both books agree, and priority, best prices and sums of lots hold."""
    book, twin = empty(), OracleBook()
    slot_of: dict[int, int] = {}
    for kind, owner, side, price, lots in ops:
        number, seen = twin.numbers, len(twin.trades)
        if kind == CANCEL:
            target = max(number - lots, 0)
            if target in slot_of:
                assert engine.cancel(book, slot_of[target], target) == twin.cancel(target)
        elif kind == CANCEL_ALL:
            engine.cancel_all(book, owner, side)
            twin.cancel_all(owner, side)
        else:
            limit = price if kind == LIMIT else TICKS - 1 if side == BUY else 0
            best = twin.best(1 - side)
            slot_of[number] = engine.submit(book, owner, side, limit, lots, kind == LIMIT)
            twin.submit(owner, side, limit, lots, rest=kind == LIMIT)
            check_trades(twin.trades[seen:], side, limit, best)
        check_equal(book, twin)
        check_whole(book)
    tape = book["tape"][: book["top"][engine.TRADES]].tolist()
    assert tape == [[t.price, t.lots, t.taker, t.maker, t.side, t.number] for t in twin.trades]


def check_trades(trades: list[Trade], side: int, limit: int, best: int) -> None:
    """The one who comes in starts at the best price, goes outward, and never pays more than the limit."""
    prices = [trade.price for trade in trades]
    assert all(price <= limit if side == BUY else price >= limit for price in prices)
    assert prices == sorted(prices, reverse=bool(side == SELL))
    if prices:
        assert prices[0] >= best if side == BUY else prices[0] <= best
    assert all(trade.taker != trade.maker or trade.taker == CROWD for trade in trades)


@settings(max_examples=60, deadline=None)
@given(operations, st.integers(-400, 400))
def test_mirrored_and_shifted_streams_give_mirrored_and_shifted_books(
    ops: list[tuple[int, int, int, int, int]], shift: int
) -> None:
    """A mirrored or shifted stream gives the mirrored or shifted tape and book."""
    plain, mirrored, shifted = empty(), empty(), empty()
    for kind, owner, side, price, lots in ops:
        if kind == CANCEL:
            continue
        for book, at, face in (
            (plain, price, side),
            (mirrored, 1000 - price, 1 - side),
            (shifted, price + shift, side),
        ):
            if kind == CANCEL_ALL:
                engine.cancel_all(book, owner, face)
            else:
                limit = at if kind == LIMIT else TICKS - 1 if face == BUY else 0
                engine.submit(book, owner, face, limit, lots, kind == LIMIT)
    count = plain["top"][engine.TRADES]
    tape = plain["tape"][:count].copy()
    np.testing.assert_array_equal(shifted["tape"][:count] - [shift, 0, 0, 0, 0, 0], tape)
    tape[:, engine.T_PRICE] = 1000 - tape[:, engine.T_PRICE]
    tape[:, engine.T_SIDE] = 1 - tape[:, engine.T_SIDE]
    np.testing.assert_array_equal(mirrored["tape"][:count], tape)
    assert depth(mirrored, SELL) == {1000 - p: lots for p, lots in depth(plain, BUY).items()}
    assert depth(shifted, SELL) == {p + shift: lots for p, lots in depth(plain, SELL).items()}


def test_older_order_trades_first() -> None:
    """At one price the order that came first is filled first, and a partial fill keeps its place."""
    book = empty()
    for owner in (1, 2, 3):
        engine.submit(book, owner, SELL, 510, 4, True)
    engine.submit(book, 4, BUY, 512, 6, True)
    engine.submit(book, 4, BUY, 510, 1, True)
    tape = book["tape"][: book["top"][engine.TRADES]]
    assert tape[:, [engine.T_MAKER, engine.T_LOTS, engine.T_PRICE]].tolist() == [
        [1, 4, 510],
        [2, 2, 510],
        [2, 1, 510],
    ]


def test_own_resting_order_is_cancelled_rather_than_traded_with() -> None:
    """An owner's resting order goes rather than trade with its new one, which goes on; the crowd may."""
    book = empty()
    engine.submit(book, 1, SELL, 510, 4, True)
    engine.submit(book, 2, SELL, 510, 4, True)
    engine.submit(book, 1, BUY, 510, 6, True)
    assert book["tape"][: book["top"][engine.TRADES], : engine.T_SIDE].tolist() == [[510, 4, 1, 2]]
    assert book["top"][engine.CANCELLED] == 4
    assert (book["top"][BID], book["top"][ASK]) == (510, TICKS)
    engine.submit(book, CROWD, SELL, 512, 1, True)
    engine.submit(book, CROWD, BUY, 512, 1, True)
    assert book["top"][engine.TRADES] == 2


def test_full_book_cancels_what_cannot_rest() -> None:
    """When all slots are taken a new order may still trade; what would rest is cancelled and counted."""
    book = empty()
    for i in range(SLOTS):
        assert engine.submit(book, CROWD, SELL, 520 + i % 50, 1, True) != NONE
    assert engine.submit(book, CROWD, BUY, 400, 3, True) == NONE
    assert book["top"][engine.CANCELLED] == 3
    assert engine.submit(book, CROWD, BUY, 520, 2, True) == NONE
    assert engine.submit(book, CROWD, BUY, 400, 3, True) != NONE
    check_whole(book)


def test_numba_takes_no_market_for_a_lone_book() -> None:
    """Code compiled for one of the records with a book in it is never handed another of them."""
    records = [from_dtype(record) for record in (BOOK, WORLD, INDUCED)]
    context = cpu_target.typing_context
    for taken, wanted in itertools.permutations(records, 2):
        assert taken.can_convert_to(context, wanted) is None
