"""What a seat of the twin sees and may choose, by the data sheet of the market."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.arenas.trading.twin.market import BUY, CENTS, SELL, TICKS

if TYPE_CHECKING:
    from tests.arenas.trading.twin.match import Twin

UNIT = 10.0


def observation(twin: Twin, seat: int) -> list[float]:
    """All slices, in their order: tens of ticks, parts of the limit, tens of ticks x the limit."""
    o, mid, account = twin.o, 0.5 * twin.mid2, twin.account(seat + 1)
    seen = [number for row in twin.history for number in row]
    lots = [0, 0]
    for side in (BUY, SELL):
        levels = sorted(twin.book.depth(side).items(), reverse=side == BUY)[: o.depth]
        lots[side] = sum(count for _, count in levels)
        for level in range(o.depth):
            price, count = levels[level] if level < len(levels) else (mid, 0)
            seen += [abs(price - mid) / UNIT, count / o.limit]
    best = twin.imbalance()
    seen += [twin.spread() / UNIT, best, (lots[BUY] - lots[SELL]) / max(sum(lots), 1)]
    seen += [0.5 * best * twin.spread() / UNIT, (twin.last - mid) / UNIT]
    seen += [(twin.fast - mid) / UNIT, (twin.slow - mid) / UNIT, twin.flow / o.limit, twin.heat / UNIT]
    live = sum(here and not called for here, called in zip(twin.alive, twin.terminated, strict=True))
    seen += [(live - 1) / o.seats, o.maker_fee, o.taker_fee]
    money = CENTS * UNIT * o.limit
    seen += [account.shares / o.limit, (account.equity - o.capital * CENTS) / money]
    seen.append((account.shares * mid * CENTS - account.cost) / money)
    for side in (BUY, SELL):
        prices = [order.price for order in twin.book.orders_of(seat + 1, side)]
        nearest = (max(prices) if side == BUY else min(prices)) if prices else mid
        seen += [twin.book.open_lots(seat + 1, side) / o.limit, abs(mid - nearest) / UNIT]
    seen += [twin.room(seat, side) / o.limit for side in (BUY, SELL)]
    signal = (twin.value - mid + twin.error[seat]) / UNIT if twin.informed else 0.0
    return [*seen, 1.0 - twin.time / o.horizon, signal]


def mask(twin: Twin, seat: int) -> list[int]:
    """Which of the thirty choices are legal."""
    legal = {0}
    inside = twin.bid == -1 or twin.ask == TICKS or twin.ask - twin.bid > 1
    for side in (BUY, SELL):
        orders = twin.book.orders_of(seat + 1, side)
        if orders:
            legal.add(27 + side)
        if twin.halt:
            continue
        room, best = twin.room(seat, side), twin.ask if side == BUY else twin.bid
        tradable = best not in (-1, TICKS) and twin.banded(best) == best and not twin.is_maker(seat)
        # A size is legal where the room lets it differ from the next smaller one.
        sizes = [size for size in range(3) if room > (twin.size_of(size - 1) if size else 0)]
        legal |= {1 + 3 * side + size for size in sizes if tradable}
        if twin.o.replace or len(orders) < twin.o.open_orders:
            legal |= {
                7 + 10 * side + 2 * place + size
                for size in sizes
                for place in range(5)
                if size < 2 and (inside or place > 0)
            }
    if {27, 28} <= legal:
        legal.add(29)
    return [int(choice in legal) for choice in range(30)]
