"""PPO against the market's scripted traders: trained on prices of 2000-2008, judged on those of 2009-2013.

python tests/bench/trading_learning.py [--quick] [--json]

A row per rival and seed: mean gain over it per match, 95 % interval, whether that lies above zero.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
import torch

from agents.ppo import PPO, PPOSettings
from agents.scripted.trading import SCRIPTED
from arenas.trading import TradingBatch
from arenas.trading.presets import EXCHANGE, HELD_OUT, TRAINED
from marl.batch import LocalPool
from marl.play import Match, Play, Player, in_order
from marl.policy import RandomLegal
from marl.rng import seed_of
from marl.spec import Ticket
from tests.bench.table import options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marl.policy import Policy
    from marl.spec import Spec

ME = "ppo"
BLIND = ("hold", "random", "buy_and_hold", "momentum", "mean_reversion", "maker", "avellaneda_stoikov")
SEEING = ("zi_c",)
"""Trades on its own noisy view of the value: shown beside the others, not asked for."""
QUOTERS = ("mean_reversion", "maker", "avellaneda_stoikov")
SPARRING = (ME, ME, *BLIND, *SEEING, *QUOTERS, *QUOTERS, "avellaneda_stoikov")
"""Whom it trains against, drawn uniformly: itself, everybody, and those who quote more often."""
DUEL: Mapping[str, Any] = {**EXCHANGE, "seats": 2, "horizon": 128, "relative": 1.0}
SETTINGS = {"minibatch": 1024, "entropy": 0.003, "max_grad_norm": 0.5, "lr": 7e-4, "lr_end": 0.1}
COPIES, ROLLOUT = 64, 64


def rivals(spec: Spec) -> dict[str, Policy]:
    """All scripted traders by name."""
    return {"random": RandomLegal(), **{name: make(spec) for name, make in SCRIPTED.items()}}


def train(seed: int, decisions: int, points: int) -> tuple[PPO, list[tuple[int, float, float]]]:
    """A trader, and its curve: decisions, least and mean gain over the blind rivals in held-out windows."""
    pool = LocalPool([TradingBatch({**DUEL, **TRAINED}) for _ in range(2)], COPIES)
    learner = PPO(pool.spec, PPOSettings.read(ME, {**SETTINGS, "anneal_decisions": decisions}), seed)
    players = {ME: Player(learner.policy, record=True)}
    players.update({name: Player(policy) for name, policy in rivals(pool.spec).items()})

    def match(copy: int, episode: int) -> Match:
        rival = SPARRING[seed_of(seed, copy, episode, 1) % len(SPARRING)]
        pair = (ME, rival) if copy % 2 else (rival, ME)
        number = copy + episode * 10**6
        return Match(
            Ticket(number, seed_of(seed, copy, episode)), dict(zip(pool.spec.seats, pair, strict=True))
        )

    play = Play(pool, match, players)
    curve, next_point = [], 0
    while True:
        if play.decisions >= next_point:
            gains = [judge(learner, name, 24, seed_of(seed, 7)).mean() for name in BLIND]
            curve.append((play.decisions, float(min(gains)), float(np.mean(gains))))
            next_point += decisions // points
        if play.decisions >= decisions:
            return learner, curve
        learner.update(play.collect(ROLLOUT))
        play.take_outcomes()


def judge(learner: PPO, rival: str, blocks: int, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The gain over a rival in each block: both seatings of one seed, in held-out windows."""
    with LocalPool([TradingBatch({**DUEL, **HELD_OUT})], min(2 * blocks, 128)) as pool:
        first, second = pool.spec.seats
        plan = []
        for block in range(blocks):
            number = seed_of(seed, block)
            for side, pair in enumerate(((ME, rival), (rival, ME))):
                plan.append(Match(Ticket(2 * block + side, number), {first: pair[0], second: pair[1]}))
        players = {ME: Player(learner.policy, greedy=True), rival: Player(rivals(pool.spec)[rival])}
        outcomes = Play(pool, in_order(plan, pool.copies), players).run()
    gain = np.zeros(blocks)
    for outcome in outcomes:
        block, side = divmod(outcome.match.ticket.match, 2)
        own, other = (first, second) if side == 0 else (second, first)
        gain[block] += 0.5 * (outcome.score[own] - outcome.score[other])
    return gain


def interval(gain_B: np.ndarray[Any, np.dtype[np.float64]], seed: int) -> tuple[float, float]:
    """A 95 % interval of the mean, by bootstrap over blocks."""
    rng = np.random.default_rng(seed)
    means = gain_B[rng.integers(len(gain_B), size=(4000, len(gain_B)))].mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def measure(seeds: Sequence[int], decisions: int, blocks: int) -> dict[str, list[dict[str, Any]]]:
    """Rows and curves of all seeds."""
    rows, curves = [], []
    for seed in seeds:
        began_s = time.perf_counter()
        learner, curve = train(seed, decisions, 5)
        took_s = time.perf_counter() - began_s
        curves += [{"seed": seed, "decisions": n, "least": low, "mean": mean} for n, low, mean in curve]
        for rival in (*BLIND, *SEEING):
            gain_B = judge(learner, rival, blocks, seed_of(seed, 99))
            low, high = interval(gain_B, seed)
            rows.append(
                {
                    "work": f"gain over {rival}, ticks x lots a match",
                    "seed": seed,
                    "trained_s": took_s,
                    "ours": float(gain_B.mean()),
                    "low": low,
                    "high": high,
                    "blocks": blocks,
                    "ok": low > 0,
                    "asked": rival in BLIND,
                }
            )
    return {"rows": rows, "curves": curves}


def main() -> None:
    """Train, judge and print."""
    asked = options(__doc__ or "")
    torch.set_num_threads(1)
    found = measure([0], 300_000, 40) if asked.quick else measure([0, 1, 2], 4_500_000, 250)
    if asked.json:
        print(json.dumps(found, indent=1))
        return
    for row in found["curves"]:
        print(
            f"seed {row['seed']}  {row['decisions']:>9,} decisions  "
            f"least {row['least']:8.1f}  mean {row['mean']:8.1f}"
        )
    for row in found["rows"]:
        verdict = ("yes" if row["ok"] else "NO") if row["asked"] else "-"
        where = f"{row['ours']:8.1f}  [{row['low']:8.1f}, {row['high']:8.1f}]"
        print(f"seed {row['seed']}  {row['work']:<55} {where}  {row['trained_s']:5.0f} s  {verdict}")


if __name__ == "__main__":
    main()
