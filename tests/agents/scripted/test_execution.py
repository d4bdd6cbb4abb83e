"""Liquidators keep to their schedules and get rid of their mission."""

from __future__ import annotations

import numpy as np
import pytest

from agents import make_policy, scripted_names
from arenas.trading.execution import NAME, ExecutionBatch
from marl.batch import LocalPool
from marl.play import Match, Play, Player, in_order
from marl.spec import Ticket


@pytest.mark.timeout(300)  # numba compiles the market in a fresh checkout
@pytest.mark.parametrize("name", ["twap", "vwap", "pov"])
def test_schedules_sell_the_mission_at_a_moderate_cost(name: str) -> None:
    """All is sold before the end, in slices, for far less than the price of the mission."""
    assert name in scripted_names(NAME)
    pool = LocalPool([ExecutionBatch({})], 32)
    liquidator, *makers = pool.spec.seats
    players = {name: Player(make_policy(name, pool.spec)), "maker": Player(make_policy("maker", pool.spec))}
    lineup = {liquidator: name, **dict.fromkeys(makers, "maker")}
    plan = [Match(Ticket(i, i), lineup) for i in range(32)]
    outcomes = Play(pool, in_order(plan, 32), players, keep_actions=True).run()
    cost = np.array([-outcome.score[liquidator] for outcome in outcomes])
    orders = [int((outcome.action["liquidator"] > 0).sum()) for outcome in outcomes]
    assert min(orders) >= 2
    assert abs(cost.mean()) < 0.02 * 40 * 512
