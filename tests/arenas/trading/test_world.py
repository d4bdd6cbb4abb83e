"""The market conserves cash and shares, respects limits and margin, and pays what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arenas.trading.book import ASK, BID, NONE, OPEN, RESTING, TICKS
from arenas.trading.options import CENTS
from arenas.trading.world import CASH, FEES, SHARES
from tests.arenas.trading.market import ALONE, Market

FULL: dict[str, Any] = {"seats": 6, "horizon": 80, "taker_fee": 0.3, "maker_fee": -0.1, "makers": 2}


def test_cash_and_shares_are_conserved_in_every_step() -> None:
    """Cash of all accounts plus fees stays what the seats brought, and shares sum to zero."""
    market = Market({**FULL, "limit": 40})
    for step in market.play():
        if step == 80:
            break
        accounts = market.world["accounts"]
        assert accounts[:, CASH].sum() + accounts[:, FEES].sum() == 6 * 10_000 * CENTS
        assert accounts[:, SHARES].sum() == 0
        assert market.world["top"][BID] < market.world["top"][ASK]
    assert accounts[1:7, FEES].sum() > 0


@pytest.mark.parametrize("replace", [True, False])
def test_position_limits_hold_with_all_resting_orders_filled(replace: bool) -> None:
    """No seat's position, even with all its bids or all its offers filled, exceeds its limits."""
    market = Market({**FULL, "replace": replace, "limit": 8, "short_limit": 4}, seeds=range(8))
    most = 0
    for _ in market.play():
        for world in market.arena.worlds_B:
            held, owners = world["accounts"][1:7, SHARES], world["owners"][1:7]
            assert (held + owners[:, OPEN] <= 8).all()
            assert (-held + owners[:, OPEN + 1] <= 4).all()
            most = max(most, int(abs(held).max()))
    assert most == 8


def test_open_orders_are_limited_where_orders_add_up() -> None:
    """Without replacement a seat has at most `open_orders` resting orders a side."""
    market = Market({**FULL, "replace": False, "open_orders": 2, "limit": 40})
    counts = [market.world["owners"][1:7, 4:6].max() for _ in market.play()]
    assert max(counts) == 2


def test_margin_breach_leaves_within_the_step() -> None:
    """A seat below its maintenance margin is out in that step: flat, without orders, terminated."""
    options = {**FULL, "capital": 500, "initial_margin": 0.1, "maintenance_margin": 0.08, "jump_rate": 0.3}
    market = Market(options, seeds=range(64))
    alive_BN, left = market.role.alive_BN.copy(), 0
    over_B = np.zeros(64, bool)
    for _ in market.play():
        role, worlds_B = market.role, market.arena.worlds_B
        over_B |= market.frame.over_B
        gone_BN = role.terminated_BN & ~market.frame.over_B[:, None]
        assert (role.terminated_BN <= alive_BN).all()
        assert not (role.terminated_BN & role.truncated_BN).any()
        assert not (gone_BN & role.alive_BN).any()
        for copy in np.flatnonzero(~over_B):
            accounts, owners = worlds_B[copy]["accounts"][1:7], worlds_B[copy]["owners"][1:7]
            worth = worlds_B[copy]["mid2"] * (CENTS // 2)
            for seat in range(6):
                if gone_BN[copy, seat]:
                    left += 1
                    assert accounts[seat, SHARES] == 0
                    assert owners[seat, OPEN] == owners[seat, OPEN + 1] == 0
                elif role.alive_BN[copy, seat]:
                    equity = accounts[seat, CASH] + accounts[seat, SHARES] * worth
                    assert equity >= 0.08 * abs(accounts[seat, SHARES]) * worth - 500
        alive_BN = role.alive_BN.copy()
    assert left > 10


def test_without_fees_and_background_scores_sum_to_exactly_zero() -> None:
    """With only seats trading, and no fees, final profits sum to zero exactly, and rewards in every step."""
    for settle in ("value", "mid"):
        market = Market({**ALONE, "seats": 5, "horizon": 60, "settle": settle}, seeds=range(32))
        for _ in market.play():
            assert abs(market.role.reward_BN.sum(1)).max() < 1e-9
            if market.frame.over_B.any():
                assert (market.role.score_BN.sum(1) == 0.0).all()
                assert abs(market.role.score_BN).max() > 0


def test_scores_stay_zero_sum_when_seats_are_liquidated() -> None:
    """What a liquidated seat could not sell is settled at the end: profits still sum to zero."""
    options = {
        **ALONE,
        "seats": 4,
        "horizon": 60,
        "capital": 300,
        "initial_margin": 0.05,
        "maintenance_margin": 0.05,
    }
    market = Market(options, seeds=range(32))
    terminated = 0
    for _ in market.play():
        terminated += int(market.role.terminated_BN.sum())
        over_B = market.frame.over_B
        assert (market.role.score_BN[over_B].sum(1) == 0.0).all()
    assert terminated > 0


def test_fees_are_what_the_seats_lose_together() -> None:
    """With only seats trading, final profits sum to minus the fees of all lots traded."""
    market = Market({**ALONE, "seats": 4, "horizon": 40, "taker_fee": 0.5, "maker_fee": -0.2})
    for _ in market.play():
        fees = market.world["accounts"][1:5, FEES].sum()
    assert fees > 0
    assert market.role.score_BN[0].sum() == pytest.approx(-fees / CENTS)


def test_rewards_add_up_to_the_score() -> None:
    """The rewards of a match, times the scale, are the final profit."""
    market = Market({**FULL, "reward_scale": 7.0}, seeds=range(8))
    total_BN = np.zeros((8, 6))
    for _ in market.play():
        total_BN += market.role.reward_BN
    np.testing.assert_allclose(7.0 * total_BN, market.role.score_BN, atol=1e-6)


def test_relative_rewards_and_inventory_cost() -> None:
    """`relative` = 1 makes rewards sum to zero; the price of inventory is taken off by lot and step."""
    plain, relative = Market(FULL), Market({**FULL, "relative": 1.0})
    costly = Market({**FULL, "inventory_penalty": 0.5})
    for _ in zip(plain.play(), relative.play(), costly.play(), strict=True):
        assert relative.role.reward_BN.sum() == pytest.approx(0.0, abs=1e-9)
        if not plain.frame.over_B[0]:
            held = abs(costly.world["accounts"][1:7, SHARES])
            lost = plain.role.reward_BN - costly.role.reward_BN
            np.testing.assert_allclose(lost[0], 0.5 * held / 20.0, atol=1e-9)


def test_positions_are_settled_at_the_value() -> None:
    """A seat that holds to the end gets the fundamental value for each lot, to the nearest half tick."""
    market = Market({"seats": 1, "horizon": 5, "makers": 4})
    market.action_BN[:] = 1
    market.arena.step()
    cash, held = market.world["accounts"][1, CASH], market.world["accounts"][1, SHARES]
    market.action_BN[:] = 0
    for _ in range(4):
        market.arena.step()
    value = round(2 * float(market.world["value"])) / 2
    assert held == 5
    assert market.role.truncated_BN[0, 0]
    assert market.role.score_BN[0, 0] == cash / CENTS + held * value - 10_000


def test_last_observation_shows_the_settled_account() -> None:
    """After the last step a seat sees no position, no orders, no time left, and its final profit."""
    market = Market(FULL, seeds=range(4))
    for _ in market.play():
        pass
    slices, last = market.arena.spec.roles[0].slices, market.role.last_observation[0]
    for name in ("inventory", "gain", "bid", "ask", "time"):
        assert (last[..., slices[name][0] : slices[name][1]] == 0).all(), name
    profit = last[..., slices["equity"][0]] * 10.0 * 20
    np.testing.assert_allclose(profit, market.role.score_BN, rtol=1e-5)


def test_book_without_background_starts_empty_and_takes_quotes() -> None:
    """With no background the book is empty; the first bid stands just below the mid, and is seen."""
    market = Market({**ALONE, "seats": 2})
    assert market.world["top"][RESTING] == 0
    assert (market.world["bid"], market.world["ask"]) == (NONE, TICKS)
    market.action_BN[0] = [9, 0]
    market.arena.step()
    assert market.world["bid"] == 511
    assert market.part("bid")[0, 0, 0] == pytest.approx(5 / 20)
    assert market.part("bid")[0, 1, 0] == 0
    assert market.role.mask_BNA[0, 1, 4] == 1


def test_mirrored_play_has_the_mirrored_result() -> None:
    """Without background, seats that all swap buying for selling earn what they earned before."""
    scores = []
    swap = np.array([0, 4, 5, 6, 1, 2, 3, *range(17, 27), *range(7, 17), 28, 27, 29])
    for mirror in (False, True):
        market = Market({**ALONE, "seats": 3, "horizon": 30, "settle": "mid"}, seeds=range(32))
        rng = np.random.default_rng(5)
        for _ in range(30):
            wish_BN = rng.integers(30, size=(32, 3))
            market.action_BN[:] = swap[wish_BN] if mirror else wish_BN
            market.arena.step()
        scores.append(market.role.score_BN.copy())
    np.testing.assert_array_equal(scores[0], scores[1])
    assert abs(scores[0]).max() > 0


def test_masked_and_unknown_choices_do_nothing() -> None:
    """A choice that is masked, or no choice at all, leaves the same market as hold."""
    markets = [Market({"seats": 1, "horizon": 10, "limit": 4}) for _ in range(3)]
    for market, action in zip(markets, (0, 29, 57), strict=True):
        assert action > 29 or action == 0 or market.role.mask_BNA[0, 0, action] == 0
        market.action_BN[:] = action
        market.arena.step()
    for market in markets[1:]:
        np.testing.assert_array_equal(market.role.observation[0], markets[0].role.observation[0])
