"""Bars, execution, halts, slow seats, and replays: what the other modes of the market promise."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import scripted_names
from arenas import make
from arenas.trading import TradingBatch
from arenas.trading.arena import NAME
from arenas.trading.bars import BarsBatch
from arenas.trading.book import BUY, FIRST, NUMBER, NUMBERS
from arenas.trading.execution import ExecutionBatch
from arenas.trading.presets import ALONE, PRESETS
from arenas.trading.world import CASH, FEES, SHARES
from league.config import read_league
from marl.errors import ConfigError
from marl.loading import ArenaRef
from marl.testing import check_arena
from tests.arenas.trading.market import Market

HOLD, BUY_ALL, SELL_ALL, SELL_HALF = 0, 3, 6, 5


def random_actions(live: list[str], seen: dict[str, Any], rng: np.random.Generator) -> dict[str, int]:
    """Uniform among the legal choices of each live seat."""
    return {seat: int((rng.random(30) * seen[seat]["action_mask"]).argmax()) for seat in live}


def write_bars(path: Path, closes: list[float]) -> str:
    """A file of bars with these closes; opens at the close, half a tick of range, constant volume."""
    rows = [f"2020-01-{i + 1:02},{c},{c + 0.5},{c - 0.5},{c},100" for i, c in enumerate(closes)]
    path.write_text("date,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    return f"csv:{path}"


def test_bars_pay_the_portfolio_s_return_after_cost(tmp_path: Path) -> None:
    """Bought at the last close seen less cost, held through rise and fall, sold less cost: by hand."""
    prices = write_bars(tmp_path / "b.csv", [100, 100, 110, 99, 99, 99, 99, 99])
    env = make("trading_ohlcv", prices=prices, lookback=2, horizon=4, cost=0.01)
    starts = []
    for seed in range(20):
        seen, _ = env.reset(seed=seed)
        row = int(env._arena.worlds_B["row"][0])
        starts.append(row)
        assert seen["trader_0"]["action_mask"].tolist() == [1, 1, 1, 1, 0, 0, 0]
        closes = [100, 100, 110, 99, 99, 99, 99, 99][row:]
        _, reward, *_ = env.step({"trader_0": BUY_ALL})
        worth = 0.99 * closes[1] / closes[0]
        assert reward["trader_0"] == pytest.approx(worth - 1.0)
        seen, reward, *_ = env.step({"trader_0": HOLD})
        assert reward["trader_0"] == pytest.approx(closes[2] / closes[1] - 1.0)
        assert seen["trader_0"]["action_mask"].tolist() == [1, 0, 0, 0, 1, 1, 1]
        worth *= closes[2] / closes[1]
        env.step({"trader_0": SELL_ALL})
        env.step({"trader_0": HOLD})
        assert env.score["trader_0"] == pytest.approx(0.99 * worth - 1.0)
    assert set(starts) == {1, 2, 3}


def test_continuous_bars_equal_discrete_ones() -> None:
    """The same fractions as choices and as numbers earn the same; other seats don't matter."""
    discrete, free = (
        make("trading_ohlcv", horizon=30),
        make("trading_ohlcv", horizon=30, action="continuous", seats=2),
    )
    discrete.reset(seed=4)
    free.reset(seed=4)
    fractions, rng = [0.0, 0.25, 0.5, 1.0, -0.25, -0.5, -1.0], np.random.default_rng(0)
    seen = {"trader_0": {"action_mask": np.array([1, 1, 1, 1, 0, 0, 0])}}
    while discrete.agents:
        legal = np.flatnonzero(seen["trader_0"]["action_mask"])
        choice = int(rng.choice(legal))
        seen, reward, *_ = discrete.step({"trader_0": choice})
        other = free.step(
            {
                seat: np.array([fractions[choice] if seat == "trader_0" else 1.0], np.float32)
                for seat in free.agents
            }
        )
        assert other[1]["trader_0"] == pytest.approx(reward["trader_0"], abs=1e-9)
    assert free.score["trader_0"] == pytest.approx(discrete.score["trader_0"])


def test_bars_name_what_their_file_lacks(tmp_path: Path) -> None:
    """A file of closes alone is refused for trading on bars, by the name of each column; NaN by its line."""
    path = tmp_path / "c.csv"
    path.write_text("date,close\n2020-01-01,3\n")
    with pytest.raises(ConfigError, match="column open and a column high"):
        BarsBatch({"prices": f"csv:{path}"})
    path.write_text("date,open,high,low,close,volume\n2020-01-01,3,4,2,3,nan\n")
    with pytest.raises(ConfigError, match=r"line 2: .*volume nan"):
        BarsBatch({"prices": f"csv:{path}"})


ROLES = {"seats": 4, "liquidator_seats": 1, "maker_seats": 2, "mission": 12}


@pytest.mark.parametrize("action", ["discrete", "continuous"])
@pytest.mark.parametrize("knobs", [{}, ROLES])
def test_variants_of_the_market_keep_the_contract(action: str, knobs: dict[str, Any]) -> None:
    """With continuous actions, and with three roles, the market passes the whole suite."""
    check_arena(ArenaRef(NAME, {**knobs, "action": action, "horizon": 12}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latency": [0, 4]}, "classes are 0 to 3"),
        ({"mission": 3}, "go together"),
        ({"liquidator_seats": 1}, "go together"),
        ({"seats": 2, "maker_seats": 3}, "must not exceed seats"),
    ],
)
def test_roles_and_classes_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    """Classes off their range, missions without liquidators, more makers than seats have clear errors."""
    with pytest.raises(ConfigError, match=message):
        TradingBatch(options)


def test_one_and_sixty_four_seats() -> None:
    """A market holds from 1 to 64 seats, whose cash and shares add up among the whole ecology."""
    for seats in (1, 64):
        market = Market(
            {"seats": seats, "horizon": 12, "makers": 8, "value_traders": 32, "momentum_traders": 16}
        )
        for step in market.play():
            if step < 12:
                accounts = market.world["accounts"]
                assert accounts[:, CASH].sum() + accounts[:, FEES].sum() == seats * 10_000 * 100
                assert accounts[:, SHARES].sum() == 0


def test_makers_quote_and_never_take() -> None:
    """A maker may not trade at market, and none of its orders meets a resting one, however it quotes."""
    for action in ("discrete", "continuous"):
        env = make("trading", **ROLES, action=action, horizon=80)
        seen, _ = env.reset(seed=2)
        rng, traded = np.random.default_rng(0), 0
        while env.agents:
            if action == "discrete":
                assert not seen["maker_1"]["action_mask"][1:7].any()
                actions: dict[str, Any] = random_actions(env.agents, seen, rng)
            else:
                actions = {seat: rng.uniform(-1, 1, 4).astype(np.float32) for seat in env.agents}
            seen, *_ = env.step(actions)
            trades = np.array(env.view()["trades"]).reshape(-1, 5)
            assert not np.isin(trades[:, 2], [2, 3]).any()
            traded += int(np.isin(trades[:, 3], [2, 3]).sum())
        assert traded > 5


def test_continuous_quotes_stand_where_they_are_wished_and_keep_their_place() -> None:
    """A bid two ticks behind for a quarter of the limit; wished again it keeps its number; size 0 cancels."""
    market = Market({"seats": 1, "action": "continuous", "noise_cancel": 0.0})
    wish_K, world = market.orders.action["trader"][0, 0], market.world
    wish_K[:] = (2 / 8, 0.25, 0.0, -1.0)
    bid = int(world["bid"])
    market.arena.step()
    slot = world["owners"][1, FIRST + BUY]
    number = int(world["slots"][slot, NUMBER])
    assert world["slots"][slot, :2].tolist() == [bid - 2, 5]
    wish_K[0] = (int(world["bid"]) - (bid - 2)) / 8
    market.arena.step()
    assert int(world["slots"][slot, NUMBER]) == number
    wish_K[:] = (1.0, 0.0, 1.0, 0.0)
    market.arena.step()
    assert world["owners"][1, 2:6].tolist() == [0, 0, 0, 0]


def test_late_seats_are_heard_after_the_background() -> None:
    """A late seat's quote has a number behind all of the step's background orders; others' are before."""
    for late in (0, 3):
        market = Market(
            {"seats": 1, "latency": [late], "value_traders": 0, "momentum_traders": 0, "makers": 0}
        )
        before = int(market.world["top"][NUMBERS])
        market.action_BN[:] = 15
        market.arena.step()
        slot = market.world["owners"][1, FIRST + BUY]
        number, count = int(market.world["slots"][slot, NUMBER]), int(market.world["top"][NUMBERS])
        assert number == (count - 1 if late else before)
        assert count > before + 1


def test_rewards_marked_at_the_value_pay_a_trade_at_once() -> None:
    """What a purchase pays is lots x (value - price); over the match both marks pay the same."""
    totals = {}
    for mark in ("value", "mid"):
        market = Market({"seats": 1, "mark": mark, "horizon": 6, "reward_scale": 1.0})
        market.action_BN[:] = 1
        market.arena.step()
        first = float(market.role.reward_BN[0, 0])
        account, value = market.world["accounts"][1], float(market.world["value"])
        if mark == "value":
            worth = account[CASH] / 100 - 10_000 + account[SHARES] * value
            assert first == pytest.approx(worth, abs=0.01 * account[SHARES])
        market.action_BN[:] = 0
        totals[mark] = first
        for _ in range(5):
            market.arena.step()
            totals[mark] += float(market.role.reward_BN[0, 0])
    assert totals["value"] == pytest.approx(totals["mid"])


def test_the_liquidator_only_sells_and_leaves_when_done() -> None:
    """It never holds more, shares are conserved, it is out once flat, and its score is what its cash says."""
    left = 0
    for seed in range(6):
        env = make("trading_execution", horizon=60)
        seen, _ = env.reset(seed=seed)
        market, held = env._arena, 40
        rng = np.random.default_rng(seed)
        while env.agents:
            assert market.worlds_B[0]["accounts"][:, SHARES].sum() == 40
            if "liquidator_0" in env.agents:
                mask = seen["liquidator_0"]["action_mask"]
                assert not mask[1:4].any()
                assert not mask[7:17].any()
            seen, _, terminated, *_ = env.step(random_actions(env.agents, seen, rng))
            if terminated.get("liquidator_0"):
                account = market.worlds_B[0]["accounts"][1]
                assert account[SHARES] == 0
                assert "liquidator_0" not in env.agents
                left += 1
            elif "liquidator_0" in env.agents:
                now = int(market.worlds_B[0]["accounts"][1, SHARES])
                assert 0 <= now <= held
                held = now
    assert left > 0
    assert ExecutionBatch({}).spec.roles[0].seats == ("liquidator_0",)


def test_a_halt_stops_everything_but_cancelling() -> None:
    """After a jump of the mid only hold and cancels are legal for some steps; nothing trades meanwhile."""
    options = {"seats": 3, "horizon": 200, "halt_move": 3, "halt_steps": 4, "jump_rate": 0.2}
    market = Market(options, range(4))
    halted = 0
    for _ in market.play(0.5):
        for copy, world in enumerate(market.arena.worlds_B):
            if market.frame.over_B[copy] or market.frame.ticket_B[copy] < 0:
                continue
            if world["halt"] > 0:
                halted += 1
                assert not market.role.mask_BNA[copy, :, 1:27].any()
            if 0 < world["halt"] < 4:
                assert world["top"][4] == 0
    assert halted > 20


def test_slow_seats_are_heard_last() -> None:
    """Two quotes at one price: the one of a slower class always queues behind; within a class it is even."""
    firsts = {}
    for slow in (0, 1):
        market = Market({**ALONE, "seats": 2, "latency": [0, slow]}, range(64))
        market.action_BN[:] = 9
        market.arena.step()
        ahead = 0
        for world in market.arena.worlds_B:
            numbers = [world["slots"][world["owners"][owner, FIRST + BUY], NUMBER] for owner in (1, 2)]
            ahead += numbers[0] < numbers[1]
        firsts[slow] = ahead
    assert firsts[1] == 64
    assert 16 < firsts[0] < 48


def test_a_replay_of_a_thousand_steps_is_small() -> None:
    """Views of a match of 1,000 steps, with 8 seats and the whole ecology, take under 1 MB compressed."""
    market = Market({"seats": 8, "horizon": 1000})
    lines = [json.dumps(market.arena.view(0), separators=(",", ":")) for _ in market.play()]
    assert len(lines) == 1000
    assert len(zlib.compress("\n".join(lines).encode())) < 1_000_000


def test_presets_and_stages_are_options_of_their_arenas() -> None:
    """Every named set is accepted by its arena; the league's stages fit its capacities, rivals exist."""
    pytest.importorskip("bokeh_sampledata")
    for arena, knobs in PRESETS.values():
        make(arena, **knobs).reset(seed=1)
    league = read_league("exchange")
    market = TradingBatch(league.options, league.capacity)
    for stage in league.stages:
        market.add_variant(league.stage_options(stage))
        assert set(stage.opponents.players) <= set(scripted_names(NAME))
    assert market.add_variant(league.tournament_options()) == len(league.stages) + 1


def test_cash_is_conserved_with_a_mission() -> None:
    """Cash plus fees of all accounts plus the mission at the first price is what the seats brought."""
    market = Market({"seats": 2, "mission": 20, "liquidator_seats": 1, "taker_fee": 0.1, "horizon": 40})
    for step in market.play():
        if step == 40:
            break
        accounts = market.world["accounts"]
        assert accounts[:, CASH].sum() + accounts[:, FEES].sum() + 20 * 512 * 100 == 2 * 10_000 * 100
