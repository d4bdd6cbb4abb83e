"""The background traders' twin."""

from __future__ import annotations

import math

from arenas.trading.options import MOMENTUM_TRADERS, VALUE_TRADERS
from tests.arenas.trading.twin.market import BUY, CROWD, SELL, TICKS, Market


class Background(Market):
    """Makers, value traders, trend followers, the crowd."""

    def background(self) -> None:
        """All of them, in their order."""
        o, rng = self.o, self.rng
        first = o.seats + 1
        for i in range(o.makers):
            if rng.uniform() < o.maker_rate:
                self._make(first + VALUE_TRADERS + MOMENTUM_TRADERS + i)
        for i in range(o.value_traders):
            if rng.uniform() < o.value_rate:
                self._trade_value(first + i)
        for i in range(o.momentum_traders):
            if rng.uniform() < o.momentum_rate:
                self._follow(first + VALUE_TRADERS + i)
        rate = o.noise_limit + o.noise_market + o.noise_cancel * len(self.book.roster)
        for _ in range(rng.poisson(rate)):
            self._anonymous(rng.uniform() * rate, 1 + rng.below(2 * o.noise_lots - 1))

    def _make(self, owner: int) -> None:
        o = self.o
        self.cancel_both(owner)
        centre = self.fast - min(max(0.5 * self.account(owner).shares / o.maker_lots, -3.0), 3.0)
        bid = min(math.floor(centre - o.maker_spread), self.book.best(SELL) - 1)
        ask = max(math.ceil(centre + o.maker_spread), self.book.best(BUY) + 1)
        self.trade(owner, BUY, self.banded(bid), o.maker_lots, rest=True)
        self.trade(owner, SELL, self.banded(ask), o.maker_lots, rest=True)

    def _trade_value(self, owner: int) -> None:
        o = self.o
        self.cancel_both(owner)
        estimate = self.value + o.value_noise * self.rng.normal()
        most, least = math.floor(estimate - o.value_edge), math.ceil(estimate + o.value_edge)
        side = self.rng.below(2)
        if self.book.best(SELL) <= most:
            side = BUY
        elif self.book.best(BUY) >= least:
            side = SELL
        self.trade(owner, side, self.banded(most if side == BUY else least), o.value_lots, rest=True)

    def _follow(self, owner: int) -> None:
        trend, lots = self.fast - self.slow, self.o.momentum_lots
        signed = lots if trend > 0 else -lots
        if abs(trend) < self.o.momentum_edge or abs(self.account(owner).shares + signed) > 10 * lots:
            return
        self.cross(owner, BUY if trend > 0 else SELL, lots)

    def _anonymous(self, event: float, lots: int) -> None:
        o, rng = self.o, self.rng
        if event < o.noise_limit:
            side, distance = rng.below(2), 1 + rng.below(o.noise_depth)
            best = self.book.best(SELL if side == BUY else BUY)
            if best in (-1, TICKS):
                best = self.mid2 // 2 + 1 if side == BUY else (self.mid2 + 1) // 2 - 1
            price = best - distance if side == BUY else best + distance
            self.trade(CROWD, side, self.banded(price), lots, rest=True)
        elif event < o.noise_limit + o.noise_market:
            if rng.uniform() >= o.herding:
                self.crowd_side = rng.below(2)
            self.cross(CROWD, self.crowd_side, lots)
        elif self.book.roster:
            order = self.book.roster[rng.below(len(self.book.roster))]
            if order.owner == CROWD:
                self.book.cancel(order.number)
