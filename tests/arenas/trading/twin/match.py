"""A slow twin of a whole match: the same rules as the kernel's, written a second time.

It shares the options, the reader of prices and the twin of the book with the arena: own random numbers,
accounts, traders.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from arenas.trading.options import LATE, Options
from arenas.trading.prices import load, windows
from tests.arenas.trading.twin.background import Background
from tests.arenas.trading.twin.market import BUY, CENTS, CROWD, MARGIN, SELL, START, TICKS

if TYPE_CHECKING:
    from collections.abc import Sequence

OFFSETS = (-1, 0, 1, 2, 4)


class Twin(Background):
    """One match: `begin`, then `step(actions)`; what a step left stands in the attributes."""

    def __init__(self, options: Options, seed: int) -> None:
        super().__init__(options, seed)
        self.informed = options.signal_noise is not None
        self.alive = [True] * options.seats
        self.reward = [0.0] * options.seats
        self.terminated = [False] * options.seats
        self.score = [0.0] * options.seats
        self.time = self.left = self.halt = 0
        self.over = False
        self.flow = self.heat = 0.0
        self.history = [(0.0, 0.0, 0.0, 0.0)] * options.history
        self._begin()

    def _begin(self) -> None:
        o, rng = self.o, self.rng
        self.error = [(o.signal_noise or 0.0) * rng.normal() for _ in range(o.seats)]
        for seat in range(o.seats):
            account = self.account(seat + 1)
            account.cash = account.equity = account.paid = o.capital * CENTS
            if seat < o.liquidator_seats:
                account.shares, account.cost = o.mission, o.mission * START * CENTS
                account.cash -= account.cost
        self.crowd_side = rng.below(2)
        series = load(o.prices)
        if series:
            bars = -(-o.horizon // o.bar_steps)
            self.closes = np.log(np.concatenate([one.closes for one in series]))
            self._choose(windows(series, o.windows, bars), bars)
        self.replay = bool(series)
        if o.noise_limit > 0:
            for distance in range(1, o.noise_depth + 1):
                for side in (BUY, SELL, BUY, SELL):
                    price = START - distance if side == BUY else START + distance
                    self.book.submit(CROWD, side, price, 1 + rng.below(2 * o.noise_lots - 1), rest=True)
        self.look()

    def _choose(self, spans: Sequence[tuple[int, int]], bars: int) -> None:
        starts = [row for first, end in spans for row in range(first, end - bars)]
        self.row = starts[self.rng.below(len(starts))]
        self.origin = self.closes[self.row]
        low, high = math.log(self.o.scale_low), math.log(self.o.scale_high)
        self.gain = math.exp(low + (high - low) * self.rng.uniform())
        if self.o.mirror and self.rng.below(2):
            self.gain = -self.gain

    def step(self, actions: Sequence[Sequence[float]], masks: Sequence[Sequence[int]]) -> None:
        """All seats' actions (rows of one choice, or of four numbers) and the masks that they were shown."""
        o = self.o
        self.time += 1
        self.book.trades.clear()
        turn = [seat for seat in range(o.seats) if self.alive[seat]]
        for place in range(len(turn) - 1, 0, -1):
            other = self.rng.below(place + 1)
            turn[place], turn[other] = turn[other], turn[place]
        grades = [*o.latency, *[0] * o.seats]
        for grade in range(LATE):
            self._hear([seat for seat in turn if grades[seat] == grade], actions, masks)
        self._move_value()
        halted = self.halt > 0
        if not halted:
            self.background()
        self._hear([seat for seat in turn if grades[seat] == LATE], actions, masks)
        before = self.mid2
        self.look()
        self.terminated = [False] * o.seats
        self._leave(halted=halted)
        if halted:
            self.halt -= 1
        elif o.halt_move and abs(self.mid2 - before) >= 2 * o.halt_move:
            self.halt = o.halt_steps
        self._remember(before)
        live = [seat for seat in range(o.seats) if self.alive[seat] and not self.terminated[seat]]
        self.over = self.time >= o.horizon or not live
        self._pay()
        if self.over:
            self._settle_all()
        else:
            self.alive = [seat in live for seat in range(o.seats)]

    def _hear(
        self, seats: list[int], actions: Sequence[Sequence[float]], masks: Sequence[Sequence[int]]
    ) -> None:
        for seat in seats:
            if self.o.action == "continuous":
                self._steer(seat, actions[seat])
                continue
            choice = int(actions[seat][0])
            if 0 <= choice < 30 and masks[seat][choice]:
                self._obey(seat, choice)

    def _obey(self, seat: int, choice: int) -> None:
        owner = seat + 1
        if choice >= 27:
            for side in {27: (BUY,), 28: (SELL,), 29: (BUY, SELL)}[choice]:
                self.book.cancel_all(owner, side)
        elif choice >= 7:
            side, rest = divmod(choice - 7, 10)
            offset, size = OFFSETS[rest // 2], rest % 2
            lots = self._clear_for(seat, side, self.size_of(size))
            if lots:
                self.quote(seat, side, self.behind(side, offset), lots)
        elif choice >= 1:
            side, size = divmod(choice - 1, 3)
            lots = self._clear_for(seat, side, self.size_of(size))
            if lots:
                self.cross(owner, side, lots)

    def _clear_for(self, seat: int, side: int, lots: int) -> int:
        if self.o.replace:
            self.book.cancel_all(seat + 1, side)
        return min(lots, self.room(seat, side))

    def _steer(self, seat: int, wish: Sequence[float]) -> None:
        if not all(-1.0 <= number <= 1.0 for number in wish):
            return
        sides = [BUY, SELL] if wish[0] < wish[2] else [SELL, BUY]
        if wish[0] == wish[2] and self.rng.below(2) == BUY:
            sides = [BUY, SELL]
        for side in sides:
            behind, lots = round(8 * wish[2 * side]), round(self.o.limit * max(wish[2 * side + 1], 0.0))
            price, own = self.banded(self.behind(side, behind)), self.book.orders_of(seat + 1, side)
            if self.halt:
                if not lots:
                    self.book.cancel_all(seat + 1, side)
                continue
            if lots and [(order.price, order.lots) for order in own] == [(price, lots)]:
                continue
            self.book.cancel_all(seat + 1, side)
            lots = min(lots, self.room(seat, side))
            if lots:
                self.quote(seat, side, price, lots)

    def _move_value(self) -> None:
        o, rng = self.o, self.rng
        if self.replay:
            if self.left == 0:
                self.row += 1
                self.left = o.bar_steps
                self.target = START * math.exp(self.gain * (self.closes[self.row] - self.origin))
            self.value += (self.target - self.value) / self.left
            self.value += o.bridge_noise * math.sqrt((self.left - 1) / self.left) * rng.normal()
            self.left -= 1
        else:
            self.value += o.ou_pull * (START - self.value) + o.ou_noise * rng.normal()
            if rng.uniform() < o.jump_rate:
                self.value += o.jump_size * rng.normal()
        self.value = min(max(self.value, float(MARGIN)), float(TICKS - MARGIN))
        if self.informed and o.signal_noise is not None:
            fresh = o.signal_noise * math.sqrt(1.0 - o.signal_memory * o.signal_memory)
            for seat in range(o.seats):
                if self.alive[seat]:
                    self.error[seat] = o.signal_memory * self.error[seat] + fresh * rng.normal()

    def _leave(self, *, halted: bool) -> None:
        o = self.o
        for seat in range(o.liquidator_seats):
            if not self.alive[seat]:
                continue
            account = self.account(seat + 1)
            if self.time >= o.horizon and account.shares > 0:
                self.cancel_both(seat + 1)
                self.cross(seat + 1, SELL, account.shares)
                self.look()
            if account.shares == 0:
                self.cancel_both(seat + 1)
                self.terminated[seat] = True
                self.look()
        for seat in range(o.seats):
            if not self.alive[seat] or halted or self.terminated[seat]:
                continue
            account, worth = self.account(seat + 1), self.mid2 * (CENTS // 2)
            equity, held = account.cash + account.shares * worth, account.shares
            if equity < 0 or equity < o.maintenance_margin * abs(held) * worth:
                self.cancel_both(seat + 1)
                if held:
                    self.cross(seat + 1, SELL if held > 0 else BUY, abs(held))
                self.terminated[seat] = True
                self.look()

    def _remember(self, before: int) -> None:
        mid, change = 0.5 * self.mid2, 0.5 * (self.mid2 - before)
        flow = sum(t.lots if t.side == BUY else -t.lots for t in self.book.trades)
        self.fast += 0.3 * (mid - self.fast)
        self.slow += 0.06 * (mid - self.slow)
        self.flow += 0.2 * (flow - self.flow)
        self.heat += 0.1 * (abs(change) - self.heat)
        row = (change / 10.0, self.spread() / 10.0, self.imbalance(), flow / self.o.limit)
        self.history = [*self.history[1:], row]

    def _mark(self) -> int:
        if self.over and self.o.settle == "value":
            return math.floor(2.0 * self.value + 0.5) * (CENTS // 2)
        return self.mid2 * (CENTS // 2)

    def _pay(self) -> None:
        o, seen = self.o, self._mark()
        paid = math.floor(CENTS * self.value) if o.mark == "value" and not self.over else seen
        gains = {}
        for seat in range(o.seats):
            if self.alive[seat]:
                account = self.account(seat + 1)
                account.equity = account.cash + account.shares * seen
                worth = account.cash + account.shares * paid
                gains[seat], account.paid = worth - account.paid, worth
        self.reward = [0.0] * o.seats
        for seat, own in gains.items():
            rivals = (sum(gains.values()) - own) / (len(gains) - 1) if len(gains) > 1 else 0.0
            held = abs(self.account(seat + 1).shares)
            gain = (own - o.relative * rivals) / CENTS
            self.reward[seat] = (gain - o.inventory_penalty * held) / o.reward_scale

    def _settle_all(self) -> None:
        mark = self._mark()
        for seat in range(self.o.seats):
            account = self.account(seat + 1)
            self.cancel_both(seat + 1)
            account.cash += account.shares * mark
            account.shares = account.cost = 0
            account.equity = account.cash
            self.score[seat] = (account.cash - self.o.capital * CENTS) / CENTS
        self.look()
