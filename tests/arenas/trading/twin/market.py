"""Accounts, and the rules of trading: limits, margin, band, fees. Money in hundredths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arenas.trading.oracle import OracleBook
from tests.arenas.trading.twin.draws import Draws

if TYPE_CHECKING:
    from arenas.trading.options import Options

BUY, SELL = 0, 1
TICKS, START, MARGIN, CROWD, CENTS = 1024, 512, 64, 0, 100


@dataclass
class Account:
    """Cash, shares, fees paid; what the position cost; worth as seen, and up to which rewards were paid."""

    cash: int = 0
    shares: int = 0
    fees: int = 0
    cost: int = 0
    equity: int = 0
    paid: int = 0

    def book(self, price: int, signed: int, fee: int) -> None:
        """One side of a trade."""
        worth, held = price * CENTS, self.shares
        self.cash -= signed * worth + fee
        self.fees += fee
        self.shares += signed
        if held * signed >= 0:
            self.cost += signed * worth
        elif abs(signed) <= abs(held):
            self.cost += self.cost * signed // held
        else:
            self.cost = self.shares * worth


class Market:
    """The book, the accounts, what the seats see of them, and the rules by which one trades."""

    def __init__(self, options: Options, seed: int) -> None:
        self.o, self.rng, self.book = options, Draws(seed), OracleBook()
        self.accounts: dict[int, Account] = {}
        self.mid2, self.last, self.crowd_side = 2 * START, START, BUY
        self.value = self.fast = self.slow = float(START)
        self.bid, self.ask = -1, TICKS

    def account(self, owner: int) -> Account:
        """The account of an owner; it begins empty."""
        return self.accounts.setdefault(owner, Account())

    def cancel_both(self, owner: int) -> None:
        """Cancel all orders of an owner."""
        self.book.cancel_all(owner, BUY)
        self.book.cancel_all(owner, SELL)

    def size_of(self, size: int) -> int:
        """A quarter, half, all of the limit."""
        return max(self.o.limit * (1, 2, 4)[size] // 4, 1)

    def banded(self, price: int) -> int:
        """The price, moved into the band."""
        return min(max(price, (self.mid2 + 1) // 2 - self.o.band), self.mid2 // 2 + self.o.band)

    def behind(self, side: int, offset: int) -> int:
        """So many ticks behind the best price that the seats saw."""
        if side == BUY:
            return (self.bid if self.bid != -1 else (self.mid2 + 1) // 2 - 1) - offset
        return (self.ask if self.ask != TICKS else self.mid2 // 2 + 1) + offset

    def is_maker(self, seat: int) -> bool:
        """Whether a seat quotes only."""
        return 0 <= seat - self.o.liquidator_seats < self.o.maker_seats

    def room(self, seat: int, side: int) -> int:
        """Lots that a seat may still buy or sell."""
        o, account = self.o, self.account(seat + 1)
        waiting = 0 if o.replace else self.book.open_lots(seat + 1, side)
        if seat < o.liquidator_seats:
            return max((account.shares if side == SELL else 0) - waiting, 0)
        held = account.shares if side == BUY else -account.shares
        lots = (o.limit if side == BUY else o.short_limit) - held
        half = self.mid2 * (CENTS // 2)
        if o.initial_margin * half > 0:
            equity = account.cash + account.shares * half
            affordable = int(max(equity, 0) / (o.initial_margin * half)) - held
            lots = min(lots, max(affordable, -held, 0))
        return max(lots - waiting, 0)

    def quote(self, seat: int, side: int, price: int, lots: int) -> None:
        """A limit order inside the band; a maker's never trades at once."""
        price = self.banded(price)
        if self.is_maker(seat):
            best = self.book.best(SELL if side == BUY else BUY)
            price = min(price, best - 1) if side == BUY else max(price, best + 1)
        self.trade(seat + 1, side, price, lots, rest=True)

    def cross(self, owner: int, side: int, lots: int) -> None:
        """A market order, as far as the band."""
        self.trade(owner, side, self.banded(TICKS if side == BUY else 0), lots, rest=False)

    def trade(self, owner: int, side: int, price: int, lots: int, *, rest: bool) -> None:
        """Submit an order and book what it traded."""
        first = len(self.book.trades)
        self.book.submit(owner, side, min(max(price, 0), TICKS - 1), lots, rest=rest)
        for trade in self.book.trades[first:]:
            signed = trade.lots if trade.side == BUY else -trade.lots
            taker, maker = round(self.o.taker_fee * CENTS), round(self.o.maker_fee * CENTS)
            self.account(trade.taker).book(trade.price, signed, taker * trade.lots)
            self.account(trade.maker).book(trade.price, -signed, maker * trade.lots)
            self.last = trade.price

    def look(self) -> None:
        """What all see of the book: best prices, mid."""
        self.bid, self.ask = self.book.best(BUY), self.book.best(SELL)
        if self.bid != -1 and self.ask != TICKS:
            self.mid2 = self.bid + self.ask
        elif self.bid != -1:
            self.mid2 = max(self.mid2, 2 * self.bid + 1)
        elif self.ask != TICKS:
            self.mid2 = min(self.mid2, 2 * self.ask - 1)

    def imbalance(self) -> float:
        """Of the lots at the best prices."""
        bid, ask = (self.book.depth(side).get(self.book.best(side), 0) for side in (BUY, SELL))
        return (bid - ask) / max(bid + ask, 1)

    def spread(self) -> float:
        """0 where a side is empty."""
        return float(self.ask - self.bid) if self.bid != -1 and self.ask != TICKS else 0.0
