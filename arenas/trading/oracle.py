"""A slow twin of `book` in plain Python, for tests: the same rules from dictionaries and queues."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from arenas.trading.book import BUY, CROWD, SELL, SLOTS, TICKS


@dataclass
class Order:
    """One order; `lots` is what is left of it, `place` where it stands in the roster."""

    number: int
    owner: int
    side: int
    price: int
    lots: int
    place: int = 0


@dataclass(frozen=True)
class Trade:
    """One trade, at the resting order's price; `number` is the resting order's."""

    price: int
    lots: int
    taker: int
    maker: int
    side: int
    number: int


@dataclass
class OracleBook:
    """Price-time priority: a queue of orders for each price of each side.

    `roster`: all resting orders; the last takes the place of one that goes.
    """

    queues: tuple[dict[int, deque[Order]], dict[int, deque[Order]]] = field(default_factory=lambda: ({}, {}))
    resting: dict[int, Order] = field(default_factory=dict)
    roster: list[Order] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    numbers: int = 0
    submitted: int = 0
    filled: int = 0
    cancelled: int = 0

    def best(self, side: int) -> int:
        """The best price of a side: -1 without bids, the ladder's length without offers."""
        prices = self.queues[side]
        return max(prices, default=-1) if side == BUY else min(prices, default=TICKS)

    def depth(self, side: int) -> dict[int, int]:
        """Lots by price."""
        return {price: sum(order.lots for order in queue) for price, queue in self.queues[side].items()}

    def orders_of(self, owner: int, side: int) -> list[Order]:
        """An owner's resting orders of a side, oldest first."""
        return [o for o in self.resting.values() if o.owner == owner and o.side == side]

    def open_lots(self, owner: int, side: int) -> int:
        """Lots that an owner's orders of a side still wait for."""
        return sum(order.lots for order in self.orders_of(owner, side))

    def submit(self, owner: int, side: int, price: int, lots: int, rest: bool) -> int | None:
        """Match, then rest or cancel what is left; returns the number of the order if it rests."""
        number = self.numbers
        self.numbers += 1
        self.submitted += lots
        other = SELL if side == BUY else BUY
        while lots:
            best = self.best(other)
            if (best > price) if side == BUY else (best < price):
                break
            first = self.queues[other][best][0]
            if first.owner == owner and owner != CROWD:
                self.cancel(first.number)
                continue
            fill = min(lots, first.lots)
            self.trades.append(Trade(best, fill, owner, first.owner, side, first.number))
            self.filled += 2 * fill
            lots -= fill
            first.lots -= fill
            if first.lots == 0:
                self._forget(first)
        if lots and rest and len(self.resting) < SLOTS:
            order = Order(number, owner, side, price, lots, len(self.roster))
            self.roster.append(order)
            self.queues[side].setdefault(price, deque()).append(order)
            self.resting[number] = order
            return number
        self.cancelled += lots
        return None

    def cancel(self, number: int) -> bool:
        """Cancel an order if it still rests."""
        order = self.resting.get(number)
        if order is None:
            return False
        self.cancelled += order.lots
        self._forget(order)
        return True

    def cancel_all(self, owner: int, side: int) -> None:
        """Cancel an owner's orders of one side, the newest first."""
        for order in reversed(self.orders_of(owner, side)):
            self.cancel(order.number)

    def _forget(self, order: Order) -> None:
        queue = self.queues[order.side][order.price]
        queue.remove(order)
        if not queue:
            del self.queues[order.side][order.price]
        del self.resting[order.number]
        last = self.roster.pop()
        if last is not order:
            self.roster[order.place], last.place = last, order.place
