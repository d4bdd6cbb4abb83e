"""Tournaments: matches per second beside plain loops, the joint fit, and what the ledger costs.

python tests/bench/tournament.py [--quick] [--json]
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents import load_snapshot
from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from arenas import full_spec, make
from league.block import BlockPlan, BlockResult, MatchResult, SeatResult
from league.bootstrap import block_weights
from league.bradley_terry import Fit
from league.comparisons import compare
from marl.hosting import make_pool
from marl.loading import ArenaRef
from marl.play import Match, Play, Player, in_order
from marl.spec import Ticket
from tests.bench.table import Row, in_turns, options, show
from tests.bench.tournament_boards import THEIRS, board_rows
from tests.bench.tournament_ledger import ledger_rows, standings_rows

OURS: dict[str, tuple[str, dict[str, Any], int, float | None]] = {
    "identity, 2 seats, 10 steps": ("identity", {"seats": 2, "steps": 10}, 1024, None),
    "biased rock-paper-scissors, 10 rounds": ("biased_rps", {"steps": 10}, 1024, None),
    "market, 8 seats, 100 steps": ("trading", {"seats": 8, "horizon": 100}, 64, 10.0),
}
"""Work to arena, options, matches and bar: the market is written batched, the others a copy at a time."""


def our_matches(name: str, given: dict[str, Any], matches: int) -> Callable[[], float]:
    """Matches per second between two frozen networks of 64 x 64, 64 copies in this process."""
    pool = make_pool(ArenaRef(full_spec(name), given), hosts=0, copies=64, groups=2)
    with tempfile.TemporaryDirectory() as folder:
        frozen = [
            load_snapshot(
                PPO(pool.spec, PPOSettings(hidden=(64, 64)), seed=seed).snapshot(Path(folder), {}), pool.spec
            )
            for seed in range(2)
        ]
    players = {f"p{i}": Player(policy) for i, policy in enumerate(frozen)}
    seats = pool.spec.seats

    def measure() -> float:
        plan = [
            Match(Ticket(i, i), {seat: f"p{(s + i) % 2}" for s, seat in enumerate(seats)})
            for i in range(matches)
        ]
        began_s = time.perf_counter()
        Play(pool, in_order(plan, 64), players).run()
        return matches / (time.perf_counter() - began_s)

    return measure


def plain_matches(name: str, given: dict[str, Any], matches: int) -> Callable[[], float]:
    """The same in a loop over PettingZoo's face, as one writes it.

    A network of that size, a seat at a time.
    """
    env = make(name, **given)
    actions = int(env.action_space(env.possible_agents[0]).n)
    seen = env.observation_space(env.possible_agents[0])
    size = int(np.prod((seen["observation"] if hasattr(seen, "spaces") else seen).shape))
    nets = [
        torch.nn.Sequential(
            torch.nn.Linear(size, 64),
            torch.nn.Tanh(),
            torch.nn.Linear(64, 64),
            torch.nn.Tanh(),
            torch.nn.Linear(64, actions),
        )
        for _ in range(2)
    ]

    def act(seen: Any, net: torch.nn.Module) -> int:  # noqa: ANN401  # an observation
        mask = None
        if isinstance(seen, dict):
            seen, mask = seen["observation"], seen["action_mask"]
        with torch.no_grad():
            logits = net(torch.as_tensor(np.asarray(seen, np.float32).ravel()))
            if mask is not None:
                logits = torch.where(torch.as_tensor(np.asarray(mask, bool)), logits, torch.tensor(-1e9))
            return int(torch.multinomial(torch.softmax(logits, -1), 1))

    def measure() -> float:
        began_s = time.perf_counter()
        for match in range(matches):
            seen, _ = env.reset(seed=match)
            while env.agents:
                seen = env.step({seat: act(seen[seat], nets[i % 2]) for i, seat in enumerate(env.agents)})[0]
        return matches / (time.perf_counter() - began_s)

    return measure


def many_blocks(players: int, matches: int) -> list[BlockResult]:
    """Blocks of two matches between random pairs of players of known strength."""
    rng = np.random.default_rng(0)
    strength = rng.normal(0, 0.5, players)
    names = [f"p{i:03d}" for i in range(players)]
    roles = {"s_0": "player", "s_1": "player"}
    blocks = []
    for position in range(matches // 2):
        i, j = (int(k) for k in rng.choice(players, 2, replace=False))
        lineups = ({"s_0": names[i], "s_1": names[j]}, {"s_0": names[j], "s_1": names[i]})
        found = []
        for index, lineup in enumerate(lineups):
            won = (rng.random() < 1 / (1 + np.exp(strength[j] - strength[i]))) == (index == 0)
            seats = tuple(
                SeatResult(
                    seat, "player", player, float(won == (seat == "s_0")), 1 if won == (seat == "s_0") else 2
                )
                for seat, player in lineup.items()
            )
            found.append(MatchResult(2 * position + index, index, position, 7, seats))
        plan = BlockPlan(
            run="bench",
            task=0,
            position=position,
            arena="toy",
            version="1",
            options={},
            stage="",
            purpose="eval",
            seed=position,
            roles=roles,
            lineups=lineups,
        )
        blocks.append(BlockResult(plan, tuple(found)))
    return blocks


def fit_rows(matches: int) -> list[Row]:
    """The joint fit of 200 players, from blocks to ratings, and with 1,000 resamples.

    Beside what is allowed.
    """
    blocks = many_blocks(200, matches)
    rng = np.random.default_rng(1)
    began_s = time.perf_counter()
    fit = Fit(compare(blocks), {}, 0.5)
    fit.solve(np.ones((1, len(blocks))), None)
    once_s = time.perf_counter() - began_s
    for _ in range(8):
        fit.solve(block_weights(rng, 125, len(blocks)), rng)
    all_s = time.perf_counter() - began_s
    work = f"joint fit of 200 players over {matches:,} matches"
    return [
        Row(work, "2 s allowed", 1 / 2, 1 / once_s, "fits/s", 1.0),
        Row(f"{work}, with 1,000 resamples", "30 s allowed", 1 / 30, 1 / all_s, "fits/s", 1.0),
    ]


def main() -> None:
    """Measure and print."""
    asked = options(__doc__ or "")
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    runs = 3 if asked.quick else 5
    share = 4 if asked.quick else 1
    rows = []
    for work, (name, given, matches, bar) in OURS.items():
        ours = our_matches(name, given, matches // share)
        plain = plain_matches(name, given, max(1, matches // 64))
        ours()
        theirs_s, ours_s = in_turns(runs, plain, ours)
        rows.append(
            Row(f"{work}, frozen 64 x 64", "a plain PettingZoo loop", theirs_s, ours_s, "matches/s", bar)
        )
    for game, (module, theirs_name) in THEIRS.items():
        rows += board_rows(game, module, theirs_name, runs, 1024 // share)
    rows += fit_rows(20_000 if asked.quick else 200_000)
    rows += ledger_rows(runs, 8 if asked.quick else 64)
    rows += standings_rows(runs, 1_000_000 if asked.quick else 10_000_000)
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
