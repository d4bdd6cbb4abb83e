"""How often intervals cover the truth, and gates let the weak pass: simulated tournaments of known strengths.

python tests/bench/intervals.py [--quick] [--json]

Not called coverage.py: a benchmark that is run by path would then find it in place of the package of that
name.

A row's `ours` is a share, `theirs` the bounds that it has to keep, and `ok` whether it does.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

import numpy as np

from league.block import BlockPlan, BlockResult, MatchResult, SeatResult
from league.confidence import refutes
from league.rating import ELO, rate
from tests.bench.table import options

STRENGTHS = np.array([0.9, 0.3, 0.0, -0.4, -0.8])
"""Log-odds of the players of a tournament."""


@dataclass(frozen=True)
class Claim:
    """A share that has to lie within bounds.

    Its own standard error is from `trials` independent tournaments.
    """

    work: str
    share: float
    low: float
    high: float
    trials: int

    @property
    def ok(self) -> bool:
        """Whether it does."""
        return self.low <= self.share <= self.high


def tournament(rng: np.random.Generator, blocks: int) -> list[BlockResult]:
    """A round robin: blocks of a pair share a seed's luck, and the first seat is worth a little."""
    roles = {"s_0": "player", "s_1": "player"}
    found: list[BlockResult] = []
    for i in range(len(STRENGTHS)):
        for j in range(i + 1, len(STRENGTHS)):
            # the luck of a seed helps whoever has the first seat, as a kind start does
            luck = 0.3 * rng.standard_normal(blocks)
            for k in range(blocks):
                lineups = ({"s_0": f"p{i}", "s_1": f"p{j}"}, {"s_0": f"p{j}", "s_1": f"p{i}"})
                matches = []
                for index, lineup in enumerate(lineups):
                    gap = STRENGTHS[i] - STRENGTHS[j] + (0.2 if index == 0 else -0.2)
                    gap += luck[k] if index == 0 else -luck[k]
                    first = bool((rng.random() < 1 / (1 + math.exp(-gap))) == (index == 0))
                    seats = tuple(
                        SeatResult(
                            seat,
                            "player",
                            name,
                            float(first == (seat == "s_0")),
                            2 - (first == (seat == "s_0")),
                        )
                        for seat, name in lineup.items()
                    )
                    matches.append(MatchResult(index, index, k, 1, seats))
                plan = BlockPlan(
                    run="sim",
                    task=0,
                    position=len(found),
                    arena="toy",
                    version="1",
                    options={},
                    stage="",
                    purpose="eval",
                    seed=k,
                    roles=roles,
                    lineups=lineups,
                )
                found.append(BlockResult(plan, tuple(matches)))
    return found


def true_ratings(seed: int) -> np.ndarray:
    """What an endless tournament would be rated.

    The luck and the seat included, which shrink strengths a little.
    """
    rng = np.random.default_rng(seed)
    luck = 0.3 * rng.standard_normal(200_000)
    size = len(STRENGTHS)
    won = np.full((size, size), 0.5)
    for i in range(size):
        for j in range(size):
            gap = STRENGTHS[i] - STRENGTHS[j]
            ends = [1 / (1 + np.exp(-(gap + sign * (0.2 + luck)))) for sign in (1, -1)]
            won[i, j] = float(np.mean(ends))
    rating = np.zeros(size)
    for _ in range(200):
        chance = 1 / (1 + np.exp(rating[None, :] - rating[:, None]))
        rating += 0.5 * (won - chance).sum(axis=1)
        rating -= rating.mean()
    return ELO * rating


def coverage(blocks: int, tournaments: int, resamples: int, seed: int = 0) -> Claim:
    """The share of ratings, over all players of all tournaments, that lie within their intervals."""
    truth = true_ratings(seed)
    covered = total = 0
    for number in range(tournaments):
        rng = np.random.default_rng([seed, blocks, number])
        standings = rate(tournament(rng, blocks), rng, resamples=resamples)
        for row in standings.rows:
            assert row.low is not None
            assert row.high is not None
            covered += row.low <= truth[int(row.player[1:])] <= row.high
            total += 1
    return Claim(f"95 % intervals, {blocks} blocks a pair", covered / total, 0.93, 0.97, tournaments)


def gate_error(agents: int, seed: int = 0) -> Claim:
    """How often a true 65 % agent, looked at 50 times over 1,000 matches, passes a gate of 70 %."""
    rng = np.random.default_rng(seed)
    passed = 0
    for _ in range(agents):
        results = (rng.random(1000) < 0.65).astype(float)
        passed += any(refutes(results[: 20 * look], 0.7, 0.025) for look in range(1, 51))
    return Claim("a 65 % agent at a 70 % gate, 50 looks", passed / agents, 0.0, 0.025, agents)


def main() -> None:
    """Simulate and print."""
    asked = options(__doc__ or "")
    many = 60 if asked.quick else 1000
    claims = [coverage(blocks, many, 200 if asked.quick else 400) for blocks in (20, 50, 200)]
    claims.append(gate_error(200 if asked.quick else 2000))
    if asked.json:
        rows = [asdict(claim) | {"ok": claim.ok} for claim in claims]
        print(json.dumps(rows, indent=1))
        return
    for claim in claims:
        mark = "yes" if claim.ok else "NO"
        print(
            f"{claim.work:45s} {100 * claim.share:6.2f} %  asked {100 * claim.low:.1f} to "
            f"{100 * claim.high:.1f} %, {claim.trials} trials  {mark}"
        )


if __name__ == "__main__":
    main()
