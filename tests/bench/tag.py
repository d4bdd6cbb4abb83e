"""Predators by MADDPG beside all-chase in mpe2's simple_tag, against the same prey, trained by self-play.

python tests/bench/tag.py [--quick] [--json]

The prey is the last policy of PPO that plays both roles against itself (`simple_tag_v3/ppo.toml` in
agents/presets/mpe2, PREY_STEPS environment steps of 64 copies, seed 0, one thread); its snapshot's hash is
printed. MADDPG (`maddpg.toml`) then trains the three predators against that prey, held still, with
PREDATOR_STEPS steps of 16 copies; three seeds. They are judged by the all-chase whose figures were asked
(52.8 of random prey over 300 episodes, which is who brakes and does not lead: `ASKED`), and once more by one
that leads the prey, too, and catches more.
Episodes have 25 steps. Each row: 500 episodes of the same other seeds, everybody greedy but the prey, which
draws its actions as it did while it learned. A return is one predator's: 10 for each touch of any of them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

from agents.frozen import load_policy
from agents.scripted.tag import Chase
from agents.tuned import read_preset
from marl.batch import LocalPool
from marl.loading import ArenaRef, build
from marl.play import Match, Play, Player, in_order
from marl.policy import RandomLegal
from marl.rng import seed_of
from marl.spec import Ticket
from tests.bench.learning_tasks import SHORT
from tests.bench.table import Row, options, show
from tests.learning.practice import Practice

if TYPE_CHECKING:
    from marl.policy import Policy

ARENA, PREDATOR, PREY = "mpe2.simple_tag_v3", "adversary", "agent"
PREY_STEPS, PREDATOR_STEPS, ROLLOUT, SEEDS = 200_000, 320_000, 25, 3
PRESETS = "mpe2/simple_tag_v3"
CHASES = {
    "all chase, without brakes or lead": {"brake_s": 0.0, "lead_s": 0.0},
    "all chase": {"brake_s": 0.2, "lead_s": 0.0},
    "all chase, leading": {"brake_s": 0.2, "lead_s": 0.2},
}
ASKED, STRONGER = "all chase", "all chase, leading"


def train_prey(steps: int, folder: Path) -> Path:
    """Self-play of both roles; the snapshot."""
    practice = Practice(ARENA, 0, read_preset(f"{PRESETS}/ppo"), options=SHORT, copies=64, rollout=ROLLOUT)
    practice.run(steps // (64 * ROLLOUT))
    snapshot: Path = practice.learner.snapshot(folder, {})
    return snapshot


def train_predators(seed: int, steps: int, prey: Policy) -> Policy:
    """MADDPG of the predators alone."""
    practice = Practice(
        ARENA,
        seed,
        read_preset(f"{PRESETS}/maddpg"),
        learner="maddpg",
        options=SHORT,
        copies=16,
        rollout=ROLLOUT,
        roles=(PREDATOR,),
        others=prey,
    )
    practice.run(steps // (16 * ROLLOUT))
    policy: Policy = practice.learner.policy
    return policy


class Chasing:
    """Mean returns and their standard errors: one predator's, and the prey's."""

    def __init__(self, predators: Policy, prey: Policy, episodes: int) -> None:
        ref = ArenaRef(ARENA, SHORT)
        with LocalPool([build(ref)], 50) as pool:
            seats = {role.name: role.seats for role in pool.spec.roles}
            lineup = {seat: name for name in seats for seat in seats[name]}
            plan = [Match(Ticket(i, seed_of(7, i)), lineup) for i in range(episodes)]
            players = {PREDATOR: Player(predators, greedy=True), PREY: Player(prey)}
            outcomes = Play(pool, in_order(plan, pool.copies), players).run()
        self.caught, self.prey = (
            np.array([one.score[seats[name][0]] for one in outcomes]) for name in (PREDATOR, PREY)
        )

    def __str__(self) -> str:
        def told(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
            return f"{values.mean():.1f} +- {1.96 * values.std() / np.sqrt(len(values)):.1f}"

        return f"{told(self.caught)}; prey {told(self.prey)}"


def main() -> None:
    """Train both sides, play and print."""
    asked = options(__doc__)
    shorter, episodes = (20, 50) if asked.quick else (1, 500)
    with LocalPool([build(ArenaRef(ARENA, SHORT))], 1) as pool:
        spec = pool.spec
    with tempfile.TemporaryDirectory() as folder:
        snapshot = train_prey(PREY_STEPS // shorter, Path(folder))
        prey = load_policy(snapshot, spec)
    rivals: dict[str, Policy] = {"random": RandomLegal()}
    rivals |= {name: Chase(spec, **knobs) for name, knobs in CHASES.items()}
    against: dict[str, Chasing] = {}
    for name, rival in rivals.items():
        print(f"{name}, random prey: predator {Chasing(rival, RandomLegal(), episodes)}", flush=True)
        against[name] = Chasing(rival, prey, episodes)
        print(f"{name}, prey {snapshot.name}: predator {against[name]}", flush=True)
    rows = []
    for seed in range(1 if asked.quick else SEEDS):
        began_s = time.process_time()
        found = Chasing(train_predators(seed, PREDATOR_STEPS // shorter, prey), prey, episodes)
        work = f"maddpg's predators, seed {seed}, {time.process_time() - began_s:.0f} CPU s"
        print(f"{work}: predator {found}", flush=True)
        rows += [
            Row(
                work,
                f"{name} ({against[name]})",
                float(against[name].caught.mean()),
                float(found.caught.mean()),
                f"return of a predator ({found})",
                1.0 if name == ASKED else None,
            )
            for name in (ASKED, STRONGER)
        ]
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
