"""The compiled market equals its twin in plain Python: whole matches, whatever the options and the play."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arenas.trading import TradingBatch
from arenas.trading.book import ASK, BID, CANCELLED, FILLED, SUBMITTED
from arenas.trading.options import Options
from arenas.trading.world import CASH, COST, FEES, SHARES
from marl.frame import over_memory
from marl.spec import PARKED, Ticket
from tests.arenas.trading.market import ALONE
from tests.arenas.trading.twin.market import BUY, CENTS, CROWD, SELL, START
from tests.arenas.trading.twin.match import Twin
from tests.arenas.trading.twin.sight import mask, observation

KNOBS = st.fixed_dictionaries(
    {},
    optional={
        "replace": st.booleans(),
        "limit": st.sampled_from([4, 9, 20]),
        "short_limit": st.sampled_from([0, 4, 20]),
        "open_orders": st.integers(1, 3),
        "band": st.sampled_from([3, 40]),
        "capital": st.sampled_from([1000, 10_000]),
        "initial_margin": st.sampled_from([0.05, 0.5]),
        "maintenance_margin": st.sampled_from([0.0, 0.05]),
        "taker_fee": st.sampled_from([0.0, 0.3]),
        "maker_fee": st.sampled_from([0.0, -0.0, 0.1]),
        "signal_noise": st.sampled_from([None, 2.0]),
        "latency": st.lists(st.integers(0, 3), max_size=3),
        "halt_move": st.sampled_from([0, 2]),
        "halt_steps": st.integers(1, 3),
        "settle": st.sampled_from(["value", "mid"]),
        "mark": st.sampled_from(["value", "mid"]),
        "jump_rate": st.sampled_from([0.0, 0.3]),
        "herding": st.sampled_from([0.0, 0.9]),
        "makers": st.integers(0, 2),
        "momentum_edge": st.sampled_from([0.0, 1.5]),
        "momentum_rate": st.sampled_from([0.1, 1.0]),
        "relative": st.sampled_from([0.0, 1.0]),
        "inventory_penalty": st.sampled_from([0.0, 0.5]),
        "action": st.sampled_from(["discrete", "continuous"]),
    },
)


class Checked(Twin):
    """The twin, whose accounts and book are checked after each order."""

    def trade(self, owner: int, side: int, price: int, lots: int, *, rest: bool) -> None:
        """Trade, then count everything."""
        seen = len(self.book.trades)
        super().trade(owner, side, price, lots, rest=rest)
        book, accounts, o = self.book, self.accounts.values(), self.o
        for trade in book.trades[seen:]:
            assert trade.price <= price if side == BUY else trade.price >= price
            assert trade.taker != trade.maker or owner == CROWD
        brought = o.seats * o.capital - o.liquidator_seats * o.mission * START
        assert sum(account.cash + account.fees for account in accounts) == brought * CENTS
        assert sum(account.shares for account in accounts) == o.liquidator_seats * o.mission
        assert book.best(BUY) < book.best(SELL)
        resting = sum(order.lots for order in book.roster)
        assert book.submitted == book.filled + book.cancelled + resting
        for queue in (*book.queues[BUY].values(), *book.queues[SELL].values()):
            numbers = [order.number for order in queue]
            assert numbers == sorted(numbers)


class Pair:
    """The market and its twin, side by side in one match of random play."""

    def __init__(self, options: dict[str, Any], seed: int) -> None:
        self.arena = TradingBatch(options)
        self.frame, self.orders = over_memory(self.arena.spec, 1)
        self.arena.attach(self.frame, self.orders)
        self.orders.follow(0, Ticket(0, seed))
        self.arena.step()
        self.orders.next_B.fill(PARKED)
        self.twin, self.rng = Checked(Options.read("twin", options), seed), np.random.default_rng(seed)
        self.trades = 0

    def of(self, name: str) -> list[Any]:
        """An array of the frame for all seats, of whichever role."""
        return [row for role in self.frame.roles.values() for row in getattr(role, name)[0].tolist()]

    def step(self) -> bool:
        """One step of both, any choices; whether it was not the last."""
        twin, shown, chosen = self.twin, self.of("mask_BNA"), []
        for action_BNK in self.orders.action.values():
            if twin.o.action == "continuous":
                action_BNK[:] = self.rng.uniform(-1.0, 1.0, action_BNK.shape)
            else:
                action_BNK[:] = self.rng.integers(-1, 31, action_BNK.shape)
            chosen += action_BNK[0].tolist()
        before = list(twin.alive)
        twin.step(chosen, shown)
        self.arena.step()
        self.trades += len(twin.book.trades)
        self.compare(before)
        return not twin.over

    def compare(self, before: list[bool]) -> None:
        """What the step left; seats that were alive before it see the same."""
        twin = self.twin
        assert self.of("reward_BN") == pytest.approx(twin.reward, abs=1e-9)
        assert self.of("terminated_BN") == twin.terminated
        assert bool(self.frame.over_B[0]) == twin.over
        compare_accounts(self.arena.worlds_B[0], twin)
        last = "last_" if twin.over else ""
        roles = self.frame.roles.values()
        seen = [row for role in roles for row in getattr(role, f"{last}observation")[0][0].tolist()]
        masks = self.of(f"{last}mask_BNA")
        for seat in range(twin.o.seats):
            if before[seat] and not (twin.over and twin.terminated[seat]):
                assert seen[seat] == pytest.approx(observation(twin, seat), abs=1e-5)
                if twin.o.action == "discrete":
                    assert masks[seat] == mask(twin, seat)


def follow(options: dict[str, Any], seed: int) -> int:
    """One match of random play through both, compared after each step; returns the trades they agreed on."""
    pair = Pair(options, seed)
    while pair.step():
        pass
    assert pair.of("score_BN") == pair.twin.score
    return pair.trades


def compare_accounts(world: np.void, twin: Twin) -> None:
    """Same value, best prices, sums of lots, and accounts of all owners."""
    top = world["top"]
    assert float(world["value"]) == twin.value
    assert (top[BID], top[ASK]) == (twin.book.best(0), twin.book.best(1))
    sums = (twin.book.submitted, twin.book.filled, twin.book.cancelled)
    assert (top[SUBMITTED], top[FILLED], top[CANCELLED]) == sums
    for owner, account in twin.accounts.items():
        row = world["accounts"][owner]
        assert row[[CASH, SHARES, FEES, COST]].tolist() == [
            account.cash,
            account.shares,
            account.fees,
            account.cost,
        ]


@settings(max_examples=40, deadline=None)
@given(KNOBS, st.integers(1, 4), st.integers(0, 2**32))
def test_whole_matches_equal_the_twin_s(knobs: dict[str, Any], seats: int, seed: int) -> None:
    """Rewards, accounts, book, observations, masks are equal after each step; sums hold after each order."""
    if knobs.get("maintenance_margin", 0.25) > knobs.get("initial_margin", 0.5):
        knobs["initial_margin"] = 0.5
    follow({**knobs, "seats": seats, "horizon": 24}, seed)


@settings(max_examples=10, deadline=None)
@given(KNOBS, st.integers(0, 2**32))
def test_roles_equal_the_twin_s(knobs: dict[str, Any], seed: int) -> None:
    """Liquidators, makers and traders in one book, with and without a background: all equal the twin's."""
    if knobs.get("maintenance_margin", 0.25) > knobs.get("initial_margin", 0.5):
        knobs["initial_margin"] = 0.5
    roles = {"liquidator_seats": 1, "maker_seats": 1, "mission": 4, "seats": 3, "horizon": 20}
    follow({**knobs, **roles}, seed)
    follow({**knobs, **roles, **ALONE}, seed)


def test_replayed_prices_equal_the_twin_s() -> None:
    """Real closes behind the value move it in the twin as they do in the market."""
    pytest.importorskip("bokeh_sampledata")
    options = {"prices": "bokeh:AAPL,IBM", "windows": [["2001", "2003"]], "seats": 2, "bar_steps": 8}
    assert follow({**options, "horizon": 40}, 3) > 50
