"""PPO against the market's scripted traders: trained on prices of 2000-2006, judged on others of 2010-2013.

python tests/bench/trading_learning.py [--quick] [--json]

Settings were chosen on 2007-2009, where the curve is measured, too; it is drawn into docs/reference/pictures.
A row per rival and seed: mean gain over it per match, 95 % interval, whether that lies above zero. --quick
judges on 2007-2009 and draws nothing.
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

from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from agents.scripted.trading import SCRIPTED
from agents.tuned import read_options, read_preset
from arenas.trading import TradingBatch
from arenas.trading.presets import EXCHANGE, HELD_OUT, VALIDATED
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

    Line = dict[str, Any]

ME = "ppo"
BLIND = ("hold", "random", "buy_and_hold", "momentum", "mean_reversion", "maker", "avellaneda_stoikov")
SEEING = ("zi_c",)
"""Trades on its own noisy view of the value: shown beside the others, not asked for."""
QUOTERS = ("mean_reversion", "maker", "avellaneda_stoikov")
SPARRING = (ME, ME, *BLIND, *SEEING, *QUOTERS, *QUOTERS, "avellaneda_stoikov")
"""Whom it trains against, drawn uniformly: itself, everybody, and those who quote more often."""
DUEL: Mapping[str, Any] = {**EXCHANGE, "seats": 2, "horizon": 128}
ROOT = Path(__file__).resolve().parents[2]
PRESET = "trading/ppo"
"""Its options shape rewards: a trade pays at once what it is worth, less half of what the rival gains."""
COPIES, ROLLOUT, POINTS, CURVE_BLOCKS = 64, 64, 8, 50
PICTURE = ROOT / "docs" / "reference" / "pictures" / "trading-learning.png"


def rivals(spec: Spec) -> dict[str, Policy]:
    """All scripted traders by name."""
    return {"random": RandomLegal(), **{name: make(spec) for name, make in SCRIPTED.items()}}


def train(seed: int, decisions: int) -> tuple[PPO, list[Line], dict[str, float]]:
    """A trader, its curve (gains over the blind rivals on VALIDATED), and the seconds that training took."""
    pool = LocalPool([TradingBatch(read_options(PRESET) or {}) for _ in range(2)], COPIES)
    settings = {**read_preset(PRESET), "anneal_decisions": decisions}
    learner = PPO(pool.spec, PPOSettings.read(ME, settings), seed)
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
    curve: list[Line] = []
    wall_s = cpu_s = 0.0
    while True:
        if play.decisions >= len(curve) * decisions // POINTS:
            gains = {name: judge(learner, name, CURVE_BLOCKS, seed_of(seed, 7), VALIDATED) for name in BLIND}
            means = {name: float(gain_B.mean()) for name, gain_B in gains.items()}
            curve.append({"seed": seed, "decisions": play.decisions, **means})
        if play.decisions >= decisions:
            return learner, curve, {"wall_s": wall_s, "cpu_s": cpu_s}
        began, began_cpu = time.perf_counter(), time.process_time()
        learner.update(play.collect(ROLLOUT))
        play.take_outcomes()
        wall_s += time.perf_counter() - began
        cpu_s += time.process_time() - began_cpu


def judge(
    learner: PPO, rival: str, blocks: int, seed: int, prices: Mapping[str, Any]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The gain over a rival in each block: both seatings of one seed, on these prices."""
    with LocalPool([TradingBatch({**DUEL, **prices})], min(2 * blocks, 128)) as pool:
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


def measure(
    seeds: Sequence[int], decisions: int, blocks: int, prices: Mapping[str, Any]
) -> dict[str, list[Line]]:
    """Rows and curves of all seeds; who trained is judged on `prices`, greedy."""
    rows: list[Line] = []
    curves: list[Line] = []
    for seed in seeds:
        learner, curve, took = train(seed, decisions)
        curves += curve
        for rival in (*BLIND, *SEEING):
            gain_B = judge(learner, rival, blocks, seed_of(seed, 99), prices)
            low, high = interval(gain_B, seed)
            rows.append(
                {
                    "work": f"gain over {rival}, ticks x lots a match",
                    "seed": seed,
                    **took,
                    "ours": float(gain_B.mean()),
                    "low": low,
                    "high": high,
                    "blocks": blocks,
                    "ok": low > 0,
                    "asked": rival in BLIND,
                }
            )
    return {"rows": rows, "curves": curves}


def least_and_mean(point: Line) -> tuple[float, float]:
    """Of a point of the curve: the least and the mean gain over the rivals that do not see the value."""
    gains = [point[name] for name in BLIND]
    return min(gains), float(np.mean(gains))


def draw(curves: Sequence[Line], path: Path) -> None:
    """The curves of all seeds: mean gain, and dashed the least, by decisions."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for seed in sorted({point["seed"] for point in curves}):
        points = [point for point in curves if point["seed"] == seed and point["decisions"] > 0]
        x = [point["decisions"] / 1e6 for point in points]
        least, mean = zip(*map(least_and_mean, points), strict=True)
        (line,) = axes.plot(x, mean, label=f"seed {seed}, mean over rivals")
        axes.plot(x, least, "--", color=line.get_color(), label=f"seed {seed}, least")
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.set(xlabel="decisions, millions", ylabel="gain over rivals, ticks x lots")
    axes.legend(fontsize=8, ncols=3)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Train, judge and print."""
    asked = options(__doc__ or "")
    torch.set_num_threads(1)
    if asked.quick:
        found = measure([0], 1_000_000, 100, VALIDATED)
    else:
        found = measure([0, 1, 2], 6_000_000, 400, HELD_OUT)
        draw(found["curves"], PICTURE)
    if asked.json:
        print(json.dumps(found, indent=1))
        return
    for point in found["curves"]:
        least, mean = least_and_mean(point)
        print(
            f"seed {point['seed']}  {point['decisions']:>9,} decisions  least {least:8.1f}  mean {mean:8.1f}"
        )
    for row in found["rows"]:
        verdict = ("yes" if row["ok"] else "NO") if row["asked"] else "-"
        where = f"{row['ours']:8.1f}  [{row['low']:8.1f}, {row['high']:8.1f}]"
        took = f"{row['wall_s']:4.0f} s, {row['cpu_s']:4.0f} s of CPU"
        print(f"seed {row['seed']}  {row['work']:<55} {where}  {took}  {verdict}")


if __name__ == "__main__":
    main()
